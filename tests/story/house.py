"""The whole house on simulators: real rooms, real store, simulated hosts and clock."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from shuishan.act.perform import perform
from shuishan.act.runner import Outcome, Phase, Wave, carry_out
from shuishan.act.world import World
from shuishan.app.access import Audit, Tokens
from shuishan.app.chronicle import Chronicle
from shuishan.app.house import House
from shuishan.app.ledger import SiteLedger
from shuishan.app.loop import Loop
from shuishan.app.store import Store
from shuishan.base.cluster.direct import DirectMover
from shuishan.base.compute.sim import SimCompute
from shuishan.base.simclock import SimClock
from shuishan.catalog.facts import is_counter
from shuishan.catalog.loader import knowledge
from shuishan.catalog.policies import default_policy
from shuishan.diagnose.engine import Engine
from shuishan.model.plan import Plan, PlanState, Step
from shuishan.model.proof import ProbeSummary
from shuishan.model.signal import LogLine, Reading, Source, Unknown
from shuishan.model.site import (
    CareTier,
    DiskSpec,
    HostSpec,
    NicSpec,
    ProbeSpec,
    SystemSpec,
    VmSpec,
    VmState,
    VmView,
)
from shuishan.prove.prober import Prober
from shuishan.sense.window import SignalWindow

GIB = 1024**3
MIB = 1024**2


def host(name: str, *, memory_bytes: int = 2 * GIB, rack: str = "r1") -> HostSpec:
    return HostSpec(
        name=name,
        rack=rack,
        cpu_count=8,
        memory_bytes=memory_bytes,
        libvirt_uri="test:///default",
        migration_address="192.0.2.1",
    )


def system(
    name: str = "his", vms: tuple[str, ...] = ("his-db", "his-app"), memory_mib: int = 256
) -> SystemSpec:
    return SystemSpec(
        name=name,
        title={"en": name, "zh": name},
        care_tier=CareTier.CORE,
        tolerance_s=10,
        vms=tuple(
            VmSpec(
                name=vm,
                cpu_count=1,
                memory_bytes=memory_mib * MIB,
                disks=(DiskSpec(size_bytes=GIB, image="hospital"),),
                nics=(NicSpec(address="192.0.2.9/24"),),
            )
            for vm in vms
        ),
        probe=ProbeSpec(url="http://192.0.2.9/health"),
    )


class AlwaysAnswers:
    """A hospital that answers every probe."""

    def summary(self, system: str, from_s: float, to_s: float) -> ProbeSummary:
        return ProbeSummary(
            system=system,
            from_s=from_s,
            to_s=to_s,
            asked=10,
            answered=10,
            lost=0,
            latency_p50_ms=5,
            latency_max_ms=9,
        )

    def watch(self, probes: Mapping[str, ProbeSpec]) -> None:
        """Every system is asked already."""

    async def answers(self, url: str, *, timeout_s: float) -> bool:
        return True


class InlineRunner:
    """Runs plans in this process: the story is about the rooms, the durable runner has its own contract."""

    def __init__(self, store: Store, world: World, chronicle: Chronicle) -> None:
        self._store = store
        self._world = world
        self._chronicle = chronicle
        self.settle: Callable[[str, PlanState], None] = lambda _plan, _state: None
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self, plan: str) -> None:
        self.tasks.append(asyncio.create_task(self._run(self._store.plan(plan).plan)))

    async def _run(self, plan: Plan) -> None:
        loop = asyncio.get_running_loop()

        def wait(work: Coroutine[Any, Any, Outcome]) -> Outcome:
            return asyncio.run_coroutine_threadsafe(work, loop).result(30)

        def together(phase: Phase, wave: Wave) -> tuple[Outcome, ...]:
            return tuple(wait(self._deed(phase, plan, step)) for step in wave)

        self.settle(plan.id, await asyncio.to_thread(carry_out, plan, together))

    async def _deed(self, phase: Phase, plan: Plan, step: Step) -> Outcome:
        return await perform(phase, plan, step, self._world, self._chronicle)


@functools.cache
def _engine() -> Engine:
    """One for all sites: it learns the catalogue once and keeps nothing between questions."""
    return Engine(knowledge())


class SimSite:
    """A site of simulated hosts with one system running on the first of them."""

    def __init__(self, folder: Path, hosts: tuple[HostSpec, ...], systems: tuple[SystemSpec, ...]) -> None:
        self.clock = SimClock()
        self.compute = SimCompute(hosts, clock=self.clock, seed=7)
        self.store = Store(folder / "site.db")
        self.chronicle = Chronicle(self.store, self.clock)
        self.ledger = SiteLedger(hosts, self.store)
        engine = _engine()
        self.window = SignalWindow(engine.interesting, window_s=3600, is_counter=is_counter)
        self.probes = AlwaysAnswers()
        world = World(
            compute=self.compute,
            mover=DirectMover(self.compute),
            ledger=self.ledger,
            web=self.probes,
            clock=self.clock,
        )
        self.runner = InlineRunner(self.store, world, self.chronicle)
        self.loop = Loop(
            ledger=self.ledger,
            store=self.store,
            chronicle=self.chronicle,
            compute=self.compute,
            window=self.window,
            engine=engine,
            policy=default_policy(),
            probes=self.probes,
            runner=self.runner,
            clock=self.clock,
            look_timeout_s=3,
            turn_s=1,
        )
        self.runner.settle = self.loop.settle
        self.house = House(
            name="sim",
            ledger=self.ledger,
            store=self.store,
            chronicle=self.chronicle,
            loop=self.loop,
            window=self.window,
            prober=Prober(self.clock),
            tokens=Tokens(self.store.engine, self.clock),
            audit=Audit(self.store.engine, self.clock),
            policy=default_policy(),
            start_plan=self.runner.start,
            clock=self.clock,
        )
        for spec in systems:
            self.store.put_system(spec)

    def run_on(self, host: str, spec: SystemSpec) -> None:
        """Have every VM of `spec` run on `host`."""
        for vm in spec.vms:
            view = VmView(
                name=vm.name, state=VmState.RUNNING, cpu_count=vm.cpu_count, memory_bytes=vm.memory_bytes
            )
            self.compute.add(host, view)

    async def turn(self, times: int = 1) -> None:
        """Some turns of the loop, each with the plans it began carried to their end."""
        for _ in range(times):
            await self.loop.turn()
            await asyncio.gather(*self.runner.tasks)
            self.runner.tasks.clear()
            await self.clock.sleep(2)

    def places(self) -> dict[str, str]:
        """vm → host, of running VMs, as the last turn saw them."""
        return {
            vm.name: view.name
            for view in self.loop.last.site.seen
            for vm in view.vms
            if vm.state is VmState.RUNNING
        }

    def line(self, host: str, text: str) -> None:
        at_s = self.clock.now_s()
        self.loop.add([LogLine(host=host, source=Source.KERNEL_LOG, at_s=at_s, text=text)])

    def reading(self, host: str, component: str, fact: str, value: float | str) -> None:
        self.loop.add(
            [
                Reading(
                    host=host,
                    source=Source.SMART,
                    at_s=self.clock.now_s(),
                    component=component,
                    fact=fact,
                    value=value,
                )
            ]
        )

    def unknown(self, host: str, source: Source, reason: str) -> None:
        at_s = self.clock.now_s()
        self.loop.add([Unknown(host=host, source=source, at_s=at_s, reason=reason)])

    def told(self) -> list[str]:
        """The timeline in English."""
        return [entry.text.en for entry in self.store.entries(0, 1000)]
