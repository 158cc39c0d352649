"""The API: routes, and nothing else. Who may is the gate's matter, what happens is the house's."""

import logging
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from shuishan.front.api import routes
from shuishan.front.api.door import HouseDoor
from shuishan.front.api.gate import Gate, scope_needed
from shuishan.front.api.refusals import NoSuchMethod, wire
from shuishan.front.api.stream import StreamBounds, TimelineStreams
from shuishan.model.clock import Clock, SystemClock
from shuishan.model.errors import BadInput, NotFound, ShuishanError

_log = logging.getLogger(__name__)


def make_app(house: HouseDoor, *, clock: Clock | None = None, bounds: StreamBounds | None = None) -> FastAPI:
    """The ASGI application in front of `house`."""
    app = FastAPI(
        title="Shuishan",
        version=version("shuishan"),
        description="A hospital's private cloud: what it sees, what it thinks, what it does and why.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    streams = TimelineStreams(house, clock or SystemClock(), bounds or StreamBounds())
    app.include_router(routes.open_router(house))
    for make in (routes.site_router, routes.host_router, routes.system_router, routes.plan_router):
        app.include_router(make(house), prefix="/api/v1")
    app.include_router(routes.story_router(house, streams), prefix="/api/v1")
    app.include_router(routes.access_router(house), prefix="/api/v1")
    app.add_middleware(Gate, house=house)
    _show_errors(app)
    _describe(app)
    return app


def _show_errors(app: FastAPI) -> None:
    @app.exception_handler(ShuishanError)
    async def _ours(_: Request, error: ShuishanError) -> Response:
        if error.detail:
            _log.info("%s: %s (%s)", error.code, error.message, error.detail)
        return _refusal(error)

    @app.exception_handler(RequestValidationError)
    async def _malformed(_: Request, error: RequestValidationError) -> Response:
        fault: dict[str, Any] = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"][1:] or fault["loc"])
        if fault["type"] == "json_invalid":
            reason = fault.get("ctx", {}).get("error", fault["msg"])
            return _refusal(BadInput(f"the body is not JSON: {reason}", subject="field/body"), status=400)
        return _refusal(BadInput(f"{field}: {fault['msg']}", subject=f"field/{field}"))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 405:
            return _refusal(NoSuchMethod(f"{path} does not take {request.method}", subject=f"path{path}"))
        if error.status_code == 404:
            return _refusal(NotFound(f"there is no {path} here; see /api/v1/openapi.json", subject="path"))
        return _refusal(BadInput(str(error.detail), subject="request"), status=error.status_code)

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        _log.error("%s %s broke", request.method, request.url.path, exc_info=error)
        return _refusal(
            ShuishanError("an error inside the server; its log says more", subject=f"path{request.url.path}")
        )


def _refusal(error: ShuishanError, status: int | None = None) -> Response:
    return Response(wire(error), status_code=status or error.http_status, media_type="application/json")


def _describe(app: FastAPI) -> None:
    """Put into the OpenAPI document what FastAPI cannot know: tokens, scopes, the shape of errors."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["components"]["schemas"]["Error"] = _ERROR_SCHEMA
            for name in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(name, None)
            for path, methods in schema["paths"].items():
                for method, operation in methods.items():
                    _describe_operation(path, method.upper(), operation)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described


def _describe_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    scope = scope_needed(method, path)
    if scope is not None:
        operation["security"] = [{"token": []}]
        operation["x-scope"] = scope
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "Refused; `code` is stable, `message` is for people",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


_ERROR_SCHEMA: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "subject", "retry"],
            "properties": {
                "code": {"type": "string", "example": "capacity.no_room"},
                "message": {"type": "string"},
                "subject": {"type": "string", "example": "host/h3"},
                "retry": {"type": "string", "enum": ["never", "later", "changed"]},
            },
        }
    },
}
