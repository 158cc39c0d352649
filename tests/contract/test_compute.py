"""What every compute driver does, whatever stands behind it.

A driver's test class inherits ComputeContract and gives it a `bench`. Names of VMs are new in each test,
so that a real host needs no cleaning between them beyond what a test does itself.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from shuishan.base.compute.port import Compute, MoveProgress
from shuishan.base.compute.sim import Fault, SimCompute
from shuishan.base.simclock import SimClock
from shuishan.model.errors import EngineRefused, NotFound, Silent
from shuishan.model.site import DiskSpec, HostSpec, HostState, HostView, NicSpec, VmSpec, VmState

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Bench:
    """source, target: hosts that answer. unreachable: one that does not. vm: a spec both can run."""

    compute: Compute
    source: HostSpec
    target: HostSpec
    unreachable: HostSpec
    vm: VmSpec

    async def state(self, host: HostSpec, vm: str | None = None) -> VmState | None:
        """State of the VM on `host`, None when it is not there."""
        view = await self.compute.look(host, timeout_s=TIMEOUT_S)
        assert view.state is HostState.ANSWERING, view.reason
        return next((seen.state for seen in view.vms if seen.name == (vm or self.vm.name)), None)

    async def running(self) -> None:
        await self.compute.create(self.source, self.vm, "contract")
        await self.compute.start(self.source, self.vm.name)


class ComputeContract:
    """Inherit, and override `bench` (it removes what it made)."""

    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        raise NotImplementedError
        yield

    async def test_a_host_that_gives_no_answer_is_silent_and_says_why(self, bench: Bench) -> None:
        view = await bench.compute.look(bench.unreachable, timeout_s=2)
        assert view.state is HostState.SILENT
        assert view.reason
        assert view.vms == ()

    async def test_a_change_on_a_host_that_gives_no_answer_is_silent(self, bench: Bench) -> None:
        with pytest.raises(Silent):
            await bench.compute.start(bench.unreachable, bench.vm.name)

    async def test_what_is_not_there_is_not_found(self, bench: Bench) -> None:
        with pytest.raises(NotFound):
            await bench.compute.start(bench.source, "nobody")
        with pytest.raises(NotFound):
            await bench.compute.stop(bench.source, "nobody", timeout_s=TIMEOUT_S)
        with pytest.raises(NotFound):
            await bench.compute.move(
                "nobody", bench.source, bench.target, timeout_s=TIMEOUT_S, on_progress=None
            )

    async def test_removing_or_cancelling_what_is_not_there_is_no_error(self, bench: Bench) -> None:
        await bench.compute.remove(bench.source, "nobody")
        await bench.compute.cancel_move("nobody", bench.source)

    async def test_created_is_shut_off_and_shown_as_declared(self, bench: Bench) -> None:
        await bench.compute.create(bench.source, bench.vm, "contract")
        view = await bench.compute.look(bench.source, timeout_s=TIMEOUT_S)
        seen = next(vm for vm in view.vms if vm.name == bench.vm.name)
        assert seen.state is VmState.SHUT_OFF
        assert (seen.cpu_count, seen.memory_bytes) == (bench.vm.cpu_count, bench.vm.memory_bytes)
        assert (seen.arch, seen.system) == (bench.vm.arch, "contract")

    async def test_creating_again_changes_nothing(self, bench: Bench) -> None:
        await bench.running()
        before = await bench.compute.look(bench.source, timeout_s=TIMEOUT_S)
        await bench.compute.create(bench.source, bench.vm, "contract")
        assert _without_time(await bench.compute.look(bench.source, timeout_s=TIMEOUT_S)) == _without_time(
            before
        )

    async def test_start_and_stop_can_be_repeated(self, bench: Bench) -> None:
        await bench.running()
        await bench.compute.start(bench.source, bench.vm.name)
        assert await bench.state(bench.source) is VmState.RUNNING
        for _ in range(2):
            await bench.compute.stop(bench.source, bench.vm.name, timeout_s=1)
            assert await bench.state(bench.source) is VmState.SHUT_OFF

    async def test_a_running_vm_is_not_removed(self, bench: Bench) -> None:
        await bench.running()
        with pytest.raises(EngineRefused):
            await bench.compute.remove(bench.source, bench.vm.name)
        assert await bench.state(bench.source) is VmState.RUNNING

    async def test_removed_is_gone(self, bench: Bench) -> None:
        await bench.compute.create(bench.source, bench.vm, "contract")
        await bench.compute.remove(bench.source, bench.vm.name)
        assert await bench.state(bench.source) is None

    async def test_a_moved_vm_runs_on_the_target_only(self, bench: Bench) -> None:
        await bench.running()
        told: list[MoveProgress] = []

        async def listen(progress: MoveProgress) -> None:
            told.append(progress)

        moved = await bench.compute.move(
            bench.vm.name, bench.source, bench.target, timeout_s=TIMEOUT_S, on_progress=listen
        )
        assert await bench.state(bench.target) is VmState.RUNNING
        assert await bench.state(bench.source) is None
        assert moved.total_ms is None or moved.total_ms > 0
        assert [one.elapsed_s for one in told] == sorted(one.elapsed_s for one in told)

    async def test_a_stopped_vm_is_not_moved(self, bench: Bench) -> None:
        await bench.compute.create(bench.source, bench.vm, "contract")
        with pytest.raises(EngineRefused):
            await bench.compute.move(
                bench.vm.name, bench.source, bench.target, timeout_s=TIMEOUT_S, on_progress=None
            )
        assert await bench.state(bench.source) is VmState.SHUT_OFF

    async def test_a_move_to_a_host_that_gives_no_answer_leaves_the_vm_running(self, bench: Bench) -> None:
        await bench.running()
        with pytest.raises((Silent, EngineRefused)):
            await bench.compute.move(
                bench.vm.name, bench.source, bench.unreachable, timeout_s=TIMEOUT_S, on_progress=None
            )
        assert await bench.state(bench.source) is VmState.RUNNING

    async def test_a_cancelled_move_leaves_the_vm_running_at_the_source(self, bench: Bench) -> None:
        await bench.running()

        async def cancel(_progress: MoveProgress) -> None:
            await bench.compute.cancel_move(bench.vm.name, bench.source)

        with pytest.raises((EngineRefused, Silent)):
            await bench.compute.move(
                bench.vm.name, bench.source, bench.target, timeout_s=TIMEOUT_S, on_progress=cancel
            )
        assert await bench.state(bench.source) is VmState.RUNNING
        assert await bench.state(bench.target) is None


def _without_time(view: HostView) -> HostView:
    return view.model_copy(update={"seen_at_s": 0.0})


def host(name: str) -> HostSpec:
    return HostSpec(
        name=name,
        rack="a",
        cpu_count=4,
        memory_bytes=2 * 1024**3,
        libvirt_uri=f"sim://{name}",
        migration_address="192.0.2.1",
    )


def vm(name: str = "contract-vm", memory_bytes: int = 512 * 1024**2) -> VmSpec:
    return VmSpec(
        name=name,
        cpu_count=1,
        memory_bytes=memory_bytes,
        disks=(DiskSpec(size_bytes=1024**3, image="tiny"),),
        nics=(NicSpec(address="192.0.2.9/24"),),
    )


class TestSim(ComputeContract):
    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        compute = SimCompute([host("h1"), host("h2")], clock=SimClock(), seed=7)
        yield Bench(compute, host("h1"), host("h2"), host("h9"), vm())


@pytest.fixture
async def sim() -> Bench:
    bench = Bench(
        SimCompute([host("h1"), host("h2")], clock=SimClock(), seed=7),
        host("h1"),
        host("h2"),
        host("h9"),
        vm(),
    )
    await bench.running()
    return bench


def _sim(bench: Bench) -> SimCompute:
    assert isinstance(bench.compute, SimCompute)
    return bench.compute


@pytest.mark.parametrize("fault", [Fault.DEAD, Fault.SILENT])
async def test_sim_target_lost_in_mid_move_leaves_the_vm_at_the_source(sim: Bench, fault: Fault) -> None:
    _sim(sim).fail_next_move("h2", fault, at_fraction=0.4)
    with pytest.raises(Silent, match="h2 gave no answer"):
        await sim.compute.move(sim.vm.name, sim.source, sim.target, timeout_s=TIMEOUT_S, on_progress=None)
    assert await sim.state(sim.source) is VmState.RUNNING
    assert (await sim.compute.look(sim.target, timeout_s=1)).state is HostState.SILENT


async def test_sim_refused_and_late_moves_change_nothing(sim: Bench) -> None:
    before = _sim(sim).digest()
    with pytest.raises(Silent, match=r"not done after 0\.1 s"):
        await sim.compute.move(sim.vm.name, sim.source, sim.target, timeout_s=0.1, on_progress=None)
    assert _sim(sim).digest() == before
    _sim(sim).fail("h2", Fault.REFUSING)
    with pytest.raises(EngineRefused, match="h2 refuses"):
        await sim.compute.move(sim.vm.name, sim.source, sim.target, timeout_s=TIMEOUT_S, on_progress=None)
    assert await sim.state(sim.source) is VmState.RUNNING


async def test_sim_refuses_more_memory_than_a_host_has(sim: Bench) -> None:
    large = vm("large", 2 * 1024**3)
    await sim.compute.create(sim.source, large, "contract")
    with pytest.raises(EngineRefused, match="512 MiB of memory short"):
        await sim.compute.start(sim.source, "large")


async def test_sim_dead_host_loses_its_vms_and_a_silent_one_keeps_them(sim: Bench) -> None:
    for fault, then in ((Fault.SILENT, VmState.RUNNING), (Fault.DEAD, VmState.SHUT_OFF)):
        _sim(sim).schedule(_sim(sim).clock.now_s() + 5, "h1", fault)
        assert await sim.state(sim.source) is VmState.RUNNING
        _sim(sim).clock.advance(6)
        assert (await sim.compute.look(sim.source, timeout_s=1)).state is HostState.SILENT
        _sim(sim).fail("h1", Fault.NONE)
        assert await sim.state(sim.source) is then


async def test_sim_there_and_back_is_the_same_state(sim: Bench) -> None:
    before = _sim(sim).digest()
    await sim.compute.move(sim.vm.name, sim.source, sim.target, timeout_s=TIMEOUT_S, on_progress=None)
    assert _sim(sim).digest() != before
    await sim.compute.move(sim.vm.name, sim.target, sim.source, timeout_s=TIMEOUT_S, on_progress=None)
    assert _sim(sim).digest() == before
