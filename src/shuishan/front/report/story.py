"""What a report's pages need, worked out from the report alone. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from shuishan.model.finding import Dismissed, Evidence, Finding
from shuishan.model.plan import StepState
from shuishan.model.proof import Verdict
from shuishan.model.status import HostStatus, Report
from shuishan.model.timeline import Room
from shuishan.model.word import Text


class Outcome(StrEnum):
    """How the story ended, at one glance."""

    HELD = "held"
    BROKEN = "broken"
    UNKNOWN = "unknown"  # not proved yet, or a sense was blind
    NO_ROOM = "no_room"  # a plan did not fit, so nothing was done
    LEFT_ALONE = "left_alone"  # nothing needed doing


@dataclass(frozen=True, slots=True)
class Move:
    """A VM that ended on another host than it began on. downtime_ms: None if nobody measured it."""

    vm: str
    source: str
    target: str
    downtime_ms: float | None


@dataclass(frozen=True, slots=True)
class Deed:
    """A step that took time. seconds from the first sign."""

    label: str
    from_s: float
    to_s: float
    state: StepState


@dataclass(frozen=True, slots=True)
class Numbers:
    """The few numbers a director asks for; None: not measured."""

    asked: int | None
    lost: int | None
    longest_pause_ms: float | None
    to_first_move_s: float | None
    to_end_s: float | None


def outcome(report: Report) -> Outcome:
    """How the newest plan ended: earlier ones that were undone or did not fit were steps on the way."""
    if not report.plans:
        return Outcome.LEFT_ALONE
    last = max(report.plans, key=lambda status: status.plan.at_s)
    if not last.plan.fits:
        return Outcome.NO_ROOM
    return _OUTCOMES[last.proof.verdict if last.proof else Verdict.UNKNOWN]


_OUTCOMES = {
    Verdict.HELD: Outcome.HELD,
    Verdict.BROKEN: Outcome.BROKEN,
    Verdict.UNKNOWN: Outcome.UNKNOWN,
}


def first_sign_s(report: Report) -> float:
    """When the first evidence of what the plans answer was seen: the zero of every time in the report."""
    answered = {id for status in report.plans for id in status.plan.because}
    findings = report.diagnosis.findings
    # The timeline knows the sign that came first; a finding's own evidence is renewed turn after turn.
    signs = [e.at_s for e in report.timeline if e.room is Room.SENSE and e.refs.get("finding") in answered]
    evidence = [line.at_s for one in findings if one.id in answered for line in one.evidence]
    sensed = [entry.at_s for entry in report.timeline if entry.room is Room.SENSE]
    seen = [line.at_s for one in findings for line in one.evidence]
    told = [entry.at_s for entry in report.timeline]
    return next((min(times) for times in (signs, evidence, sensed, seen, told) if times), report.made_at_s)


def moves(report: Report) -> list[Move]:
    """VMs that changed hosts, in the order of the plans' steps, then by name."""
    measured = {pause.vm: pause.downtime_ms for pause in report.pauses}
    order = [
        step.params["vm"] for status in report.plans for step in status.plan.steps if "vm" in step.params
    ]
    found = [
        Move(vm, source, report.placement_after[vm], measured.get(vm))
        for vm, source in report.placement_before.items()
        if vm in report.placement_after and report.placement_after[vm] != source
    ]
    return sorted(found, key=lambda move: (order.index(move.vm) if move.vm in order else len(order), move.vm))


def deeds(report: Report) -> list[Deed]:
    """Steps with a beginning and an end, on the clock of the story."""
    zero_s = first_sign_s(report)
    found: list[Deed] = []
    for status in report.plans:
        steps = {step.id: step for step in status.plan.steps}
        for receipt in status.receipts:
            if receipt.started_at_s is None or receipt.ended_at_s is None or receipt.step not in steps:
                continue
            params = steps[receipt.step].params
            label = params.get("vm") or params.get("host") or receipt.step
            found.append(
                Deed(label, receipt.started_at_s - zero_s, receipt.ended_at_s - zero_s, receipt.state)
            )
    return sorted(found, key=lambda deed: (deed.from_s, deed.label))


def numbers(report: Report) -> Numbers:
    pauses = [pause.downtime_ms for pause in report.pauses if pause.downtime_ms is not None]
    done = deeds(report)
    moved = {move.vm for move in moves(report)}
    move_starts = [deed.from_s for deed in done if deed.label in moved]
    return Numbers(
        asked=sum(probe.asked for probe in report.probes) if report.probes else None,
        lost=sum(probe.lost for probe in report.probes) if report.probes else None,
        longest_pause_ms=max(pauses, default=None),
        to_first_move_s=min(move_starts, default=None),
        to_end_s=max((deed.to_s for deed in done), default=None) if moved else None,
    )


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Equal things that were left alone for one reason. lines: a few of what was seen."""

    host: str
    components: tuple[str, ...]
    reason: Text
    lines: tuple[Evidence, ...]


def left_alone(report: Report, most: int) -> tuple[list[LeftAlone], int]:
    """What was dismissed, folded by host and reason, and how many such groups are not shown."""
    groups: dict[tuple[str, str], list[Dismissed]] = {}
    for one in report.diagnosis.dismissed:
        groups.setdefault((one.host, one.reason.en), []).append(one)
    folded = [
        LeftAlone(
            host=host,
            components=tuple(sorted({one.component for one in group if one.component})),
            reason=group[0].reason,
            lines=tuple(line for one in group for line in one.evidence[:1])[:2],
        )
        for (host, _), group in groups.items()
    ]
    return folded[:most], max(0, len(folded) - most)


def shown_hosts(report: Report, most: int) -> tuple[list[HostStatus], int]:
    """Hosts worth drawing, in the order of racks, and how many more there are.

    A host that something was found on, left or reached comes first; then those that carry VMs.
    """
    found = {finding.host for finding in report.diagnosis.findings}
    moved = {host for move in moves(report) for host in (move.source, move.target)}
    carrying = {*report.placement_before.values(), *report.placement_after.values()}

    def rank(host: HostStatus) -> int:
        name = host.spec.name
        return 0 if name in found else 1 if name in moved else 2 if name in carrying else 3

    chosen = sorted(report.hosts, key=rank)[:most]
    return sorted(chosen, key=lambda host: (host.spec.rack, host.spec.name)), len(report.hosts) - len(chosen)


def failing_parts(report: Report, host: str) -> list[Finding]:
    """Findings of `host`, the surest first."""
    found = [finding for finding in report.diagnosis.findings if finding.host == host]
    return sorted(found, key=lambda finding: -finding.probability)
