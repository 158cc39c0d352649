"""Every route, by noun. Each asks the house one thing and shows the answer as it is."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from shuishan.front.api.document import document
from shuishan.front.api.door import HouseDoor
from shuishan.front.api.requests import NoteRequest, RepairedRequest, TokenRequest
from shuishan.front.api.stream import TimelineStreams
from shuishan.front.report.html import render_html
from shuishan.model.errors import BadInput, NotFound
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
from shuishan.model.word import Word

Key = Annotated[str, Path(min_length=1, max_length=200)]
After = Annotated[int, Query(ge=0, description="only what came after this `seq`")]
Limit = Annotated[int, Query(ge=1, le=1000, description="the most to answer with")]
PlanLimit = Annotated[int, Query(ge=1, le=200, description="the most to answer with")]


def _answer(value: Word | Sequence[Word]) -> Response:
    return Response(document(value), media_type="application/json")


def _actor(request: Request) -> str:
    """The name of the token that asked, left there by the gate."""
    return request.state.actor


def open_router(house: HouseDoor) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", response_model=dict[str, object], summary="Does the house stand? (open)")
    async def health() -> Response:
        return _answer(await house.health())

    return router


def site_router(house: HouseDoor) -> APIRouter:
    router = APIRouter(tags=["site"])

    @router.get("/site", response_model=SiteStatus, summary="The whole site on one page")
    async def site() -> Response:
        return _answer(await house.site())

    @router.get("/diagnosis", response_model=Diagnosis, summary="What is thought of the last signals")
    async def diagnosis() -> Response:
        return _answer(await house.diagnosis())

    @router.get("/findings", response_model=list[Finding], summary="Findings that stand now")
    async def findings() -> Response:
        return _answer((await house.diagnosis()).findings)

    # A finding's id names its component, which may hold a slash (vm/his-db).
    @router.get("/findings/{id:path}", response_model=Finding, summary="One finding")
    async def finding(id: Key) -> Response:
        for one in (await house.diagnosis()).findings:
            if one.id == id:
                return _answer(one)
        raise NotFound(f"no finding {id} stands now; see: shuishan finding list", subject=f"finding/{id}")

    return router


def host_router(house: HouseDoor) -> APIRouter:
    router = APIRouter(prefix="/hosts", tags=["hosts"])

    @router.get("", response_model=list[HostStatus], summary="All hosts")
    async def hosts() -> Response:
        return _answer(await house.hosts())

    @router.get("/{name}", response_model=HostStatus, summary="One host")
    async def host(name: Key) -> Response:
        return _answer(await house.host(name))

    @router.post("/{name}/cordon", response_model=HostStatus, summary="Place nothing new on it")
    async def cordon(name: Key, request: Request) -> Response:
        return _answer(await house.cordon(name, _actor(request)))

    @router.post("/{name}/uncordon", response_model=HostStatus, summary="Let it carry VMs again")
    async def uncordon(name: Key, request: Request) -> Response:
        return _answer(await house.uncordon(name, _actor(request)))

    @router.post("/{name}/repaired", response_model=HostStatus, summary="Tell that a part was repaired")
    async def repaired(name: Key, request: Request, body: RepairedRequest) -> Response:
        return _answer(await house.repaired(name, body.component, _actor(request)))

    @router.post("/{name}/drain", response_model=PlanStatus, summary="Plan to move every VM off it")
    async def drain(name: Key, request: Request) -> Response:
        return _answer(await house.drain(name, _actor(request)))

    return router


def system_router(house: HouseDoor) -> APIRouter:
    router = APIRouter(prefix="/systems", tags=["systems"])

    @router.get("", response_model=list[SystemStatus], summary="All hospital systems")
    async def systems() -> Response:
        return _answer(await house.systems())

    @router.get("/{name}", response_model=SystemStatus, summary="One hospital system")
    async def system(name: Key) -> Response:
        return _answer(await house.system(name))

    @router.put("/{name}", response_model=PlanStatus, summary="Plan to make it so")
    async def apply_system(name: Key, request: Request, spec: SystemSpec) -> Response:
        if spec.name != name:
            raise BadInput(f"name: the path says {name}, the body says {spec.name}", subject="field/name")
        return _answer(await house.apply_system(spec, _actor(request)))

    @router.delete("/{name}", response_model=PlanStatus, summary="Plan to remove it and its disks")
    async def remove_system(name: Key, request: Request) -> Response:
        return _answer(await house.remove_system(name, _actor(request)))

    return router


def plan_router(house: HouseDoor) -> APIRouter:
    router = APIRouter(prefix="/plans", tags=["plans"])

    @router.get("", response_model=list[PlanStatus], summary="Plans, newest first")
    async def plans(limit: PlanLimit = 50) -> Response:
        return _answer(await house.plans(limit))

    @router.get("/{id}", response_model=PlanStatus, summary="One plan with what became of it")
    async def plan(id: Key) -> Response:
        return _answer(await house.plan(id))

    @router.post("/{id}/agree", response_model=PlanStatus, summary="Say yes to a proposed plan")
    async def agree(id: Key, request: Request) -> Response:
        return _answer(await house.agree(id, _actor(request)))

    @router.post("/{id}/refuse", response_model=PlanStatus, summary="Say no to a proposed plan")
    async def refuse(id: Key, request: Request) -> Response:
        return _answer(await house.refuse(id, _actor(request)))

    return router


def story_router(house: HouseDoor, streams: TimelineStreams) -> APIRouter:
    router = APIRouter(tags=["story"])

    @router.get("/timeline", response_model=list[Entry], summary="The timeline, oldest first")
    async def timeline(after: After = 0, limit: Limit = 200) -> Response:
        return _answer(await house.timeline(after, limit))

    @router.post("/timeline", response_model=Entry, summary="Put a remark on the timeline")
    async def note(body: NoteRequest, request: Request) -> Response:
        return _answer(await house.note(body.room, body.subject, body.text, _actor(request)))

    @router.get(
        "/timeline/stream",
        summary="The timeline as it is written (server-sent events)",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def stream(
        after: After = 0, last_event_id: Annotated[int | None, Header(ge=0)] = None
    ) -> StreamingResponse:
        events = streams.open(last_event_id if last_event_id is not None else after)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    @router.get("/report", response_model=Report, summary="One story, from first sign to proof")
    async def report(plan: Annotated[str | None, Query(max_length=200)] = None) -> Response:
        return _answer(await house.report(plan))

    @router.get("/report.html", response_class=Response, summary="The same story as one page to mail")
    async def report_page(
        plan: Annotated[str | None, Query(max_length=200)] = None, language: Literal["en", "zh"] = "en"
    ) -> Response:
        return Response(render_html(await house.report(plan), language), media_type="text/html")

    return router


def access_router(house: HouseDoor) -> APIRouter:
    router = APIRouter(tags=["access"])

    @router.get("/audit", response_model=list[AuditRecord], summary="Every change, oldest first")
    async def audit(after: After = 0, limit: Limit = 200) -> Response:
        return _answer(await house.audit(after, limit))

    @router.get("/tokens", response_model=list[TokenSpec], summary="Tokens, without their secrets")
    async def tokens() -> Response:
        return _answer(await house.tokens())

    @router.post("/tokens", response_model=NewToken, summary="Make a token; its secret is shown once")
    async def create_token(request: Request, body: TokenRequest) -> Response:
        made = await house.create_token(body.name, body.scope, body.lifetime_s, _actor(request))
        return _answer(made)

    @router.delete("/tokens/{id}", response_model=TokenSpec, summary="End a token now")
    async def revoke_token(id: Key, request: Request) -> Response:
        return _answer(await house.revoke_token(id, _actor(request)))

    return router
