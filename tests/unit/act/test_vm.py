"""Deeds on VMs: each may find its work done, half done, or in the way."""

import asyncio

import pytest
from tests.unit.act.bench import Bench, seen

from shuishan.act.actions import DEEDS
from shuishan.base.compute.sim import Fault
from shuishan.model.errors import EngineRefused, NotFound, PremiseBroken, Silent
from shuishan.model.site import VmState

MOVE = {"vm": "db", "source": "h1", "target": "h2"}


async def do(bench: Bench, action: str, **params: str) -> dict[str, float]:
    return await DEEDS[action].do(bench.world, params)


async def undo(bench: Bench, action: str, **params: str) -> None:
    undo = DEEDS[action].undo
    assert undo is not None
    await undo(bench.world, params)


async def test_a_vm_that_arrived_while_nobody_saw_is_left_there() -> None:
    """After `kill -9` of the control plane in mid-move: the move ended, its step is done again."""
    bench = Bench()
    bench.compute.add("h2", seen("db"))
    before = bench.state()
    assert await do(bench, "vm.move", **MOVE) == {}
    assert bench.state() == before


@pytest.mark.parametrize(
    ("here", "there"),
    [(None, None), (VmState.SHUT_OFF, None), (VmState.CRASHED, VmState.SHUT_OFF), (None, VmState.PAUSED)],
)
async def test_what_runs_nowhere_is_not_moved(here: VmState | None, there: VmState | None) -> None:
    bench = Bench()
    for name, state in (("h1", here), ("h2", there)):
        if state is not None:
            bench.compute.add(name, seen("db", state))
    with pytest.raises(PremiseBroken, match="db runs neither on h1 nor on h2"):
        await do(bench, "vm.move", **MOVE)


async def test_a_vm_of_no_declared_system_is_moved_within_a_deadline_for_its_size() -> None:
    bench = Bench()
    bench.compute.add("h1", seen("guest"))
    measured = await do(bench, "vm.move", vm="guest", source="h1", target="h2")
    assert set(measured) == {"downtime_ms", "total_ms"}
    assert bench.compute.truth() == [("guest", "h2")]
    await undo(bench, "vm.move", vm="guest", source="h1", target="h2")
    assert bench.compute.truth() == [("guest", "h1")]


@pytest.mark.parametrize("place", ["h1", "h2"])
async def test_move_back_brings_it_home_from_wherever_it_runs(place: str) -> None:
    bench = Bench()
    bench.compute.add(place, seen("db"))
    await undo(bench, "vm.move", **MOVE)
    assert bench.compute.truth() == [("db", "h1")]


async def test_move_back_calls_off_a_move_under_way() -> None:

    bench = Bench()
    bench.compute.add("h1", seen("db"))
    moving = asyncio.create_task(do(bench, "vm.move", **MOVE))
    for _ in range(5):
        await asyncio.sleep(0)
    await undo(bench, "vm.move", **MOVE)
    with pytest.raises(EngineRefused, match="cancelled"):
        await moving
    assert bench.compute.truth() == [("db", "h1")]


async def test_move_back_of_what_runs_nowhere_needs_a_person() -> None:
    bench = Bench()
    bench.compute.add("h1", seen("db", VmState.SHUT_OFF))
    with pytest.raises(EngineRefused, match="db was found running neither on h1 nor on h2"):
        await undo(bench, "vm.move", **MOVE)


async def test_move_back_does_not_trust_a_silent_home() -> None:
    bench = Bench()
    bench.compute.add("h2", seen("db"))
    bench.compute.fail("h1", Fault.SILENT)
    with pytest.raises(Silent):
        await undo(bench, "vm.move", **MOVE)
    assert bench.compute.truth() == [("db", "h2")]


async def test_ready_waits_and_says_how_long_it_took() -> None:
    bench = Bench()
    bench.web.after = 3
    measured = await do(bench, "vm.ready", vm="db", host="h1")
    assert measured["ready_s"] == pytest.approx(0.9)


async def test_ready_gives_up_after_its_deadline() -> None:
    bench = Bench()
    bench.web.after = None
    with pytest.raises(Silent, match=r"db: http://db/ready gave no answer within 5 s of its start"):
        await do(bench, "vm.ready", vm="db", host="h1")


async def test_ready_of_an_undeclared_vm_is_not_found() -> None:
    with pytest.raises(NotFound):
        await do(Bench(), "vm.ready", vm="guest", host="h1")


@pytest.mark.parametrize("times", [1, 2])
async def test_created_started_stopped_removed_and_again(times: int) -> None:
    bench = Bench()
    empty = bench.state()
    here = {"vm": "db", "host": "h1"}
    for action, state in (
        ("vm.create", VmState.SHUT_OFF),
        ("vm.start", VmState.RUNNING),
        ("vm.stop", VmState.SHUT_OFF),
    ):
        for _ in range(times):
            await do(bench, action, **here, system="his")
        assert bench.compute.truth(state) == [("db", "h1")]
    for _ in range(times):
        await do(bench, "vm.remove", **here)
    assert bench.state() == empty


async def test_undo_of_a_deed_that_never_happened_changes_nothing() -> None:
    bench = Bench()
    empty = bench.state()
    for action in ("vm.create", "vm.ready"):
        await undo(bench, action, vm="db", host="h1")
    assert bench.state() == empty
    with pytest.raises(NotFound):  # what was stopped before and is gone now cannot be started again
        await undo(bench, "vm.stop", vm="db", host="h1")
