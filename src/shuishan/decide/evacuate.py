"""How is a host emptied? Cordon it, then move its VMs, those nearest to a patient first. Pure."""

from collections.abc import Mapping, Sequence

from shuishan.catalog.messages import messages, say
from shuishan.catalog.policies import Policy
from shuishan.decide import steps as step
from shuishan.decide.history import arriving
from shuishan.decide.placement import place
from shuishan.decide.room import Displaced, Guest, Placement
from shuishan.decide.rooms import rooms
from shuishan.decide.survey import Survey, displaced
from shuishan.decide.turn import Turn
from shuishan.decide.words import fill
from shuishan.model.errors import Conflict, NotFound
from shuishan.model.finding import Diagnosis
from shuishan.model.plan import Consent, Misfit, OnFailure, Plan, Step, plan_id
from shuishan.model.site import SiteView
from shuishan.model.status import PlanStatus
from shuishan.model.word import Text


def plan_drain(
    site: SiteView,
    host: str,
    policy: Policy,
    now_s: float,
    *,
    diagnosis: Diagnosis | None = None,
    plans: Sequence[PlanStatus] = (),
) -> Plan:
    """Empty `host` because an operator asks for it, so it needs nobody else's yes.

    diagnosis: keeps VMs away from hosts in doubt; plans: counts what running ones will bring
    A host already cordoned and empty yields a plan without steps.
    Raises NotFound for a host that is not registered, Conflict for one that gives no answer.
    """
    turn = Turn(Survey.of(site), policy, now_s, diagnosis, plans)
    survey = turn.survey
    if host not in survey.host_of_name:
        known = ", ".join(sorted(survey.host_of_name)) or "none"
        raise NotFound(f"no host {host}; registered are: {known}", subject=f"host/{host}")
    if not survey.answers(host):
        raise Conflict(
            f"{host} gives no answer, so its VMs cannot be moved live; bring it back, or fence it first",
            subject=f"host/{host}",
        )
    placed = placements(turn, [host])[host]
    count = len(survey.to_move(host))
    title = say("decide.plan.drain", host=host, vms=count)
    if placed.misfits:
        title = say("decide.plan.drain.no_room", host=host, vms=count, misfits=len(placed.misfits))
    return host_plan(turn, host, placed, title=title)


def evacuation_title(host: str, vms: int, misfits: int, because: Text) -> Text:
    if misfits:
        template = messages()["decide.plan.no_room"]
        return fill(template, host=host, misfits=misfits, vms=vms, title=because)
    if vms:
        return fill(messages()["decide.plan.evacuate"], host=host, vms=vms, title=because)
    return fill(messages()["decide.plan.cordon"], host=host, title=because)


def host_plan(
    turn: Turn,
    host: str,
    placed: Placement,
    *,
    title: Text,
    because: tuple[str, ...] = (),
    consent: Consent = Consent.AUTOMATIC,
    orders: tuple[Text, ...] = (),
    on_failure: OnFailure = OnFailure.UNDO_ALL,
) -> Plan:
    """The plan that empties `host` as `placed` says; without steps when not everybody fits."""
    steps = () if placed.misfits else _steps(turn, host, placed.target)
    return make_plan(
        f"host/{host}",
        turn.now_s,
        title=title,
        steps=steps,
        misfits=placed.misfits,
        because=because,
        consent=consent,
        orders=orders,
        on_failure=on_failure,
    )


def make_plan(
    subject: str,
    now_s: float,
    *,
    title: Text,
    steps: Sequence[Step] = (),
    misfits: tuple[Misfit, ...] = (),
    because: tuple[str, ...] = (),
    consent: Consent = Consent.AUTOMATIC,
    orders: tuple[Text, ...] = (),
    on_failure: OnFailure = OnFailure.UNDO_ALL,
) -> Plan:
    content = (
        [(one.action, sorted(one.params.items())) for one in steps],
        [one.vm for one in misfits],
        because,
        [one.en for one in orders],
    )
    return Plan(
        id=plan_id(subject, content, now_s),
        at_s=now_s,
        subject=subject,
        title=title,
        because=because,
        steps=step.numbered(steps),
        misfits=misfits,
        consent=consent,
        orders=orders,
        on_failure=on_failure,
    )


def placements(turn: Turn, hosts: Sequence[str]) -> dict[str, Placement]:
    """For each of `hosts` (the most urgent first) where its VMs go, when all of them are emptied.

    Placed together, so that one host's VMs do not take the only place of another's; and when together
    they do not fit, one after the other, so that the most urgent one is emptied all the same.
    """
    survey = turn.survey
    leaving = {host: [survey.displaced(vm, host) for vm in survey.to_move(host)] for host in hosts}
    coming = arriving(turn.plans, survey)

    def placed(vms: Sequence[Displaced], extra: Mapping[str, Sequence[Guest]]) -> Placement:
        target_rooms = rooms(turn, leaving=hosts, without={vm.vm for vm in vms}, arriving=extra)
        return place(vms, target_rooms, turn.policy.placement)

    together = placed([vm for vms in leaving.values() for vm in vms], coming)
    if not together.misfits:
        return {
            host: Placement({vm.vm: together.target[vm.vm] for vm in vms}, cost=together.cost)
            for host, vms in leaving.items()
        }
    one_by_one: dict[str, Placement] = {}
    taken: dict[str, list[Guest]] = {host: list(guests) for host, guests in coming.items()}
    for host, vms in leaving.items():
        one_by_one[host] = placed(vms, taken)
        for vm in vms:
            target = one_by_one[host].target.get(vm.vm)
            if target is not None:
                taken.setdefault(target, []).append(displaced(vm))
    return one_by_one


def _steps(turn: Turn, host: str, target: Mapping[str, str]) -> tuple[Step, ...]:
    steps: list[Step] = []
    # Undoing this plan must not lift a cordon that somebody else has set.
    if host not in turn.survey.site.cordoned:
        steps.append(step.cordon(host))
    for number, vm in enumerate(turn.survey.to_move(host)):
        wave = None if turn.policy.moves_at_once == 1 else number // turn.policy.moves_at_once + 1
        steps.append(step.move(vm.name, host, target[vm.name], wave=wave))
    return tuple(steps)
