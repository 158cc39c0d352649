"""Random misfortune: whatever happens in whatever order, some things must never be seen."""

import random
from pathlib import Path

import pytest
from tests.story.house import MIB, SimSite, host, system

from shuishan.base.compute.sim import Fault
from shuishan.model.errors import ShuishanError
from shuishan.model.plan import PlanState
from shuishan.model.site import VmState

TURNS = 10
SYSTEMS = tuple(
    system(name, tuple(f"{name}-{vm}" for vm in ("db", "app")), memory_mib=256)
    for name in ("his", "lis", "pacs")
)


class Campaign:
    """One site, one seed. Each `step` is some events, one turn, and a look at what must always hold."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        count = self.random.randint(4, 6)
        self.hosts = [f"h{number}" for number in range(1, count + 1)]
        memory_bytes = self.random.choice((640, 1024, 2048)) * MIB
        specs = tuple(host(name, memory_bytes=memory_bytes, rack=f"r{name}") for name in self.hosts)
        self.site = SimSite(folder, specs, SYSTEMS[:2])
        for place, spec in zip(self.hosts, SYSTEMS[:2], strict=False):
            self.site.run_on(place, spec)
        self.log: list[str] = []
        self.removed: set[str] = set()

    async def step(self) -> None:
        ran = dict(self.site.compute.truth())
        dead = {name for name in self.hosts if self.site.compute.fault(name) is Fault.DEAD}
        cordoned = self.site.store.cordoned()
        for _ in range(self.random.randint(0, 2)):
            await self._event()
        await self.site.turn()
        self._check(ran, dead, cordoned & self.site.store.cordoned())

    async def _event(self) -> None:
        name = self.random.choice(self.hosts)
        kinds = ("silent", "dead", "back", "back", "spare", "spare", "mid_move")
        kinds += ("drain", "uncordon", "repaired", "apply", "remove", "agree", "refuse")
        kind = self.random.choice(kinds)
        self.log.append(f"{kind} {name}")
        compute = self.site.compute
        match kind:
            case "silent" if compute.fault(name) is Fault.NONE:
                compute.fail(name, Fault.SILENT)
            case "dead" if sum(compute.fault(other) is Fault.DEAD for other in self.hosts) < 2:
                compute.fail(name, Fault.DEAD)
            case "back":
                compute.fail(name, Fault.NONE)
            case "mid_move":
                compute.fail_next_move(name, self.random.choice((Fault.DEAD, Fault.SILENT)))
            case "spare":
                self._spare_runs_out(name)
            case _:
                try:
                    await self._operator(kind, name)
                except ShuishanError as refusal:
                    self.log.append(f"  refused: {refusal.message}")

    async def _operator(self, kind: str, name: str) -> None:
        house = self.site.house
        spec = self.random.choice(SYSTEMS)
        if kind == "drain":
            await house.drain(name, "tester")
        elif kind == "uncordon":
            await house.uncordon(name, "tester")
        elif kind == "repaired":
            await house.repaired(name, self.random.choice((None, "nvme0")), "tester")
        elif kind == "apply":
            await house.apply_system(spec, "tester")
        elif kind == "remove":
            await house.remove_system(spec.name, "tester")
            self.removed |= {vm.name for vm in spec.vms}
        elif kind in ("agree", "refuse"):
            for status in self.site.store.plans_in(PlanState.PROPOSED):
                await (house.agree if kind == "agree" else house.refuse)(status.plan.id, "tester")

    def _spare_runs_out(self, name: str) -> None:
        self.site.reading(name, "nvme0", "nvme.critical_warning", 1)
        self.site.reading(name, "nvme0", "nvme.available_spare_percent", 8)
        self.site.reading(name, "nvme0", "nvme.available_spare_threshold_percent", 10)

    def _check(self, ran: dict[str, str], dead: set[str], cordoned: frozenset[str]) -> None:
        compute, store = self.site.compute, self.site.store
        running = compute.truth()
        places = dict(running)
        assert len(places) == len(running), f"runs twice: {running}"
        died = {name for name in self.hosts if compute.fault(name) is Fault.DEAD} - dead
        fell = {vm for vm, place in compute.truth(VmState.SHUT_OFF) if place in died}
        lost = set(ran) - set(places) - fell - self.removed
        assert not lost, f"lost: {lost}"
        self.removed &= set(ran) | set(places)
        arrived = {vm: place for vm, place in places.items() if ran.get(vm) != place}
        assert not cordoned & set(arrived.values()), f"came to a cordoned host: {arrived} {cordoned}"
        answered = {id for status in store.plans(200) for id in status.plan.because}
        for finding in self.site.loop.last.diagnosis.findings:
            assert finding.id in answered or store.marked(f"held/{finding.id}"), f"unanswered: {finding.id}"
        assert store.plans_in(PlanState.RUNNING) == [], "a plan never ended"

    async def end_well(self) -> None:
        """Once every host answers again, whoever sits on a failing host leaves it, or is told why not."""
        for name in self.hosts:
            self.site.compute.fail(name, Fault.NONE)
        for _ in range(3):
            await self.site.clock.sleep(700)  # longer than any pause between two tries
            await self.site.turn(2)
        self._check(dict(self.site.compute.truth()), set(), frozenset())
        failing = {finding.host for finding in self.site.loop.last.diagnosis.findings if finding.evacuate}
        explained = {
            status.plan.subject
            for status in self.site.store.plans(200)
            if status.state in (PlanState.REFUSED, PlanState.PROPOSED, PlanState.STUCK)
        }
        for vm, place in self.site.compute.truth():
            assert place not in failing or f"host/{place}" in explained, f"{vm} is left on {place}"


@pytest.mark.parametrize("seed", range(1, 41))
async def test_whatever_happens_no_vm_runs_twice_or_is_lost(tmp_path: Path, seed: int) -> None:
    campaign = Campaign(tmp_path, seed)
    try:
        for _ in range(TURNS):
            await campaign.step()
        await campaign.end_well()
    except BaseException:
        print(f"seed {seed}")
        print("\n".join(campaign.log))
        print("\n".join(campaign.site.told()[-60:]))
        raise
