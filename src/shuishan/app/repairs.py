"""What a repair makes void: an answer given to the old part is none to the new one. Pure."""

from collections.abc import Sequence

from shuishan.model.plan import PlanState
from shuishan.model.status import PlanStatus

Repair = tuple[str, str, float]  # host, component ("" for all of it), seconds since the epoch

_UNDER_WAY = (PlanState.PROPOSED, PlanState.RUNNING)


def still_answering(plans: Sequence[PlanStatus], repairs: Sequence[Repair]) -> list[PlanStatus]:
    """`plans` as far as they speak of parts that still stand; in the same order.

    Else the same part failing again would count as ordered, declined or just tried. A plan that runs or
    waits for consent is kept as it is. One on another component of the same host is kept too.
    """
    kept: list[PlanStatus] = []
    for status in plans:
        plan = status.plan
        before = [(host, component) for host, component, at_s in repairs if plan.at_s <= at_s]
        standing = tuple(id for id in plan.because if not any(_is_of(id, *one) for one in before))
        # Also what nobody's finding asked for, e.g. a drain that failed because of the old part.
        whole = any(plan.subject == f"host/{host}" and not component for host, component in before)
        if status.state in _UNDER_WAY or (standing == plan.because and not whole):
            kept.append(status)
        elif standing:
            kept.append(status.model_copy(update={"plan": plan.model_copy(update={"because": standing})}))
    return kept


def _is_of(finding: str, host: str, component: str) -> bool:
    """Is it about this part? A finding's id is ``host/component/issue``, or ``host/issue`` for a host."""
    return finding.startswith(f"{host}/{component}/" if component else f"{host}/")
