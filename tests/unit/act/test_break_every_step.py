"""Real plans, broken at every step: the site is as before, or only the broken step is undone."""

from collections.abc import Callable

import pytest
from tests.unit.act.bench import HIS, Bench, seen

from shuishan.act.runner import Phase
from shuishan.catalog.policies import default_policy
from shuishan.decide.evacuate import plan_drain
from shuishan.decide.systems import plan_apply
from shuishan.model.plan import OnFailure, Plan, PlanState, Step, StepState
from shuishan.model.site import SiteView, SystemSpec

POLICY = default_policy()
DRAIN_STEPS = 3  # cordon, two moves
APPLY_STEPS = 6  # two VMs: create, start, ready


async def view(bench: Bench, *systems: SystemSpec) -> SiteView:
    hosts = tuple(bench.ledger.hosts.values())
    looks = [await bench.compute.look(host, timeout_s=1) for host in hosts]
    return SiteView(at_s=bench.clock.now_s(), hosts=hosts, seen=tuple(looks), systems=systems)


async def drain(bench: Bench) -> Plan:
    for vm in HIS.vms:
        bench.compute.add("h1", seen(vm.name))
    return plan_drain(await view(bench, HIS), "h1", POLICY, bench.clock.now_s())


async def apply(bench: Bench) -> Plan:
    return plan_apply(await view(bench), HIS, POLICY, bench.clock.now_s())


@pytest.mark.parametrize("fail_at", range(DRAIN_STEPS))
async def test_a_drain_broken_anywhere_leaves_the_site_as_it_was(fail_at: int) -> None:
    bench = Bench()
    plan = await drain(bench)
    await _unwinds(bench, plan, fail_at, DRAIN_STEPS)


@pytest.mark.parametrize("fail_at", range(APPLY_STEPS))
async def test_a_deployment_broken_anywhere_leaves_the_site_as_it_was(fail_at: int) -> None:
    bench = Bench()
    plan = await apply(bench)
    await _unwinds(bench, plan, fail_at, APPLY_STEPS)


async def _unwinds(bench: Bench, plan: Plan, fail_at: int, count: int) -> None:
    assert len(plan.steps) == count
    assert plan.on_failure is OnFailure.UNDO_ALL
    before = bench.state()
    assert await bench.carry_out(plan, _broken(plan, fail_at)) is PlanState.UNWOUND
    assert bench.state() == before
    begun = [bench.journal.receipts[plan.id, step.id].state for step in plan.steps[: fail_at + 1]]
    assert begun == [StepState.UNDONE] * (fail_at + 1)


@pytest.mark.parametrize("fail_at", range(DRAIN_STEPS))
async def test_an_evacuation_broken_anywhere_keeps_what_is_done_and_undoes_one_step(fail_at: int) -> None:
    bench = Bench()
    plan = (await drain(bench)).model_copy(update={"on_failure": OnFailure.UNDO_STEP})
    assert await bench.carry_out(plan, _broken(plan, fail_at)) is PlanState.UNWOUND
    states = [bench.journal.receipts[plan.id, step.id].state for step in plan.steps[: fail_at + 1]]
    assert states == [StepState.DONE] * fail_at + [StepState.UNDONE]
    moved = {step.params["vm"]: step.params["target"] for step in plan.steps[1:fail_at]}
    assert dict(bench.compute.truth()) == {"db": "h1", "app": "h1"} | moved
    assert ("h1" in bench.ledger.cordoned()) is (fail_at > 0)


async def test_unbroken_they_do_what_they_say() -> None:
    bench = Bench()
    assert await bench.carry_out(await apply(bench), lambda _phase, _step: False) is PlanState.DONE
    assert {vm for vm, _ in bench.compute.truth()} == {"db", "app"}


def _broken(plan: Plan, fail_at: int) -> Callable[[Phase, Step], bool]:
    broken = plan.steps[fail_at].id

    def breaks(phase: Phase, step: Step) -> bool:
        return phase == "do" and step.id == broken

    return breaks
