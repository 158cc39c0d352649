"""What earlier plans mean for the next one: who is busy, what failed lately, what was asked already."""

from collections.abc import Sequence

from shuishan.catalog.policies import Policy
from shuishan.decide.room import Guest
from shuishan.decide.survey import Survey
from shuishan.model.plan import Consent, PlanState, Step, StepState
from shuishan.model.status import PlanStatus

OPEN_STATES = (PlanState.PROPOSED, PlanState.RUNNING, PlanState.STUCK)
_BROKEN = (StepState.FAILED, StepState.UNDONE, StepState.STUCK)


def open_plan(plans: Sequence[PlanStatus], subject: str) -> PlanStatus | None:
    """The newest plan on `subject` that is not over."""
    return next((s for s in _newest_first(plans, subject) if s.state in OPEN_STATES), None)


def last_refused(plans: Sequence[PlanStatus], subject: str) -> PlanStatus | None:
    """The newest plan that would have changed `subject`, if it was refused."""
    newest = next(iter(_evacuations(plans, subject)), None)
    return newest if newest is not None and newest.state is PlanState.REFUSED else None


def ordered_in(plans: Sequence[PlanStatus], finding: str) -> PlanStatus | None:
    """A plan that asked a person about `finding`, whether the answer was yes, no or none yet."""
    heard = (PlanState.PROPOSED, PlanState.RUNNING, PlanState.DONE, PlanState.REFUSED)
    for status in plans:
        if (
            status.state in heard
            and status.plan.fits
            and status.plan.orders
            and finding in status.plan.because
        ):
            return status
    return None


def busy_with(plans: Sequence[PlanStatus], subject: str, vms: set[str]) -> tuple[PlanStatus, str] | None:
    """A running plan on another subject that touches one of `vms`, and that VM."""
    for status in plans:
        if status.state is PlanState.RUNNING and status.plan.subject != subject:
            for step in status.plan.steps:
                vm = step.params.get("vm")
                if vm in vms:
                    return status, vm
    return None


def backoff(
    plans: Sequence[PlanStatus], subject: str, policy: Policy, now_s: float
) -> tuple[int, float] | None:
    """How many plans in a row were undone and how many seconds to pause after the last; None when free to go.

    The whole pause, not what is left of it: a reason that changes each second would be told each second.
    """
    count = 0
    ended_s = 0.0
    for status in _evacuations(plans, subject):
        if status.state is not PlanState.UNWOUND:
            break
        count += 1
        ended_s = max(ended_s, _ended_at_s(status))
    if count == 0:
        return None
    # The exponent is bounded: 2**1000 is no float, and the product is capped anyway.
    pause_s = min(policy.retry_after_s * 2.0 ** min(count - 1, 30), policy.retry_at_most_s)
    return (count, pause_s) if now_s < ended_s + pause_s else None


def failed_targets(plans: Sequence[PlanStatus], within_s: float, now_s: float) -> set[str]:
    """Hosts that were the target of a step that failed in the last `within_s` seconds."""
    hosts: set[str] = set()
    for status in plans:
        if status.state not in (PlanState.UNWOUND, PlanState.STUCK):
            continue
        step = _broke_at(status)
        if step is not None and _ended_at_s(status) >= now_s - within_s:
            hosts |= {step.params[key] for key in ("target", "host") if key in step.params}
    return hosts


def arriving(plans: Sequence[PlanStatus], survey: Survey) -> dict[str, list[Guest]]:
    """Host -> VMs that running plans will bring there and that were not seen there yet."""
    coming: dict[str, list[Guest]] = {}
    for status in plans:
        about_to_run = status.state is PlanState.PROPOSED and status.plan.consent is Consent.AUTOMATIC
        if status.state is not PlanState.RUNNING and not about_to_run:
            continue
        for step in status.plan.steps:
            host = step.params.get("target" if step.action == "vm.move" else "host")
            vm = step.params.get("vm")
            if host is None or vm is None or step.action not in ("vm.move", "vm.create", "vm.start"):
                continue
            guest = _known_guest(vm, survey)
            if guest is not None and all(other.vm != vm for other in coming.get(host, ())):
                coming.setdefault(host, []).append(guest)
    return coming


def _known_guest(vm: str, survey: Survey) -> Guest | None:
    host = survey.running_on.get(vm)
    if host is not None:
        return next(survey.guest(seen) for seen in survey.view(host).vms if seen.name == vm)
    spec = survey.spec_of.get(vm)
    return None if spec is None else survey.guest(spec)


def _newest_first(plans: Sequence[PlanStatus], subject: str) -> list[PlanStatus]:
    mine = [status for status in plans if status.plan.subject == subject]
    return sorted(mine, key=lambda status: status.plan.at_s, reverse=True)


def _evacuations(plans: Sequence[PlanStatus], subject: str) -> list[PlanStatus]:
    """Without those that only asked a person: they neither end a row of failures nor answer it."""
    return [s for s in _newest_first(plans, subject) if s.plan.steps or s.plan.misfits]


def _ended_at_s(status: PlanStatus) -> float:
    return max(
        (receipt.ended_at_s for receipt in status.receipts if receipt.ended_at_s is not None),
        default=status.plan.at_s,
    )


def _broke_at(status: PlanStatus) -> Step | None:
    """The step that failed: the last one that was begun, since steps run in order."""
    begun = {receipt.step for receipt in status.receipts if receipt.state in _BROKEN}
    failed = {receipt.step for receipt in status.receipts if receipt.state is StepState.FAILED}
    steps = [step for step in status.plan.steps if step.id in (failed or begun)]
    return steps[-1] if steps else None
