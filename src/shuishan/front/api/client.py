"""The API from the other side: one method per route, the same words, the same errors."""

import json
import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import GenericAlias, TracebackType
from typing import Any, Literal, Self, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from shuishan.front.api.document import document
from shuishan.front.api.door import Scope
from shuishan.front.api.refusals import from_wire
from shuishan.front.api.requests import NoteRequest, RepairedRequest, TokenRequest
from shuishan.model.errors import BadInput, ShuishanError, Silent
from shuishan.model.finding import Diagnosis, Finding
from shuishan.model.site import SystemSpec
from shuishan.model.status import (
    AuditRecord,
    HostStatus,
    NewToken,
    PlanStatus,
    Report,
    SiteStatus,
    SystemStatus,
    TokenSpec,
)
from shuishan.model.timeline import Entry
from shuishan.model.word import Text, Word

W = TypeVar("W", bound=Word)
TIMEOUT_S = 30.0


class Client:
    """A connection to one server. Every method raises the `ShuishanError` the server raised.

    token:   the secret, or "" where only the open routes are asked
    ca_file: the site's CA certificate; None trusts the machine's own CAs
    """

    def __init__(
        self,
        url: str,
        token: str,
        ca_file: Path | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            verify=_trust(ca_file) if self.url.startswith("https:") else False,
            timeout=TIMEOUT_S,
            transport=transport,
            trust_env=False,  # a site's own server is never behind the machine's web proxy
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def health(self) -> dict[str, Any]:
        return json.loads(self._ask("GET", "/healthz"))

    def site(self) -> SiteStatus:
        return self._one(SiteStatus, "GET", "/api/v1/site")

    def diagnosis(self) -> Diagnosis:
        return self._one(Diagnosis, "GET", "/api/v1/diagnosis")

    def findings(self) -> list[Finding]:
        return self._many(Finding, "/api/v1/findings")

    def finding(self, id: str) -> Finding:
        return self._one(Finding, "GET", f"/api/v1/findings/{quote(id)}")

    def hosts(self) -> list[HostStatus]:
        return self._many(HostStatus, "/api/v1/hosts")

    def host(self, name: str) -> HostStatus:
        return self._one(HostStatus, "GET", f"/api/v1/hosts/{_key(name)}")

    def cordon(self, host: str) -> HostStatus:
        return self._one(HostStatus, "POST", f"/api/v1/hosts/{_key(host)}/cordon")

    def uncordon(self, host: str) -> HostStatus:
        return self._one(HostStatus, "POST", f"/api/v1/hosts/{_key(host)}/uncordon")

    def repaired(self, host: str, component: str | None = None) -> HostStatus:
        body = RepairedRequest(component=component)
        return self._one(HostStatus, "POST", f"/api/v1/hosts/{_key(host)}/repaired", body)

    def drain(self, host: str) -> PlanStatus:
        return self._one(PlanStatus, "POST", f"/api/v1/hosts/{_key(host)}/drain")

    def systems(self) -> list[SystemStatus]:
        return self._many(SystemStatus, "/api/v1/systems")

    def system(self, name: str) -> SystemStatus:
        return self._one(SystemStatus, "GET", f"/api/v1/systems/{_key(name)}")

    def apply_system(self, spec: SystemSpec) -> PlanStatus:
        return self._one(PlanStatus, "PUT", f"/api/v1/systems/{_key(spec.name)}", spec)

    def remove_system(self, name: str) -> PlanStatus:
        return self._one(PlanStatus, "DELETE", f"/api/v1/systems/{_key(name)}")

    def plans(self, limit: int = 50) -> list[PlanStatus]:
        return self._many(PlanStatus, "/api/v1/plans", limit=limit)

    def plan(self, id: str) -> PlanStatus:
        return self._one(PlanStatus, "GET", f"/api/v1/plans/{_key(id)}")

    def agree(self, id: str) -> PlanStatus:
        return self._one(PlanStatus, "POST", f"/api/v1/plans/{_key(id)}/agree")

    def refuse(self, id: str) -> PlanStatus:
        return self._one(PlanStatus, "POST", f"/api/v1/plans/{_key(id)}/refuse")

    def timeline(self, after: int = 0, limit: int = 200) -> list[Entry]:
        return self._many(Entry, "/api/v1/timeline", after=after, limit=limit)

    def timeline_stream(self, after: int = 0) -> Iterator[Entry]:
        """Entries as they are written; ends when the server ends the stream (it bounds its length)."""
        # Silence is fine between two entries, but the server sends a sign of life every 15 s.
        with (
            self._reaching(),
            self._http.stream(
                "GET", "/api/v1/timeline/stream", params={"after": after}, timeout=TIMEOUT_S
            ) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise _refusal(answer)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield Entry.model_validate_json(line.removeprefix("data: "))

    def note(self, subject: str, text: Text, room: Literal["lab", "people"] = "lab") -> Entry:
        body = NoteRequest(room=room, subject=subject, text=text)
        return self._one(Entry, "POST", "/api/v1/timeline", body)

    def report(self, plan: str | None = None) -> Report:
        return self._one(Report, "GET", "/api/v1/report", plan=plan)

    def audit(self, after: int = 0, limit: int = 200) -> list[AuditRecord]:
        return self._many(AuditRecord, "/api/v1/audit", after=after, limit=limit)

    def tokens(self) -> list[TokenSpec]:
        return self._many(TokenSpec, "/api/v1/tokens")

    def create_token(self, name: str, scope: Scope, lifetime_s: float) -> NewToken:
        try:
            body = TokenRequest(name=name, scope=scope, lifetime_s=lifetime_s)
        except ValidationError as cause:
            fault = cause.errors()[0]
            field = fault["loc"][0]
            raise BadInput(f"{field}: {fault['msg']}", subject=f"field/{field}") from cause
        return self._one(NewToken, "POST", "/api/v1/tokens", body)

    def revoke_token(self, id: str) -> TokenSpec:
        return self._one(TokenSpec, "DELETE", f"/api/v1/tokens/{_key(id)}")

    def _one(self, kind: type[W], method: str, path: str, body: Word | None = None, **query: str | None) -> W:
        return _read(TypeAdapter(kind), self._ask(method, path, body, **query))

    def _many(
        self, kind: type[W], path: str, *, after: int | None = None, limit: int | None = None
    ) -> list[W]:
        # A list type made at run time, which a type expression cannot name.
        adapter = TypeAdapter[list[W]](cast(Any, GenericAlias(list, (kind,))))
        return _read(adapter, self._ask("GET", path, after=after, limit=limit))

    def _ask(self, method: str, path: str, body: Word | None = None, **query: str | int | None) -> bytes:
        with self._reaching():
            answer = self._http.request(
                method,
                path,
                params={key: value for key, value in query.items() if value is not None},
                content=document(body) if body is not None else None,
                headers={"Content-Type": "application/json"} if body is not None else {},
            )
        if answer.is_error:
            raise _refusal(answer)
        return answer.content

    @contextmanager
    def _reaching(self) -> Generator[None]:
        """Say in one sentence why the server could not be asked, and the way out."""
        try:
            yield
        except httpx.TimeoutException as cause:
            raise Silent(
                f"{self.url} gave no answer within {TIMEOUT_S:g} s; try again later, or see its log",
                subject=f"server/{self.url}",
            ) from cause
        except httpx.TransportError as cause:
            if "CERTIFICATE_VERIFY_FAILED" in str(cause):
                raise BadInput(
                    f"{self.url} shows a certificate this CA did not sign; give its CA: --ca-file FILE",
                    subject=f"server/{self.url}",
                    detail=str(cause),
                ) from cause
            raise Silent(
                f"no server answers at {self.url}; start it: shuishan server",
                subject=f"server/{self.url}",
                detail=str(cause),
            ) from cause


def _key(name: str) -> str:
    return quote(name, safe="")


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as cause:
        raise BadInput(f"cannot read the CA file {ca_file}: {cause}", subject=f"file/{ca_file}") from cause


A = TypeVar("A")


def _read(adapter: TypeAdapter[A], content: bytes) -> A:
    try:
        return adapter.validate_json(content)
    except ValidationError as cause:
        raise BadInput(
            "the server's answer does not have the expected shape; do client and server have one version?",
            subject="server",
            detail=str(cause)[:2000],
        ) from cause


def _refusal(answer: httpx.Response) -> ShuishanError:
    try:
        told = answer.json()["error"]
        return from_wire(str(told["code"]), str(told["message"]), str(told["subject"]))
    except (ValueError, KeyError, TypeError):
        return Silent(
            f"{answer.url} answered with status {answer.status_code}, but not as Shuishan does",
            subject="server",
        )
