"""The site as placement sees it: who takes room where, which hosts are targets, and why others are not."""

from collections.abc import Collection, Mapping, Sequence

from shuishan.catalog.messages import messages, say
from shuishan.decide import history
from shuishan.decide.room import Closed, Guest, Room
from shuishan.decide.survey import Survey
from shuishan.decide.turn import Turn
from shuishan.decide.words import fill
from shuishan.model.finding import Severity
from shuishan.model.site import CareTier, HostState, HostView, VmState

_FAILED_TARGET_DOUBT = 3


def rooms(
    turn: Turn,
    *,
    leaving: Collection[str] = (),
    without: Collection[str] = (),
    arriving: Mapping[str, Sequence[Guest]] | None = None,
) -> list[Room]:
    """Every registered host as a room.

    leaving:  hosts that are being emptied
    without:  VMs that are about to be placed; they take no room
    arriving: host -> VMs that will come there; they take room already. None: those that running
              plans will bring
    """
    away = frozenset(without)
    survey, rules = turn.survey, turn.policy.placement
    closed, doubts = _trust(turn)
    failed = history.failed_targets(turn.plans, turn.policy.avoid_failed_s, turn.now_s)
    coming = history.arriving(turn.plans, survey) if arriving is None else arriving
    found: list[Room] = []
    for spec in survey.site.hosts:
        view = survey.view(spec.name)
        seen = view.vms if view.state is HostState.ANSWERING else ()
        guests = {
            vm.name: survey.guest(vm)
            for vm in seen
            if vm.state is not VmState.SHUT_OFF and vm.name not in away
        }
        for guest in coming.get(spec.name, ()):
            if guest.vm not in away:
                guests.setdefault(guest.vm, guest)
        why = _closed_by_state(survey, view, leaving) or closed.get(spec.name)
        found.append(
            Room(
                host=spec.name,
                arch=spec.arch,
                rack=spec.rack,
                memory_bytes=int(spec.memory_bytes * (100 - rules.memory_reserve_percent) // 100),
                cpu_limit=int(spec.cpu_count * rules.cpu_overcommit),
                guests=tuple(guests.values()),
                closed=why,
                doubt=doubts.get(spec.name, 0) + _FAILED_TARGET_DOUBT * (spec.name in failed),
            )
        )
    return found


def _closed_by_state(survey: Survey, view: HostView, leaving: Collection[str]) -> Closed | None:
    if view.name in leaving:
        return Closed("leaving", say("decide.closed.leaving"))
    if view.state is HostState.SILENT:
        return Closed("silent", say("decide.closed.silent"))
    if view.state is HostState.NOT_ASKED:
        return Closed("silent", say("decide.closed.not_asked"))
    if view.name in survey.site.cordoned:
        return Closed("cordoned", say("decide.closed.cordoned"))
    return None


def _trust(turn: Turn) -> tuple[dict[str, Closed], dict[str, int]]:
    """What findings and blind senses say about hosts as targets: no targets, and less welcome ones."""
    closed: dict[str, Closed] = {}
    doubts: dict[str, int] = {}
    if turn.diagnosis is None:
        return closed, doubts
    rules = turn.policy.placement
    tiers: dict[str, CareTier | None] = {}
    for blind in turn.diagnosis.blind:
        if blind.source in rules.essential_senses:
            closed.setdefault(
                blind.host, Closed("blind", say("decide.closed.blind", source=blind.source.value))
            )
        else:
            doubts[blind.host] = doubts.get(blind.host, 0) + 1
    for finding in turn.diagnosis.findings:
        if finding.host not in tiers:
            tiers[finding.host] = turn.survey.care_tier(finding.host)
        rule = turn.policy.rule_for(finding, tiers[finding.host])
        leaves = rule.then == "evacuate" and finding.probability >= rule.min_probability
        critical = finding.severity is Severity.CRITICAL and finding.probability >= rules.distrust_probability
        if leaves or critical:
            reason = fill(messages()["decide.closed.unhealthy"], title=finding.title)
            closed[finding.host] = Closed("unhealthy", reason)
        elif finding.severity is not Severity.INFO:
            doubts[finding.host] = doubts.get(finding.host, 0) + 1
    return closed, doubts
