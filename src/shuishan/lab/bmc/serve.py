"""The BMC process: Redfish over TLS, IPMI to the chassis, and the control socket, for all hosts of a lab."""

import asyncio
import base64
import contextlib
import ctypes
import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Protocol

import uvicorn

from shuishan.lab.bmc import redfish
from shuishan.lab.bmc.control import control_socket, obey
from shuishan.lab.bmc.ipmi import IpmiSession, Unframer, greeting
from shuishan.lab.bmc.state import BmcState
from shuishan.lab.chassis_devices import sockets
from shuishan.lab.layout import LabLayout
from shuishan.model.errors import EngineRefused, ShuishanError

USER = "admin"
MUTE_LIMIT_S = 600  # longer than any client waits
BODY_LIMIT_BYTES = 64 * 1024
_CLONE_NEWNET = 0x4000_0000

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Power(Protocol):
    """The power switch of the lab's hosts."""

    def is_on(self, host: str) -> bool: ...
    async def on(self, host: str) -> None: ...
    async def off(self, host: str) -> None: ...


class RedfishApp:
    """ASGI application; which BMC is meant follows from the address that was called."""

    def __init__(self, states: Mapping[str, BmcState], power: Power, password: str) -> None:
        """states: by BMC address"""
        self._states = states
        self._power = power
        self._expected = b"Basic " + base64.b64encode(f"{USER}:{password}".encode())
        self._switching: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        state = self._states[scope["server"][0]]
        if state.mute:
            await asyncio.sleep(MUTE_LIMIT_S)
            return
        body = await _body(receive)
        status, answer = self._answer(state, scope, body)
        raw = json.dumps(answer, indent=1).encode() if answer is not None else b""
        headers = [(b"content-type", b"application/json"), (b"odata-version", b"4.0")]
        if status == 401:
            headers.append((b"www-authenticate", b'Basic realm="BMC"'))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": raw})

    def _answer(self, state: BmcState, scope: Scope, body: bytes) -> tuple[int, redfish.Document | None]:
        path: str = scope["path"]
        if state.error:
            return 503, redfish.error("InternalError", "The service is in an unknown state.")
        open_to_all = path.rstrip("/") in ("/redfish", redfish.ROOT)
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not open_to_all and not hmac.compare_digest(given, self._expected):
            return 401, redfish.error("NoValidSession", "Name and password are required.")
        state.power_on = self._power.is_on(state.host)
        if scope["method"] == "POST" and path == redfish.reset_path(state):
            return self._reset(state, body)
        if scope["method"] != "GET":
            return 405, redfish.error("ActionNotSupported", f"{scope['method']} is not supported on {path}.")
        found = redfish.document(state, path)
        return (
            (200, found) if found else (404, redfish.error("ResourceMissingAtURI", f"{path} does not exist."))
        )

    def _reset(self, state: BmcState, body: bytes) -> tuple[int, redfish.Document | None]:
        try:
            wanted = json.loads(body).get("ResetType")
        except (ValueError, AttributeError):
            return 400, redfish.error("MalformedJSON", "The body is not a JSON object.")
        if wanted not in redfish.RESET_TYPES:
            return 400, redfish.error("ActionParameterNotSupported", f"ResetType {wanted} is not supported.")
        # Answer first, switch then: a real BMC does not wait for the machine either.
        task = asyncio.create_task(self._switch(state, wanted))
        self._switching.add(task)
        task.add_done_callback(self._switching.discard)
        return 204, None

    async def _switch(self, state: BmcState, wanted: str) -> None:
        try:
            if wanted in ("ForceOff", "ForceRestart"):
                await self._power.off(state.host)
            if wanted in ("On", "ForceRestart"):
                await self._power.on(state.host)
        except ShuishanError as error:
            state.add_entry(f"Power {wanted}: {error.message}", "Critical", int(time.time()))
        else:
            state.add_entry(f"Power {wanted} by remote command", "OK", int(time.time()))


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while len(body) <= BODY_LIMIT_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body[:BODY_LIMIT_BYTES])


async def serve(layout: LabLayout, power: Power, password: str, certificate: Path, key: Path) -> None:
    """Serve all BMCs of the lab until the process is told to end."""
    states = {host: BmcState(host) for host in layout.hosts}
    by_address = {layout.bmc_address(host): state for host, state in states.items()}
    config = uvicorn.Config(
        RedfishApp(by_address, power, password),
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    listeners = listeners_inside(layout.fabric_netns, [(address, 443) for address in by_address])
    async with contextlib.AsyncExitStack() as stack:
        for host, state in states.items():
            await stack.enter_async_context(await _serve_ipmi(sockets(layout, host).bmc, state))
        await stack.enter_async_context(await _serve_control(control_socket(layout), states))
        await uvicorn.Server(config).serve(sockets=listeners)


async def _serve_ipmi(path: Path, state: BmcState) -> asyncio.Server:
    """Answer one chassis; its QEMU connects, and again after each power cycle."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, unframer = IpmiSession(state), Unframer()
        writer.write(greeting())
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(4096):
                for message in unframer.feed(data):
                    writer.write(session.answer(message, int(time.time())) or b"")
                await writer.drain()
        writer.close()

    return await _unix_server(talk, path)


async def _serve_control(path: Path, states: Mapping[str, BmcState]) -> asyncio.Server:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            refusal = obey(states, line, int(time.time()))
            writer.write(json.dumps({"refused": refusal}).encode() + b"\n")
            await writer.drain()
        writer.close()

    return await _unix_server(talk, path)


async def _unix_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], path: Path
) -> asyncio.Server:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(talk, path)
    path.chmod(0o600)
    return server


def listeners_inside(netns: str, addresses: list[tuple[str, int]]) -> list[socket.socket]:
    """Listening sockets that live in a network namespace, while this process stays outside.

    The BMC switches hosts on and off, which is done from outside; so only its sockets go in.
    Raises EngineRefused when the namespace or an address is missing.
    """
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def enter() -> None:
        try:
            with Path(f"/run/netns/{netns}").open("rb") as handle:
                _setns(handle.fileno())
            made.extend(socket.create_server(address, backlog=32) for address in addresses)
        except OSError as error:
            failed.append(error)

    # A namespace belongs to a thread; this one ends with it.
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failed:
        raise EngineRefused(f"BMC cannot listen inside {netns}: {failed[0]}", subject=f"netns/{netns}")
    return made


def _setns(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
