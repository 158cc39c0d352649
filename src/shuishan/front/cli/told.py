"""How the values of the model read in one line, in the language of the command."""

from datetime import datetime
from enum import StrEnum

from shuishan.front.cli.out import BAD, GOOD, QUIET, WARN, Out
from shuishan.model.finding import Severity
from shuishan.model.plan import PlanState, StepState
from shuishan.model.site import HostState, VmState
from shuishan.model.status import Condition

# By kind first: words of different kinds (a running VM, a running plan) are equal as strings.
STATES: dict[type[StrEnum], dict[str, tuple[str, str]]] = {
    HostState: {
        HostState.ANSWERING: ("front.state.answering", GOOD),
        HostState.SILENT: ("front.state.silent", WARN),
        HostState.NOT_ASKED: ("front.state.not_asked", QUIET),
    },
    VmState: {
        VmState.RUNNING: ("front.state.running", GOOD),
        VmState.PAUSED: ("front.state.paused", WARN),
        VmState.SHUT_OFF: ("front.state.shut_off", QUIET),
        VmState.CRASHED: ("front.state.crashed", BAD),
        VmState.UNKNOWN: ("front.state.unknown", WARN),
    },
    PlanState: {
        PlanState.PROPOSED: ("front.plan.proposed", WARN),
        PlanState.RUNNING: ("front.plan.running", GOOD),
        PlanState.DONE: ("front.plan.done", GOOD),
        PlanState.UNWOUND: ("front.plan.unwound", WARN),
        PlanState.STUCK: ("front.plan.stuck", BAD),
        PlanState.REFUSED: ("front.plan.refused", QUIET),
    },
    StepState: {
        StepState.PENDING: ("front.step.pending", QUIET),
        StepState.STARTED: ("front.step.started", GOOD),
        StepState.DONE: ("front.step.done", GOOD),
        StepState.FAILED: ("front.step.failed", BAD),
        StepState.UNDONE: ("front.step.undone", WARN),
        StepState.STUCK: ("front.step.stuck", BAD),
    },
    Severity: {
        Severity.INFO: ("front.severity.info", QUIET),
        Severity.WARNING: ("front.severity.warning", WARN),
        Severity.CRITICAL: ("front.severity.critical", BAD),
    },
}

ANSWERS = {
    "true": ("front.answer.true", GOOD),
    "false": ("front.answer.false", BAD),
    "unknown": ("front.answer.unknown", WARN),
}


def state(out: Out, value: HostState | VmState | PlanState | StepState | Severity) -> str:
    message_id, colour = STATES[type(value)][value]
    return out.paint(out.word(message_id), colour)


def answer(out: Out, conditions: tuple[Condition, ...], kind: str) -> str:
    """yes, no or unknown to the condition `kind`; a condition nobody looked at is unknown."""
    status = next((one.status for one in conditions if one.type == kind), "unknown")
    message_id, colour = ANSWERS[status]
    return out.paint(out.word(message_id), colour)


def gib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.1f} GiB"


def local_time(at_s: float) -> str:
    """Local date and time with its offset, to the second."""
    return datetime.fromtimestamp(at_s).astimezone().isoformat(sep=" ", timespec="seconds")


def clock_time(at_s: float) -> str:
    """Local time of day, to the tenth of a second."""
    return datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S.%f")[:-5]


def span(out: Out, duration_s: float | None) -> str:
    """A length of time in the unit a person would use; None: now, or not known."""
    if duration_s is None:
        return out.word("front.span.now")
    for limit_s, unit_s, message_id in (
        (120, 1, "front.span.seconds"),
        (7200, 60, "front.span.minutes"),
        (172_800, 3600, "front.span.hours"),
    ):
        if duration_s < limit_s:
            return out.word(message_id, count=f"{duration_s / unit_s:.0f}")
    return out.word("front.span.days", count=f"{duration_s / 86_400:.0f}")
