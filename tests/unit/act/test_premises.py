"""Facts that plans stand on, each true and each broken."""

import pytest
from tests.unit.act.bench import Bench, seen

from shuishan.act.premises import CHECKS, check
from shuishan.base.compute.sim import Fault
from shuishan.model.errors import NotFound, PremiseBroken
from shuishan.model.plan import Premise
from shuishan.model.site import VmState


async def holds(bench: Bench, fact: str, **params: str) -> bool:
    try:
        await check(Premise(fact=fact, params=params), bench.world)
    except PremiseBroken:
        return False
    return True


def test_every_premise_of_the_model_is_checked() -> None:
    assert set(CHECKS) == {"vm_on_host", "host_answers", "host_not_cordoned", "host_fits_vm"}


@pytest.mark.parametrize(
    ("place", "state", "target", "expected"),
    [
        ("h1", VmState.RUNNING, None, True),
        ("h1", VmState.PAUSED, None, True),
        ("h1", VmState.SHUT_OFF, None, False),
        ("h1", VmState.CRASHED, "h2", False),
        ("h2", VmState.RUNNING, None, False),
        ("h2", VmState.RUNNING, "h2", True),  # after a crash the step finds its work done
        ("h3", VmState.RUNNING, "h2", False),
    ],
)
async def test_vm_on_host(place: str, state: VmState, target: str | None, expected: bool) -> None:
    bench = Bench()
    bench.compute.add(place, seen("db", state))
    params = {"vm": "db", "host": "h1"} | ({"target": target} if target else {})
    assert await holds(bench, "vm_on_host", **params) is expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(Fault.NONE, True), (Fault.REFUSING, True), (Fault.SILENT, False), (Fault.DEAD, False)],
)
async def test_host_answers(fault: Fault, expected: bool) -> None:
    bench = Bench()
    bench.compute.fail("h1", fault)
    assert await holds(bench, "host_answers", host="h1") is expected


async def test_a_vm_on_a_silent_host_is_not_taken_to_be_there() -> None:
    bench = Bench()
    bench.compute.add("h1", seen("db"))
    bench.compute.fail("h1", Fault.SILENT)
    assert not await holds(bench, "vm_on_host", vm="db", host="h1")


async def test_host_not_cordoned() -> None:
    bench = Bench()
    assert await holds(bench, "host_not_cordoned", host="h1")
    bench.ledger.cordons.add("h1")
    assert not await holds(bench, "host_not_cordoned", host="h1")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (VmState.RUNNING, False),
        (VmState.PAUSED, False),
        (VmState.CRASHED, False),  # its host may restart it any moment
        (VmState.SHUT_OFF, True),
    ],
)
async def test_host_fits_vm_counts_what_placement_counts(state: VmState, expected: bool) -> None:
    bench = Bench()
    bench.compute.add("h2", seen("other", state, memory_mib=800))
    assert await holds(bench, "host_fits_vm", host="h2", vm="db", source="h1") is expected


async def test_what_is_short_is_said_in_mib() -> None:
    bench = Bench()
    bench.compute.add("h2", seen("other", memory_mib=800))
    with pytest.raises(PremiseBroken, match="host h2 no longer fits db: 32 MiB short"):
        await check(Premise(fact="host_fits_vm", params={"host": "h2", "vm": "db"}), bench.world)


async def test_a_vm_that_arrived_already_is_not_counted_twice() -> None:
    bench = Bench()
    bench.compute.add("h2", seen("other", memory_mib=700))
    bench.compute.add("h2", seen("db"))
    assert await holds(bench, "host_fits_vm", host="h2", vm="db", source="h1")


@pytest.mark.parametrize(("memory_mib", "expected"), [(224, True), (225, False)])
@pytest.mark.parametrize("place", ["h1", "h2"])
async def test_a_vm_of_no_declared_system_is_as_large_as_it_was_seen(
    memory_mib: int, expected: bool, place: str
) -> None:
    bench = Bench()
    bench.compute.add("h2", seen("other", memory_mib=800))
    bench.compute.add(place, seen("guest", memory_mib=memory_mib))
    assert await holds(bench, "host_fits_vm", host="h2", vm="guest", source="h1") is expected


async def test_a_vm_that_nobody_knows_fits_nowhere() -> None:
    with pytest.raises(NotFound, match="vm nobody"):
        await holds(Bench(), "host_fits_vm", host="h2", vm="nobody", source="h1")
