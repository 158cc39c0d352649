"""Which plans a decision has to know, given when the site was looked at. Pure."""

from collections.abc import Sequence

from shuishan.model.plan import PlanState
from shuishan.model.status import PlanStatus

OPEN = (PlanState.RUNNING, PlanState.PROPOSED)


def as_of_look(before: Sequence[PlanStatus], after: Sequence[PlanStatus]) -> list[PlanStatus]:
    """The newest plans, but what ran when the look began still counts as running.

    A look shows the site as it was while those plans were at work: whoever trusted the look and took
    them for ended would plan their moves a second time.
    """
    ran = {status.plan.id: status for status in before if status.state is PlanState.RUNNING}
    return [ran.get(status.plan.id, status) for status in after]
