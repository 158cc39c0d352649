"""What a repair makes void, and what it leaves alone."""

import pytest
from tests.unit.app.words import T0, plan, status

from shuishan.app.repairs import still_answering
from shuishan.model.plan import PlanState

NVME, DIMM = "h1/nvme0/disk.worn", "h1/dimm1/memory.failing"


@pytest.mark.parametrize(
    ("repair", "left"),
    [
        (("h1", "nvme0", T0 + 1), (DIMM,)),
        (("h1", "", T0 + 1), None),
        (("h1", "nvme0", T0 - 1), (NVME, DIMM)),  # planned after it
        (("h1", "nvme", T0 + 1), (NVME, DIMM)),
        (("h2", "", T0 + 1), (NVME, DIMM)),
        (("h", "", T0 + 1), (NVME, DIMM)),
    ],
)
def test_what_a_plan_answered_before_a_repair_is_left_out(
    repair: tuple[str, str, float], left: tuple[str, ...] | None
) -> None:
    kept = still_answering([status(plan(because=(NVME, DIMM)))], [repair])
    assert [one.plan.because for one in kept] == ([] if left is None else [left])


@pytest.mark.parametrize("state", list(PlanState))
def test_only_what_runs_or_waits_survives_a_repair(state: PlanState) -> None:
    kept = still_answering([status(plan(because=(NVME,)), state)], [("h1", "nvme0", T0 + 1)])
    assert bool(kept) is (state in (PlanState.RUNNING, PlanState.PROPOSED))


@pytest.mark.parametrize(("component", "kept"), [("", 0), ("nvme0", 1)])
def test_a_drain_that_failed_is_forgotten_only_when_the_whole_host_was_repaired(
    component: str, kept: int
) -> None:
    drain = status(plan(because=()), PlanState.UNWOUND)
    assert len(still_answering([drain], [("h1", component, T0 + 1)])) == kept


def test_the_order_is_kept() -> None:
    plans = [status(plan(id, subject=f"host/{id}", because=())) for id in ("c", "a", "b")]
    assert still_answering(plans, [("h1", "", T0 + 1)]) == plans
