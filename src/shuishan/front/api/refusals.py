"""Errors that arise at the door itself, and how each error looks on the wire."""

import json

from pydantic import ValidationError

from shuishan.model import errors
from shuishan.model.errors import BadInput, NotAllowed, Retry, ShuishanError


class TooLarge(BadInput):
    """The request is larger than the API reads."""

    code = "input.too_large"
    http_status = 413


class TooNarrow(NotAllowed):
    """The token is good, but its scope does not reach this far."""

    code = "access.scope"
    http_status = 403


class Busy(ShuishanError):
    """The server holds as many of these as it may."""

    code = "busy"
    retry = Retry.LATER
    http_status = 503
    exit_code = 9


class NoSuchMethod(BadInput):
    """The path exists, the method does not."""

    code = "input.method"
    http_status = 405


def wire(error: ShuishanError) -> bytes:
    """`{"error": {code, message, subject, retry}}`; never its detail."""
    shown = {
        "code": error.code,
        "message": error.message,
        "subject": error.subject,
        "retry": error.retry.value,
    }
    return json.dumps({"error": shown}, ensure_ascii=False).encode() + b"\n"


def from_wire(code: str, message: str, subject: str) -> ShuishanError:
    """The same error again on the other side; an unknown code becomes the root class."""
    return _known().get(code, ShuishanError)(message, subject=subject)


def _known() -> dict[str, type[ShuishanError]]:
    found: dict[str, type[ShuishanError]] = {}
    waiting: list[type[ShuishanError]] = [errors.ShuishanError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting.extend(kind.__subclasses__())
    return found


def first_fault(error: ValidationError) -> tuple[str, str]:
    """Where the first fault of a validation lies (``vms.0.memory_bytes``), and what is expected there."""
    fault = error.errors(include_url=False, include_context=False)[0]
    return ".".join(str(part) for part in fault["loc"]) or "document", fault["msg"]
