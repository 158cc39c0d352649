"""The stage on which stories play: the lab, its control plane, a clerk at work, and what was checked."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import yaml

from shuishan.app.story import witnessed
from shuishan.base import shell
from shuishan.catalog.messages import say
from shuishan.lab.control import client_path, kill_server, start_server
from shuishan.lab.fault_kind import Value
from shuishan.lab.faults import FAULTS, Injected, heal, inject
from shuishan.lab.his_client import HisClient
from shuishan.lab.layout import HOST_MEMORY_BYTES, LabLayout
from shuishan.lab.site import Lab
from shuishan.model.errors import ShuishanError, Silent
from shuishan.model.finding import Finding
from shuishan.model.plan import PlanState, StepState
from shuishan.model.proof import ProbeSummary
from shuishan.model.site import CareTier, HostState, NicSpec, SystemSpec, VmState
from shuishan.model.status import HostStatus, PlanStatus, Report, SiteStatus, SystemStatus
from shuishan.model.timeline import Entry
from shuishan.model.word import Text, Word

T = TypeVar("T")
Talk = Callable[[Text], None]


class SiteApi(Protocol):
    """What stories ask of the control plane: the API's own client."""

    def site(self) -> SiteStatus: ...
    def host(self, name: str) -> HostStatus: ...
    def cordon(self, host: str) -> HostStatus: ...
    def uncordon(self, host: str) -> HostStatus: ...
    def repaired(self, host: str, component: str | None = None) -> HostStatus: ...
    def drain(self, host: str) -> PlanStatus: ...
    def systems(self) -> list[SystemStatus]: ...
    def apply_system(self, spec: SystemSpec) -> PlanStatus: ...
    def remove_system(self, name: str) -> PlanStatus: ...
    def plan(self, id: str) -> PlanStatus: ...
    def agree(self, id: str) -> PlanStatus: ...
    def plans(self, limit: int = 50) -> list[PlanStatus]: ...
    def timeline(self, after: int = 0, limit: int = 200) -> list[Entry]: ...
    def report(self, plan: str | None = None) -> Report: ...
    def note(self, subject: str, text: Text) -> Entry: ...


class Check(Word):
    """One thing a story claims, and whether it was so."""

    text: Text
    held: bool


class StoryResult(Word):
    """How a story went. report: None when the story is about something else than a plan."""

    story: str
    title: Text
    held: bool
    checks: tuple[Check, ...]
    clerk: ProbeSummary | None
    report: Report | None
    took_s: float


@dataclass(slots=True)
class Stage:
    """Where a story plays. Everything a story breaks is healed by `clear`, in reverse order."""

    lab: Lab
    api: SiteApi
    system: SystemSpec
    talk: Talk
    checks: list[Check] = field(default_factory=list[Check])
    report: Report | None = None
    clerk_summary: ProbeSummary | None = None
    _broken: list[Injected] = field(default_factory=list[Injected])
    _undo: list[Callable[[], Awaitable[None]]] = field(default_factory=list[Callable[[], Awaitable[None]]])

    @property
    def layout(self) -> LabLayout:
        return self.lab.layout

    async def ask(self, question: Callable[[SiteApi], T]) -> T:
        """Ask the control plane, without holding up the clerk."""
        return await asyncio.to_thread(question, self.api)

    def check(self, held: bool, message: str, **fields: object) -> bool:
        """Note one claim, and say it aloud."""
        text = say(message, **fields)
        self.checks.append(Check(text=text, held=held))
        mark = "✓" if held else "✗"
        self.talk(Text(en=f"  {mark} {text.en}", zh=f"  {mark} {text.zh}"))
        return held

    async def until(self, look: Callable[[SiteStatus], T | None], *, deadline_s: float, why: str) -> T:
        """Poll the site until `look` gives something; raises Silent naming `why` at the deadline."""
        end_s = time.monotonic() + deadline_s
        while True:
            try:
                found = look(await self.ask(lambda api: api.site()))
            except Silent:
                found = None  # the server may be down for a moment: some stories kill it
            if found is not None:
                return found
            if time.monotonic() > end_s:
                raise Silent(f"{why}: not so after {deadline_s:g} s", subject="story")
            await asyncio.sleep(0.3)

    # breaking and healing

    async def break_host(self, host: str, fault: str, **params: Value) -> None:
        """Break the hardware of `host`, and write on the timeline that it was us."""
        title = FAULTS[fault].title
        text = say("story.broke", host=host, fault=title)
        self.talk(text)
        await self.ask(lambda api: api.note(f"host/{host}", text))
        self._broken.append(await inject(self.layout, host, fault, **params))

    async def heal_all(self) -> None:
        while self._broken:
            injected = self._broken.pop()
            self.talk(say("story.healed", host=injected.host, fault=FAULTS[injected.fault].title))
            await heal(self.layout, injected)

    def afterwards(self, undo: Callable[[], Awaitable[None]]) -> None:
        """Run `undo` when the story is over, whatever happened."""
        self._undo.append(undo)

    async def clear(self) -> None:
        """Heal, undo, and bring the site back to rest: nothing found, nothing cordoned."""
        broken = {injected.host for injected in self._broken}
        await self.heal_all()
        while self._undo:
            await self._undo.pop()()
        await self.until(_no_plan_running, deadline_s=180, why="plans come to an end")
        for status in (await self.ask(lambda api: api.site())).hosts:
            if status.spec.name in broken or status.findings:
                await self.ask(lambda api, name=status.spec.name: api.repaired(name))
        for status in (await self.ask(lambda api: api.site())).hosts:
            if status.cordoned:
                await self.ask(lambda api, name=status.spec.name: api.uncordon(name))

    # the hospital

    def clerk(self) -> HisClient:
        """A clerk who registers ten patients a second for as long as the block lasts."""
        base = self.system.probe.url.rsplit("/", 1)[0]
        return HisClient(base, timeout_s=self.system.tolerance_s)

    async def write_report(self, plan: str, clerk: HisClient | None = None) -> None:
        """Keep the story of `plan`, with what the clerk saw as a witness of its own."""
        report = await self.ask(lambda api: api.report(plan))
        if clerk is not None:
            name = f"{self.system.name} · clerk"
            self.clerk_summary = clerk.summary(name)
            report = witnessed(report, self.clerk_summary)
        self.report = report

    async def gather_on(self, host: str) -> None:
        """Bring all of the system's VMs to `host`, as an operator would: by draining the others."""
        vms = {vm.name for vm in self.system.vms}
        others = [other for other in self.layout.hosts if other != host]
        await self.ask(lambda api: api.uncordon(host))
        for other in others:
            await self.ask(lambda api, name=other: api.cordon(name))
        for other in others:
            status = await self.ask(lambda api, name=other: api.host(name))
            if any(vm.name in vms and vm.state is VmState.RUNNING for vm in status.seen.vms):
                plan = await self.ask(lambda api, name=other: api.drain(name))
                await self.plan_end(plan.plan.id, deadline_s=240)
        for other in others:
            await self.ask(lambda api, name=other: api.uncordon(name))
        await self.until(
            lambda site: on_host(site, vms, host) or None, deadline_s=60, why=f"VMs gather on {host}"
        )

    async def plan_end(self, plan: str, *, deadline_s: float) -> PlanStatus:
        """Wait until a plan has ended and was proven (or refused)."""

        def ended(site: SiteStatus) -> PlanStatus | None:
            for status in site.plans:
                if status.plan.id == plan and (status.proof or status.state is PlanState.REFUSED):
                    return status
            return None

        return await self.until(ended, deadline_s=deadline_s, why=f"plan {plan} ends")

    async def finding(self, host: str, issues: Iterable[str], *, deadline_s: float = 60) -> Finding:
        """Wait until one of `issues` is found on `host`."""
        wanted = set(issues)

        def found(site: SiteStatus) -> Finding | None:
            return next((f for f in site.diagnosis.findings if f.host == host and f.issue in wanted), None)

        return await self.until(
            found, deadline_s=deadline_s, why=f"{'/'.join(sorted(wanted))} is found on {host}"
        )

    async def plan_for(self, finding: Finding, *, deadline_s: float = 60) -> PlanStatus:
        """Wait until a plan answers `finding`."""

        def planned(site: SiteStatus) -> PlanStatus | None:
            return next((status for status in site.plans if finding.id in status.plan.because), None)

        return await self.until(planned, deadline_s=deadline_s, why=f"a plan answers {finding.issue}")

    async def next_plan_for(self, finding: Finding, *, after: str, deadline_s: float = 90) -> PlanStatus:
        """Wait for another plan that answers `finding`, newer than plan `after`."""

        def planned(site: SiteStatus) -> PlanStatus | None:
            newest = next((status for status in site.plans if finding.id in status.plan.because), None)
            return newest if newest is not None and newest.plan.id != after else None

        return await self.until(planned, deadline_s=deadline_s, why="the next turn decides anew")

    async def last_entry(self) -> int:
        """seq of the newest timeline entry."""
        seq = 0
        while entries := await self.ask(lambda api, after=seq: api.timeline(after, 200)):
            seq = entries[-1].seq
        return seq

    async def entries_after(self, seq: int) -> list[Entry]:
        found: list[Entry] = []
        while entries := await self.ask(lambda api, after=seq: api.timeline(after, 200)):
            found += entries
            seq = entries[-1].seq
        return found

    async def fingerprint(self) -> str:
        """What a refused request must not change: systems, plans, cordons, placement."""
        site = await self.ask(lambda api: api.site())
        vms = sorted((vm.name, vm.host, vm.state.value) for system in site.systems for vm in system.vms)
        plans = sorted(status.plan.id for status in site.plans)
        cordons = sorted(status.spec.name for status in site.hosts if status.cordoned)
        specs = [(system.spec.name, system.generation) for system in site.systems]
        return repr((vms, plans, cordons, specs))

    # the world around

    def filler(self) -> SystemSpec:
        """A system of two big idle VMs that leaves no room for anything beside them."""
        pattern = self.system.vms[0]
        base, _, prefix = pattern.nics[0].address.partition("/")
        network = base.rsplit(".", 1)[0]
        vms = tuple(
            pattern.model_copy(
                update={
                    "name": f"filler-{number}",
                    "memory_bytes": HOST_MEMORY_BYTES - 128 * 1024**2,
                    "cpu_count": 1,
                    "role": "idle",
                    "ready_url": None,
                    "start_order": 0,
                    "nics": (NicSpec(address=f"{network}.{70 + number}/{prefix}"),),
                }
            )
            for number in (1, 2)
        )
        return self.system.model_copy(
            update={
                "name": "filler",
                "title": {"en": "Filler", "zh": "占位系统"},
                "care_tier": CareTier.TEST,
                "vms": vms,
                "anti_affinity": (tuple(vm.name for vm in vms),),
            }
        )

    async def remove_system(self, name: str) -> None:
        plan = await self.ask(lambda api: api.remove_system(name))
        if plan.state is PlanState.PROPOSED:
            await self.ask(lambda api: api.agree(plan.plan.id))
        await self.plan_end(plan.plan.id, deadline_s=180)

    async def power_off(self, host: str) -> None:
        """Pull the plug of a host; it is switched on again when the story is over."""
        text = say("story.power_off", host=host)
        self.talk(text)
        await self.lab.power_off(host)
        self.afterwards(lambda: self._power_on(host))
        await self.ask(lambda api: api.note(f"host/{host}", text))

    async def kill_and_restart_server(self) -> None:
        text = say("story.server_killed")
        self.talk(text)
        await kill_server(self.layout)
        await start_server(self.layout)
        await self.ask(lambda api: api.note("site/lab", text))

    async def _power_on(self, host: str) -> None:
        await self.lab.power_on(host)
        await self.until(lambda site: answers(site, host) or None, deadline_s=60, why=f"{host} answers again")

    async def moving(self, *, not_plan: str = "", deadline_s: float = 60) -> tuple[PlanStatus, str, str]:
        """Wait until a live migration is under way: (plan, VM, target)."""

        def moves(site: SiteStatus) -> tuple[PlanStatus, str, str] | None:
            for status in site.plans:
                for receipt in status.receipts:
                    step = next(step for step in status.plan.steps if step.id == receipt.step)
                    if (
                        status.plan.id != not_plan
                        and step.action == "vm.move"
                        and receipt.state is StepState.STARTED
                    ):
                        return status, step.params["vm"], step.params["target"]
            return None

        return await self.until(moves, deadline_s=deadline_s, why="a VM is on its way")

    async def limit_migration(self, host: str, vms: Iterable[str], mib_per_s: int) -> None:
        """Slow the host's migrations of `vms`, so that something can happen in the middle of one."""
        uri = self.layout.libvirt_uri(host)
        for vm in vms:
            await shell.run(["virsh", "-c", uri, "migrate-setspeed", vm, str(mib_per_s)], timeout_s=20)

    async def cli(
        self, *words: str, timeout_s: float = 60, token_file: Path | None = None
    ) -> shell.Completed:
        """Run the command line as a user of this lab would; its exit status is not judged here."""
        program = Path(sys.executable).parent / "shuishan"
        config = yaml.safe_load(client_path(self.layout).read_text("utf-8"))
        env = {
            "SHUISHAN_LANG": "en",
            "SHUISHAN_URL": config["url"],
            "SHUISHAN_CA_FILE": config["ca_file"],
            "SHUISHAN_TOKEN_FILE": str(token_file or config["token_file"]),
        }
        return await shell.run([program, *words], timeout_s=timeout_s, check=False, env=env)


def on_host(site: SiteStatus, vms: set[str], host: str) -> bool:
    """Do all of `vms` run on `host`, and nowhere else?"""
    places = [
        (vm.name, status.spec.name)
        for status in site.hosts
        for vm in status.seen.vms
        if vm.name in vms and vm.state is VmState.RUNNING
    ]
    return sorted(places) == sorted((vm, host) for vm in vms)


def copies(site: SiteStatus, vm: str) -> int:
    """How many hosts run `vm`."""
    return sum(
        seen.name == vm and seen.state is VmState.RUNNING for status in site.hosts for seen in status.seen.vms
    )


def answers(site: SiteStatus, host: str) -> bool:
    return any(s.spec.name == host and s.seen.state is HostState.ANSWERING for s in site.hosts)


def _no_plan_running(site: SiteStatus) -> bool | None:
    return None if any(status.state is PlanState.RUNNING for status in site.plans) else True


def failure(cause: ShuishanError) -> Check:
    """A story that could not go on did not hold."""
    return Check(text=say("story.cut_off", reason=cause.message), held=False)
