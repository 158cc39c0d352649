"""What a decision is made from."""

from collections.abc import Sequence
from dataclasses import dataclass

from shuishan.catalog.policies import Policy
from shuishan.decide.survey import Survey
from shuishan.model.finding import Diagnosis
from shuishan.model.status import PlanStatus


@dataclass(frozen=True, slots=True)
class Turn:
    """One moment: the site, what is known of its health, what policy says, what was planned before.

    diagnosis: None when nobody asked for one; then no host is in doubt
    """

    survey: Survey
    policy: Policy
    now_s: float
    diagnosis: Diagnosis | None = None
    plans: Sequence[PlanStatus] = ()
