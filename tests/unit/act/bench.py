"""Simulated hosts, a ledger and a journal in memory: what deeds are tried on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from shuishan.act.perform import perform
from shuishan.act.runner import Outcome, Phase, Wave, carry_out
from shuishan.act.world import Deadlines, World, absent
from shuishan.base.cluster.direct import DirectMover
from shuishan.base.compute.sim import SimCompute
from shuishan.base.simclock import SimClock
from shuishan.model.plan import Consent, Plan, PlanState, Premise, Receipt, Step
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
from shuishan.model.word import Text

MIB = 1024**2
TEXT = Text(en="x", zh="x")


def host(name: str, memory_mib: int = 1024) -> HostSpec:
    return HostSpec(
        name=name,
        rack="r1",
        cpu_count=4,
        memory_bytes=memory_mib * MIB,
        libvirt_uri=f"sim://{name}",
        migration_address="192.0.2.1",
    )


def vm_spec(name: str, *, order: int = 0, ready_url: str | None = None, memory_mib: int = 256) -> VmSpec:
    return VmSpec(
        name=name,
        cpu_count=1,
        memory_bytes=memory_mib * MIB,
        disks=(DiskSpec(size_bytes=MIB, image="tiny"),),
        nics=(NicSpec(address="192.0.2.9/24"),),
        start_order=order,
        ready_url=ready_url,
    )


HIS = SystemSpec(
    name="his",
    title={"en": "his", "zh": "his"},
    care_tier=CareTier.CORE,
    tolerance_s=10,
    vms=(vm_spec("db", ready_url="http://db/ready"), vm_spec("app", order=1, ready_url="http://app/ready")),
    probe=ProbeSpec(url="http://app/"),
)


def seen(name: str, state: VmState = VmState.RUNNING, memory_mib: int = 256) -> VmView:
    return VmView(name=name, state=state, cpu_count=1, memory_bytes=memory_mib * MIB)


def step(action: str, *premises: Premise, id: str = "1", undoable: bool = True, **params: str) -> Step:
    return Step(
        id=id,
        action=action,
        params=params,
        premises=premises,
        text=TEXT,
        undo_text=TEXT if undoable else None,
    )


def plan(*steps: Step) -> Plan:
    return Plan(
        id="p", at_s=0, subject="host/h1", title=TEXT, because=(), steps=steps, consent=Consent.AUTOMATIC
    )


class MemoryLedger:
    """Implements act.world.Ledger."""

    def __init__(self, hosts: tuple[HostSpec, ...], systems: tuple[SystemSpec, ...]) -> None:
        self.hosts = {one.name: one for one in hosts}
        self.systems = {one.name: one for one in systems}
        self.cordons: set[str] = set()

    def host_spec(self, name: str) -> HostSpec:
        if name not in self.hosts:
            raise absent("host", name)
        return self.hosts[name]

    def cordoned(self) -> frozenset[str]:
        return frozenset(self.cordons)

    def set_cordon(self, host: str, cordoned: bool, reason: str) -> None:
        (self.cordons.add if cordoned else self.cordons.discard)(host)

    def vm_spec(self, vm: str) -> VmSpec:
        for system in self.systems.values():
            for spec in system.vms:
                if spec.name == vm:
                    return spec
        raise absent("vm", vm)

    def forget_system(self, name: str) -> None:
        self.systems.pop(name, None)


@dataclass
class Web:
    """Answers after so many questions; None: never."""

    after: int | None = 0
    asked: int = 0

    async def answers(self, url: str, *, timeout_s: float) -> bool:
        self.asked += 1
        return self.after is not None and self.asked > self.after


@dataclass
class MemoryJournal:
    """Implements act.perform.Journal."""

    receipts: dict[tuple[str, str], Receipt] = field(default_factory=dict[tuple[str, str], Receipt])
    written: list[Receipt] = field(default_factory=list[Receipt])

    def write(self, receipt: Receipt, step: Step) -> None:
        self.receipts[receipt.plan, receipt.step] = receipt
        self.written.append(receipt)

    def read(self, plan: str, step: str) -> Receipt | None:
        return self.receipts.get((plan, step))


class Bench:
    """h1, h2, h3 with 1 GiB each; `his` is declared; nothing runs yet."""

    def __init__(self) -> None:
        self.clock = SimClock()
        hosts = (host("h1"), host("h2"), host("h3"))
        self.compute = SimCompute(hosts, clock=self.clock, seed=7)
        self.ledger = MemoryLedger(hosts, (HIS,))
        self.web = Web()
        self.journal = MemoryJournal()
        self.world = World(
            compute=self.compute,
            mover=DirectMover(self.compute),
            ledger=self.ledger,
            web=self.web,
            clock=self.clock,
            deadlines=Deadlines(ready_s=5),
        )

    def state(self) -> tuple[str, frozenset[str]]:
        """All that a deed may change."""
        return self.compute.digest(), self.ledger.cordoned()

    async def perform(self, phase: Phase, one: Step) -> Outcome:
        return await perform(phase, plan(one), one, self.world, self.journal)

    async def carry_out(self, whole: Plan, breaks: Callable[[Phase, Step], bool]) -> PlanState:
        """Run a plan as the runner does, with deeds that fail after they were done where `breaks` says so."""
        loop = asyncio.get_running_loop()

        async def one(phase: Phase, deed: Step) -> Outcome:
            outcome = await perform(phase, whole, deed, self.world, self.journal)
            return Outcome(ok=False, note="broken on purpose") if breaks(phase, deed) else outcome

        def wave(phase: Phase, steps: Wave) -> tuple[Outcome, ...]:
            return tuple(
                asyncio.run_coroutine_threadsafe(one(phase, deed), loop).result(30) for deed in steps
            )

        return await asyncio.to_thread(carry_out, whole, wave)
