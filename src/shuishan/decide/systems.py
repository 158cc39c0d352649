"""How does a hospital system come up, and how does it go? Only what is missing is done. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from shuishan.catalog.messages import say
from shuishan.catalog.policies import Policy
from shuishan.decide import steps as step
from shuishan.decide.evacuate import make_plan
from shuishan.decide.placement import place
from shuishan.decide.rooms import rooms
from shuishan.decide.survey import Survey, displaced
from shuishan.decide.turn import Turn
from shuishan.model.errors import Conflict
from shuishan.model.finding import Diagnosis
from shuishan.model.plan import Consent, OnFailure, Plan, Step
from shuishan.model.site import HostState, SiteView, SystemSpec, VmSpec, VmState
from shuishan.model.status import PlanStatus

_UP = (VmState.RUNNING, VmState.PAUSED)


@dataclass(frozen=True, slots=True)
class _Found:
    """Where a declared VM was seen. home: the host that holds it, whatever its state."""

    spec: VmSpec
    home: str | None
    state: VmState | None


def plan_apply(
    site: SiteView,
    system: SystemSpec,
    policy: Policy,
    now_s: float,
    *,
    diagnosis: Diagnosis | None = None,
    plans: Sequence[PlanStatus] = (),
) -> Plan:
    """Create and start the VMs of `system` that are missing, in start order, each group once it serves.

    A VM that runs, or whose state is unknown, is left alone; one that is shut off is started where it is.
    When all run, the plan has no steps.
    Raises Conflict when a VM of a system known already was seen nowhere while a host gives no answer:
    it may run there, and a second copy would ruin its disks.
    """
    known = any(other.name == system.name for other in site.systems)
    survey = Survey.of(_with(site, system))
    found = [_find(survey, vm) for vm in system.vms]
    missing = [one for one in found if one.state in (None, VmState.SHUT_OFF, VmState.CRASHED)]
    subject = f"system/{system.name}"
    if not missing:
        return make_plan(subject, now_s, title=say("decide.plan.apply.nothing", system=system.name))
    if known:
        _refuse_if_hidden(survey, missing, subject)
    vms = [displaced(survey.guest(one.spec), only=one.home) for one in missing]
    turn = Turn(survey, policy, now_s, diagnosis, plans)
    placed = place(vms, rooms(turn, without={vm.vm for vm in vms}), policy.placement)
    if placed.misfits:
        title = say("decide.plan.apply.no_room", system=system.name, misfits=len(placed.misfits))
        return make_plan(subject, now_s, title=title, misfits=placed.misfits)
    title = say("decide.plan.apply", system=system.name, vms=len(missing))
    return make_plan(subject, now_s, title=title, steps=_bring_up(found, missing, placed.target, system.name))


def plan_remove(site: SiteView, system: SystemSpec, now_s: float) -> Plan:
    """Stop the VMs of `system` in reverse start order, then delete them with their disks, then forget it.

    Irreversible, so it waits for a yes; all VMs are stopped before the first one is deleted.
    Raises Conflict when a VM was seen nowhere while a host gives no answer: it would be left behind there.
    """
    survey = Survey.of(_with(site, system))
    found = [_find(survey, vm) for vm in system.vms]
    subject = f"system/{system.name}"
    _refuse_if_hidden(survey, [one for one in found if one.home is None], subject)
    last_first = sorted(found, key=lambda one: (-one.spec.start_order, one.spec.name))
    stops = [
        step.stop(one.spec.name, one.home)
        for one in last_first
        if one.home is not None and one.state is not VmState.SHUT_OFF
    ]
    removes = [
        step.remove(one.spec.name, view.name)
        for one in last_first
        for view in site.seen
        if view.state is HostState.ANSWERING and any(vm.name == one.spec.name for vm in view.vms)
    ]
    title = say("decide.plan.remove", system=system.name, vms=len(system.vms))
    return make_plan(
        subject,
        now_s,
        title=title,
        steps=[*stops, *removes, step.forget(system.name)],
        # Disks are deleted: the plan is shown and agreed to, also when an operator asked for it.
        consent=Consent.OPERATOR,
        # Once a VM is deleted, starting the others again would bring up half a system.
        on_failure=OnFailure.UNDO_STEP,
    )


def _with(site: SiteView, system: SystemSpec) -> SiteView:
    """The site with `system` as it is declared now, whatever was declared before."""
    others = tuple(other for other in site.systems if other.name != system.name)
    return site.model_copy(update={"systems": (*others, system)})


def _find(survey: Survey, vm: VmSpec) -> _Found:
    """Where it runs, else where it is unknown, else where it lies shut off."""
    seen = [
        (view.name, there.state)
        for view in survey.site.seen
        if view.state is HostState.ANSWERING
        for there in view.vms
        if there.name == vm.name
    ]
    order = [*_UP, VmState.UNKNOWN, VmState.CRASHED, VmState.SHUT_OFF]
    if not seen:
        return _Found(vm, None, None)
    host, state = min(seen, key=lambda pair: (order.index(pair[1]), pair[0]))
    return _Found(vm, host, state)


def _refuse_if_hidden(survey: Survey, missing: Sequence[_Found], subject: str) -> None:
    unseen = [one.spec.name for one in missing if one.home is None]
    silent = [host.name for host in survey.site.hosts if not survey.answers(host.name)]
    if unseen and silent:
        raise Conflict(
            f"{unseen[0]} was seen nowhere, and {silent[0]} gives no answer and may hold it; "
            f"bring {silent[0]} back, or take it out of the site, and try again",
            subject=subject,
        )


def _bring_up(
    found: Sequence[_Found], missing: Sequence[_Found], target: dict[str, str], system: str
) -> list[Step]:
    """Group by group in start order; a group is awaited only when a later one is still to start."""
    steps: list[Step] = []
    absent = {one.spec.name for one in missing}
    last = max(one.spec.start_order for one in missing)
    for order in sorted({one.spec.start_order for one in found}):
        group = sorted((one for one in found if one.spec.start_order == order), key=lambda one: one.spec.name)
        for one in group:
            name = one.spec.name
            if name in absent:
                if one.home is None:
                    steps.append(step.create(name, target[name], system))
                steps.append(step.start(name, target[name]))
        for one in group:
            host = target.get(one.spec.name) or one.home
            # Also one that runs already: what starts after it may need it to serve.
            awaited = one.spec.name in absent or order < last
            if one.spec.ready_url is not None and host is not None and awaited:
                steps.append(step.ready(one.spec.name, host))
    return steps
