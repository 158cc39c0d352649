"""The report as one page to mail: no script, nothing fetched from anywhere, both languages inside."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from shuishan.catalog.messages import say
from shuishan.front.report import story
from shuishan.front.report.topology import drawings
from shuishan.front.report.two import both, length, milliseconds, relative, told
from shuishan.model.finding import Finding
from shuishan.model.plan import Consent, PlanState, Receipt, StepState
from shuishan.model.proof import Verdict
from shuishan.model.signal import Source
from shuishan.model.status import Report
from shuishan.model.timeline import Room
from shuishan.model.word import Text

_FOLDER = Path(__file__).parent
MOST_LEFT_ALONE = 12

ROOMS = {
    Room.LAB: "page.room.lab",
    Room.SENSE: "page.room.sense",
    Room.DIAGNOSE: "page.room.diagnose",
    Room.DECIDE: "page.room.decide",
    Room.ACT: "page.room.act",
    Room.PROVE: "page.room.prove",
    Room.PEOPLE: "page.room.people",
}
OUTCOMES = {
    story.Outcome.HELD: "page.outcome.held",
    story.Outcome.BROKEN: "page.outcome.broken",
    story.Outcome.UNKNOWN: "page.outcome.unknown",
    story.Outcome.NO_ROOM: "page.outcome.no_room",
    story.Outcome.LEFT_ALONE: "page.outcome.left_alone",
}
STEPS = {
    StepState.PENDING: "page.step.pending",
    StepState.STARTED: "page.step.started",
    StepState.DONE: "page.step.done",
    StepState.FAILED: "page.step.failed",
    StepState.UNDONE: "page.step.undone",
    StepState.STUCK: "page.step.stuck",
}
PLANS = {
    PlanState.PROPOSED: "page.plan.proposed",
    PlanState.RUNNING: "page.plan.running",
    PlanState.DONE: "page.plan.done",
    PlanState.UNWOUND: "page.plan.unwound",
    PlanState.STUCK: "page.plan.stuck",
    PlanState.REFUSED: "page.plan.refused",
}
CONSENTS = {
    Consent.AUTOMATIC: "page.consent.automatic",
    Consent.OPERATOR: "page.consent.operator",
}
VERDICTS = {
    Verdict.HELD: "page.claim.held",
    Verdict.BROKEN: "page.claim.broken",
    Verdict.UNKNOWN: "page.claim.unknown",
}
SOURCES = {
    Source.KERNEL_LOG: "page.source.kernel_log",
    Source.SYSTEM_LOG: "page.source.system_log",
    Source.SMART: "page.source.smart",
    Source.EDAC: "page.source.edac",
    Source.BMC_SENSOR: "page.source.bmc_sensor",
    Source.BMC_EVENT: "page.source.bmc_event",
    Source.LIBVIRT: "page.source.libvirt",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on the time axis, in per cent of its length."""

    left: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis: a lane of marks for each room that has something to tell, and ticks."""

    lanes: tuple[tuple[Room, tuple[Mark, ...]], ...]
    ticks: tuple[tuple[float, str], ...]


def render_html(report: Report, language: str) -> str:
    """The whole page, opening in `language` ("zh…" Chinese, else English). Everything in it is escaped."""
    wide, narrow, hidden = drawings(report)
    zero_s = story.first_sign_s(report)
    return _template().render(
        report=report,
        zh=language.lower().startswith("zh"),
        language="zh-CN" if language.lower().startswith("zh") else "en",
        style=Markup((_FOLDER / "page.css").read_text("utf-8")),
        zero_s=zero_s,
        outcome=story.outcome(report),
        numbers=story.numbers(report),
        moves=story.moves(report),
        aside=story.left_alone(report, MOST_LEFT_ALONE),
        wide=wide,
        narrow=narrow,
        hidden=hidden,
        axis=time_axis(report),
        pause_scale_ms=_nice_above(max((pause.downtime_ms or 0 for pause in report.pauses), default=0)),
        local=local_time,
        clock=_clock,
        place=_place,
        horizon=horizon,
        receipt_of=receipt_of,
        tolerance_s=min((system.spec.tolerance_s for system in report.systems), default=None),
        ROOMS=ROOMS,
        OUTCOMES=OUTCOMES,
        STEPS=STEPS,
        PLANS=PLANS,
        both=both,
        told=told,
        relative=relative,
        length=length,
        milliseconds=milliseconds,
        CONSENTS=CONSENTS,
        VERDICTS=VERDICTS,
        SOURCES=SOURCES,
    )


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((_FOLDER / "page.html.j2").read_text("utf-8"))


def time_axis(report: Report) -> Axis:
    """Marks by room: moments as dots, steps as bars on the lane of act."""
    zero_s = story.first_sign_s(report)
    deeds = story.deeds(report)
    moments = [(entry.room, entry.at_s - zero_s, entry.text) for entry in report.timeline]
    times = [at for _, at, _ in moments] + [deed.from_s for deed in deeds] + [deed.to_s for deed in deeds]
    if not times:
        return Axis((), ())
    first, last = min(0.0, *times), max(*times, 1.0)
    span = last - first

    def share(at: float) -> float:
        return 1.0 + 98.0 * (at - first) / span  # a hair of room at both ends

    lanes: list[tuple[Room, tuple[Mark, ...]]] = []
    for room in Room:
        marks = [Mark(share(at), 0.0, f"{relative(at)}") for one, at, _ in moments if one is room]
        if room is Room.ACT and deeds:
            marks = [
                Mark(share(deed.from_s), max(0.6, share(deed.to_s) - share(deed.from_s)), deed.label)
                for deed in deeds
            ]
        if marks:
            lanes.append((room, tuple(marks)))
    step = _tick(span)
    count = int(last // step)
    ticks = tuple((share(place * step), relative(place * step)) for place in range(count + 1))
    return Axis(tuple(lanes), ticks)


def _tick(span_s: float) -> float:
    """A round distance between ticks, so that there are at most six."""
    for step in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400):
        if span_s / step <= 6:
            return float(step)
    return span_s / 5


def _nice_above(value: float) -> float:
    """The next round number, for the length of a bar; 1 for nothing."""
    scale = 1.0
    while scale < value:
        for factor in (1, 2, 2.5, 5):
            if scale * factor >= value:
                return scale * factor
        scale *= 10
    return scale


def local_time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S.%f")[:-5]


def _place(finding: Finding) -> str:
    return f"{finding.host} / {finding.component}" if finding.component else finding.host


def horizon(finding: Finding) -> Text:
    """How soon it matters, in the unit a person would use."""
    if finding.horizon_s is None:
        return say("page.horizon.now")
    for limit_s, unit_s, message_id in (
        (7200, 60, "page.horizon.minutes"),
        (172_800, 3600, "page.horizon.hours"),
    ):
        if finding.horizon_s < limit_s:
            return say(message_id, count=f"{finding.horizon_s / unit_s:.0f}")
    return say("page.horizon.days", count=f"{finding.horizon_s / 86_400:.0f}")


def receipt_of(receipts: tuple[Receipt, ...], step: str) -> Receipt | None:
    """The last word on a step."""
    return next((receipt for receipt in reversed(receipts) if receipt.step == step), None)
