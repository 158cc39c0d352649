"""The gate before every route: who asks, may they, and is it small enough. Closed unless opened here."""

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from shuishan.front.api.door import SCOPE_RANK, HouseDoor, Scope
from shuishan.front.api.refusals import TooLarge, TooNarrow, wire
from shuishan.model.errors import NotAllowed, ShuishanError, Silent

BODY_LIMIT_BYTES = 1024 * 1024  # a system of 500 VMs is a fifth of this
BODY_DEADLINE_S = 20.0
OPEN_PATHS = frozenset({"/healthz"})

_ADMIN = re.compile(r"^/api/v1/(tokens|audit)(/|$)")
_DEEDS = re.compile(r"^/api/v1/((hosts|systems|plans)/|timeline$)")


def scope_needed(method: str, path: str) -> Scope | None:
    """The scope a request needs; None: open to everyone. What is not named here needs admin."""
    if path in OPEN_PATHS and method == "GET":
        return None
    if _ADMIN.match(path):
        return "admin"
    if method == "GET":
        return "read"
    return "operate" if _DEEDS.match(path) else "admin"


class Gate:
    """ASGI middleware: checks the bearer token, bounds the body, leaves the actor in the request state."""

    def __init__(self, app: ASGIApp, house: HouseDoor) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            needed = scope_needed(scope["method"], scope["path"])
            if needed is not None:
                scope.setdefault("state", {})["actor"] = await self._actor(scope, needed)
            body = b"" if scope["method"] == "GET" else await _body(scope, receive)
        except ShuishanError as error:
            await _refuse(error, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _actor(self, scope: AsgiScope, needed: Scope) -> str:
        """The name of the token; 401 when there is no good token, 403 when its scope is too narrow."""
        scheme, _, secret = _header(scope, b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise NotAllowed(
                "no token was sent: put it in the header `Authorization: Bearer …`", subject="token"
            )
        token = await self._house.check_token(secret.strip(), "read")
        if SCOPE_RANK[token.scope] < SCOPE_RANK[needed]:
            raise TooNarrow(
                f"token {token.name} has scope {token.scope}; this needs {needed}",
                subject=f"token/{token.name}",
            )
        return token.name


def _header(scope: MutableMapping[str, Any], name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


async def _body(scope: AsgiScope, receive: Receive) -> bytes:
    """The whole body, read before any route sees it, so that the bound holds for chunked ones too."""
    declared = _header(scope, b"content-length")
    if declared.isdecimal() and int(declared) > BODY_LIMIT_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > BODY_LIMIT_BYTES:
                    raise _too_large()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as cause:
        raise Silent(
            f"the request's body did not arrive within {BODY_DEADLINE_S:g} s", subject="request"
        ) from cause


def _too_large() -> TooLarge:
    return TooLarge(f"the request's body is larger than {BODY_LIMIT_BYTES // 1024} KiB", subject="request")


def _replay(body: bytes, receive: Receive) -> Receive:
    pending = [body]

    async def again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return again


async def _refuse(error: ShuishanError, send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    if error.http_status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="shuishan"'))
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": wire(error)})
