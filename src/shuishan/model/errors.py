"""What can go wrong on purpose. Anything that is not a `ShuishanError` is a bug."""

from enum import StrEnum
from typing import ClassVar


class Retry(StrEnum):
    """Is it any use to try the same thing again?"""

    NEVER = "never"
    LATER = "later"
    CHANGED = "changed"  # only after the caller changes something


class ShuishanError(Exception):
    """Root of every error we raise on purpose.

    message: shown to people: the thing, the reason, the way out
    subject: what it is about, as ``kind/name``, e.g. ``host/h3``
    detail:  for logs only; never leaves the API
    """

    code: ClassVar[str] = "internal"  # stable; clients match on it
    retry: ClassVar[Retry] = Retry.NEVER
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, subject: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.detail = detail


class BadInput(ShuishanError):
    """What was given cannot be understood or breaks a rule of its format."""

    code = "input.bad"
    retry = Retry.CHANGED
    http_status = 422
    exit_code = 2


class NotFound(ShuishanError):
    """The named thing does not exist here."""

    code = "not_found"
    retry = Retry.CHANGED
    http_status = 404
    exit_code = 3


class NotAllowed(ShuishanError):
    """The token is missing, wrong, expired, or does not carry the needed scope."""

    code = "access.denied"
    retry = Retry.CHANGED
    http_status = 401
    exit_code = 4


class Conflict(ShuishanError):
    """The request does not fit the present state (already exists, already running)."""

    code = "conflict"
    retry = Retry.CHANGED
    http_status = 409
    exit_code = 5


class NoRoom(ShuishanError):
    """No host can take the VM now."""

    code = "capacity.no_room"
    retry = Retry.CHANGED
    http_status = 507
    exit_code = 12


class Silent(ShuishanError):
    """The other side gave no answer in time. Silent is neither healthy nor dead."""

    code = "silent"
    retry = Retry.LATER
    http_status = 504
    exit_code = 6


class EngineRefused(ShuishanError):
    """The engine below (libvirt, BMC, a command) answered, and said no."""

    code = "engine.refused"
    retry = Retry.LATER
    http_status = 502
    exit_code = 7


class PremiseBroken(ShuishanError):
    """The fact a step was planned on no longer holds; the next turn decides anew."""

    code = "plan.premise_broken"
    retry = Retry.LATER
    http_status = 409
    exit_code = 8
