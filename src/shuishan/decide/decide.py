"""Findings and policy in, plans out; whatever is left alone is left alone for a reason one can check.

Level-triggered: it takes no hint of what changed, and asks each turn anew what is still missing. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shuishan.catalog.messages import messages, say
from shuishan.catalog.policies import Policy, Rule
from shuishan.decide import history
from shuishan.decide.evacuate import evacuation_title, host_plan, make_plan, placements
from shuishan.decide.room import Placement
from shuishan.decide.survey import Survey
from shuishan.decide.turn import Turn
from shuishan.decide.words import fill
from shuishan.model.finding import Blind, Diagnosis, Finding, Severity
from shuishan.model.plan import Consent, Decision, Held, OnFailure, Plan, PlanState
from shuishan.model.site import CareTier, SiteView
from shuishan.model.status import PlanStatus
from shuishan.model.word import Text

_SEVERITY_ORDER = list(Severity)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A finding with the rule that answers for it. held: why nothing is done, or None."""

    finding: Finding
    rule: Rule
    held: Text | None

    def wants(self, then: str) -> bool:
        return self.held is None and self.rule.then == then


def decide(
    site: SiteView,
    diagnosis: Diagnosis,
    policy: Policy,
    *,
    plans: Sequence[PlanStatus] = (),
    now_s: float,
) -> Decision:
    """Plans for the hosts that need one, and a reason for every finding that gets none.

    plans: every plan that is not over, and those that are, for as long as one of their findings stands:
           a turn knows only from them what was asked, undone or refused before
    Each finding stands either in one plan's `because` or once in `held`; so does, under the id
    ``blind:<host>/<source>``, each sense that gives no answer. At most one plan per subject.
    Hosts and findings may come in any order; the same input gives the same decision.
    """
    turn = Turn(Survey.of(site), policy, now_s, diagnosis, plans)
    held = [_held_blind(blind) for blind in sorted(diagnosis.blind, key=lambda b: (b.host, b.source))]
    urgent: list[tuple[str, list[_Judged]]] = []
    made: list[Plan] = []
    for host, judged in _by_host(turn, diagnosis).items():
        held += [Held(finding=one.finding.id, reason=one.held) for one in judged if one.held is not None]
        evacuate = [one for one in judged if one.wants("evacuate")]
        asked = [one for one in judged if one.wants("order")]
        reason = _why_not_now(turn, host, evacuate) if evacuate else None
        if evacuate and reason is None:
            new = [one for one in asked if not _asked(turn, one)]
            urgent.append((host, evacuate + new))
            asked = [one for one in asked if one not in new]
        elif _is_done(turn.survey, host):
            # Nothing is left to move, but somebody may still have to be asked for a part.
            asked += [one for one in evacuate if one.rule.order and not _asked(turn, one)]
        held += [
            Held(finding=one.finding.id, reason=reason)
            for one in evacuate
            if reason is not None and one not in asked
        ]
        plan, left = _ask(turn, host, asked)
        held += left
        made += [plan] if plan is not None else []
    evacuations, left = _evacuations(turn, urgent)
    return Decision(plans=(*evacuations, *made), held=(*held, *left))


def _by_host(turn: Turn, diagnosis: Diagnosis) -> dict[str, list[_Judged]]:
    """Judged findings by host, hosts and findings in a fixed order, the gravest finding first."""
    by_host: dict[str, list[_Judged]] = {}
    for finding in sorted(diagnosis.findings, key=_gravest_first):
        by_host.setdefault(finding.host, []).append(_judge(turn, finding))
    return dict(sorted(by_host.items()))


def _gravest_first(finding: Finding) -> tuple[int, bool, float, str]:
    return -_SEVERITY_ORDER.index(finding.severity), finding.predicted, -finding.probability, finding.id


def _judge(turn: Turn, finding: Finding) -> _Judged:
    rule = turn.policy.rule_for(finding, turn.survey.care_tier(finding.host))
    if finding.host not in turn.survey.host_of_name:
        return _Judged(finding, rule, say("decide.held.not_registered", host=finding.host))
    if rule.then == "hold":
        template = messages()["decide.held.rule"]
        return _Judged(finding, rule, fill(template, policy=turn.policy.id, rule=rule.id, why=rule.why))
    if finding.probability < rule.min_probability:
        percent, needed = 100 * finding.probability, 100 * rule.min_probability
        reason = say("decide.held.unsure", percent=percent, rule=rule.id, needed=needed)
        return _Judged(finding, rule, reason)
    return _Judged(finding, rule, None)


def _is_done(survey: Survey, host: str) -> bool:
    return host in survey.site.cordoned and survey.answers(host) and not survey.to_move(host)


def _why_not_now(turn: Turn, host: str, evacuate: Sequence[_Judged]) -> Text | None:
    """Why `host` is not emptied this turn, or None when it should be."""
    standing = history.open_plan(turn.plans, f"host/{host}")
    if standing is not None:
        return _held_open(standing)
    if not turn.survey.answers(host):
        return say("decide.held.silent", host=host)
    if _is_done(turn.survey, host):
        return say("decide.held.done", host=host)
    return _why_wait(turn, host, {one.finding.id for one in evacuate})


def _why_wait(turn: Turn, host: str, findings: set[str]) -> Text | None:
    """What earlier plans say against emptying `host` right now."""
    subject = f"host/{host}"
    refused = history.last_refused(turn.plans, subject)
    if refused is not None and refused.plan.fits and findings <= set(refused.plan.because):
        return say("decide.held.declined", plan=refused.plan.id)
    waiting = history.backoff(turn.plans, subject, turn.policy, turn.now_s)
    if waiting is not None:
        return say("decide.held.backoff", subject=subject, count=waiting[0], pause_s=waiting[1])
    busy = history.busy_with(turn.plans, subject, {vm.name for vm in turn.survey.to_move(host)})
    if busy is not None:
        return say("decide.held.busy", plan=busy[0].plan.id, vm=busy[1])
    return None


def _held_open(status: PlanStatus) -> Text:
    if status.state is PlanState.STUCK:
        return say("decide.held.stuck", plan=status.plan.id, subject=status.plan.subject)
    state = say(f"decide.state.{status.state.value}")
    template = messages()["decide.held.open"]
    return fill(template, plan=status.plan.id, subject=status.plan.subject, state=state)


def _held_blind(blind: Blind) -> Held:
    reason = say("decide.held.blind", host=blind.host, source=blind.source.value, reason=blind.reason)
    return Held(finding=f"blind:{blind.host}/{blind.source.value}", reason=reason)


def _asked(turn: Turn, judged: _Judged) -> bool:
    return history.ordered_in(turn.plans, judged.finding.id) is not None


def _order(judged: _Judged, policy: Policy) -> Text:
    """What a person is asked to do about a finding."""
    finding = judged.finding
    template = policy.order_for(finding) or messages()["decide.order"]
    where = f"{finding.host}/{finding.component}" if finding.component else finding.host
    return fill(template, where=where, title=finding.title)


def _ask(turn: Turn, host: str, asked: Sequence[_Judged]) -> tuple[Plan | None, list[Held]]:
    """A plan that only asks a person, for findings about which nobody was asked yet."""
    held: list[Held] = []
    new: list[_Judged] = []
    standing = history.open_plan(turn.plans, f"host/{host}")
    for one in asked:
        before = history.ordered_in(turn.plans, one.finding.id)
        if before is not None:
            reason = say("decide.held.ordered", plan=before.plan.id)
            held.append(Held(finding=one.finding.id, reason=reason))
        elif standing is not None:
            held.append(Held(finding=one.finding.id, reason=_held_open(standing)))
        else:
            new.append(one)
    if not new:
        return None, held
    plan = make_plan(
        f"host/{host}",
        turn.now_s,
        title=fill(messages()["decide.plan.order"], host=host, title=new[0].finding.title),
        because=tuple(one.finding.id for one in new),
        orders=_orders(turn, new),
    )
    return plan, held


def _orders(turn: Turn, judged: Sequence[_Judged]) -> tuple[Text, ...]:
    """Orders without repetition: two findings may ask for the same part, or it was asked for before."""
    wanted = (one for one in judged if one.rule.order and not _asked(turn, one))
    return tuple(dict.fromkeys(_order(one, turn.policy) for one in wanted))


def _evacuations(turn: Turn, urgent: Sequence[tuple[str, list[_Judged]]]) -> tuple[list[Plan], list[Held]]:
    """One plan per host, the most urgent first."""

    def urgency(entry: tuple[str, list[_Judged]]) -> tuple[int, tuple[int, bool, float, str]]:
        host, judged = entry
        ranks = [turn.survey.care_rank(vm.name) for vm in turn.survey.to_move(host)]
        return min(ranks, default=len(CareTier)), _gravest_first(judged[0].finding)

    ordered = sorted(urgent, key=urgency)
    placed = placements(turn, [host for host, _ in ordered])
    made: list[Plan] = []
    held: list[Held] = []
    for host, judged in ordered:
        plan = _evacuation(turn, host, judged, placed[host])
        same = _same_refusal(plan, turn.plans)
        if same is None:
            made.append(plan)
            continue
        reason = say("decide.held.no_room", plan=same.id, misfits=len(plan.misfits))
        held += [Held(finding=one.finding.id, reason=reason) for one in judged]
    return made, held


def _evacuation(turn: Turn, host: str, judged: Sequence[_Judged], placed: Placement) -> Plan:
    reasons = [one for one in judged if one.rule.then == "evacuate"]
    # One reason that may run unattended is enough; a second one that asks first does not take it back.
    unattended = any(one.rule.consent is Consent.AUTOMATIC for one in reasons)
    count = len(turn.survey.to_move(host))
    return host_plan(
        turn,
        host,
        placed,
        title=evacuation_title(host, count, len(placed.misfits), reasons[0].finding.title),
        because=tuple(one.finding.id for one in judged),
        consent=Consent.AUTOMATIC if unattended else Consent.OPERATOR,
        orders=_orders(turn, judged),
        # A VM that has left a failing host must not be sent back to it.
        on_failure=OnFailure.UNDO_STEP,
    )


def _same_refusal(plan: Plan, plans: Sequence[PlanStatus]) -> Plan | None:
    """The last plan on this subject, when it was refused for the same VMs and the same findings."""
    refused = history.last_refused(plans, plan.subject)
    if refused is None or plan.fits or set(refused.plan.because) != set(plan.because):
        return None
    same = {one.vm for one in refused.plan.misfits} == {one.vm for one in plan.misfits}
    return refused.plan if same else None
