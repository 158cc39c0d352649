"""The loop: sense → diagnose → decide → act → prove, one turn after another.

Level-triggered: a turn takes no hint of what changed, so start, routine and recovery are one path.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shuishan.app.chronicle import Chronicle
from shuishan.app.ledger import SiteLedger
from shuishan.app.plans import OPEN, as_of_look
from shuishan.app.repairs import still_answering
from shuishan.app.store import Store
from shuishan.base.compute.port import Compute
from shuishan.catalog.policies import Policy
from shuishan.decide.decide import decide
from shuishan.diagnose.engine import Engine
from shuishan.model.clock import Clock
from shuishan.model.finding import Diagnosis, Finding
from shuishan.model.plan import Consent, Decision, Plan, PlanState
from shuishan.model.proof import ProbeSummary, Proof
from shuishan.model.signal import Signal, Source
from shuishan.model.site import HostSpec, HostState, HostView, ProbeSpec, SiteView
from shuishan.model.status import PlanStatus
from shuishan.prove.outcome import prove
from shuishan.sense.libvirt_state import libvirt_signals
from shuishan.sense.window import SignalWindow

_log = logging.getLogger(__name__)
_RECENT_PLANS = 50
_REFRESH_S = 30.0  # counts within a time span fall by themselves, without any new signal
_AFTER_PLAN_S = 1.0  # questions still on their way when a plan ends belong to it


class Probes(Protocol):
    def watch(self, probes: Mapping[str, ProbeSpec]) -> None: ...
    def summary(self, system: str, from_s: float, to_s: float) -> ProbeSummary: ...


class Runner(Protocol):
    async def start(self, plan: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """What the last turn saw and concluded."""

    number: int
    took_ms: float
    site: SiteView
    diagnosis: Diagnosis


class Loop:
    """One site's loop. `turn` is all there is; `run` repeats it."""

    def __init__(
        self,
        *,
        ledger: SiteLedger,
        store: Store,
        chronicle: Chronicle,
        compute: Compute,
        window: SignalWindow,
        engine: Engine,
        policy: Policy,
        probes: Probes,
        runner: Runner,
        clock: Clock,
        look_timeout_s: float,
        turn_s: float,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._chronicle = chronicle
        self._compute = compute
        self._window = window
        self._engine = engine
        self._policy = policy
        self._probes = probes
        self._runner = runner
        self._clock = clock
        self._look_timeout_s = look_timeout_s
        self._turn_s = turn_s
        self._wake = asyncio.Event()
        self._known: dict[str, tuple[int, Diagnosis]] = {}  # host -> window revision, what it meant
        now_s = clock.now_s()
        self.last = Turn(0, 0.0, self._site(now_s, ()), Diagnosis(at_s=now_s, findings=()))

    def add(self, signals: Sequence[Signal]) -> None:
        """Where collectors put what they see; a line worth a diagnosis starts a turn at once."""
        self._window.add(signals)
        if any(signal.kind == "line" and self._engine.interesting(signal.text) for signal in signals):
            self._wake.set()

    def heard(self, host: str, source: Source, *, at_s: float) -> None:
        """A collector answered, perhaps with nothing new."""
        self._window.heard(host, source, at_s=at_s)

    def poke(self) -> None:
        """Somebody changed what is wanted: have a turn soon."""
        self._wake.set()

    async def run(self) -> None:
        """Turn for ever. A turn that breaks is logged and the next one starts afresh."""
        while True:
            self._wake.clear()
            try:
                await self.turn()
            except Exception:
                _log.exception("a turn of the loop broke; the next one starts from the beginning")
                await self._clock.sleep(1.0)
            try:
                await asyncio.wait_for(self._wake.wait(), self._turn_s)
            except TimeoutError:
                continue

    async def turn(self) -> Turn:
        began = time.monotonic()
        before = self.plans()
        site = await self.look()
        self._probes.watch({system.name: system.probe for system in site.systems})
        diagnosis = await asyncio.to_thread(self._diagnose, site)
        self._chronicle.diagnosis(diagnosis)
        for host in self._ledger.hosts:
            self._chronicle.blind(host.name, [blind for blind in diagnosis.blind if blind.host == host.name])
        decision = await asyncio.to_thread(self._decide, site, diagnosis, before)
        await self._accept(decision, diagnosis)
        self._prove_ended(site)
        took_ms = (time.monotonic() - began) * 1000
        self.last = Turn(self.last.number + 1, took_ms, site, diagnosis)
        return self.last

    async def look(self) -> SiteView:
        """Ask every host at once; one that does not answer holds up nobody for longer than its timeout."""
        at_s = self._clock.now_s()
        views = await asyncio.gather(*(self._look_at(host) for host in self._ledger.hosts))
        self._chronicle.hosts(views)
        for view in views:
            if view.state is HostState.ANSWERING:  # also when it has no VM to tell of
                self._window.heard(view.name, Source.LIBVIRT, at_s=view.seen_at_s)
            self._window.add(libvirt_signals(view))
        return self._site(at_s, views)

    async def _look_at(self, host: HostSpec) -> HostView:
        return await self._compute.look(host, timeout_s=self._look_timeout_s)

    def _site(self, at_s: float, views: Sequence[HostView]) -> SiteView:
        return SiteView(
            at_s=at_s,
            hosts=self._ledger.hosts,
            seen=tuple(views),
            systems=self._ledger.systems(),
            cordoned=self._ledger.cordoned(),
        )

    def plans(self) -> list[PlanStatus]:
        """The newest plans, as far as a repair has not made them void: what decide may go by."""
        return still_answering(self._store.plans(_RECENT_PLANS), self._store.repairs())

    def _diagnose(self, site: SiteView) -> Diagnosis:
        """All hosts; one about which nothing new is known keeps its diagnosis for a while."""
        fresh = [self._diagnose_host(host.name, site.at_s) for host in self._ledger.hosts]
        whole = Diagnosis(
            at_s=site.at_s,
            findings=tuple(finding for part in fresh for finding in part.findings),
            dismissed=tuple(dismissed for part in fresh for dismissed in part.dismissed),
            blind=tuple(blind for part in fresh for blind in part.blind),
        )
        unheard = [
            (host.name, each) for host in self._ledger.hosts for each in self._window.unheard(host.name)
        ]
        return with_carried(whole, self._store.open_findings(), unheard)

    def _diagnose_host(self, host: str, now_s: float) -> Diagnosis:
        revision = self._window.revision(host, now_s=now_s)
        known = self._known.get(host)
        if known is not None and known[0] == revision and now_s - known[1].at_s < _REFRESH_S:
            return known[1]
        diagnosis = self._engine.diagnose(self._window.signals(now_s, host), now_s=now_s)
        self._known[host] = (revision, diagnosis)
        return diagnosis

    def _decide(self, site: SiteView, diagnosis: Diagnosis, before: Sequence[PlanStatus]) -> Decision:
        plans = as_of_look(before, self.plans())
        return decide(site, diagnosis, self._policy, plans=plans, now_s=site.at_s)

    async def _accept(self, decision: Decision, diagnosis: Diagnosis) -> None:
        by_id = {finding.id: finding for finding in diagnosis.findings}
        live = (PlanState.RUNNING, PlanState.PROPOSED, PlanState.DONE)
        answered = {id for status in self.plans() if status.state in live for id in status.plan.because}
        for held in decision.held:
            # What a plan answers already is told by that plan.
            if held.finding in by_id and held.finding not in answered:
                self._chronicle.held(held, by_id[held.finding])
        for plan in decision.plans:
            await self.accept(plan)

    async def accept(self, plan: Plan) -> None:
        """Take a plan in: run it, propose it, or explain why it cannot be. Saying so once is enough."""
        because = ",".join(plan.because)
        if not plan.fits:
            said = ";".join(f"{m.vm}:{m.nearest_miss.en}" for m in plan.misfits)
            if not self._store.mark(f"misfit/{plan.subject}", f"{because}|{said}"):
                return
            self._store.add_plan(plan, PlanState.REFUSED)
            self._chronicle.planned(plan)
            return
        if any(s.plan.subject == plan.subject for s in self._store.plans_in(*OPEN)):
            return  # somebody asked for one while this one was thought out; the next turn sees it
        automatic = plan.consent is Consent.AUTOMATIC
        self._store.add_plan(plan, PlanState.RUNNING if automatic else PlanState.PROPOSED)
        self._chronicle.planned(plan)
        if automatic:
            await self._runner.start(plan.id)

    def settle(self, plan_id: str, state: PlanState) -> None:
        """Told by the runner, in its thread, when a plan has ended."""
        status = self._store.plan(plan_id)
        if status.state is not state:
            self._store.set_plan_state(plan_id, state, at_s=self._clock.now_s())
            self._chronicle.ended(status.plan, state)
        self._after_plan(status.plan, state)

    def _after_plan(self, plan: Plan, state: PlanState) -> None:
        if state is not PlanState.DONE:
            return
        for spec, generation, _ in self._store.systems():
            if plan.subject == f"system/{spec.name}":
                self._store.set_observed(spec.name, generation)

    def _prove_ended(self, site: SiteView) -> None:
        for status in self._store.plans_unproven():
            ended_at_s = self._store.ended_at_s(status.plan.id)
            if ended_at_s is None or site.at_s < ended_at_s + _AFTER_PLAN_S:
                continue  # look again once it is over
            proof = self.proof_of(status, site, ended_at_s)
            self._store.set_proof(proof)
            self._chronicle.proved(proof)

    def proof_of(self, status: PlanStatus, site: SiteView, ended_at_s: float) -> Proof:
        moved = {step.params["vm"] for step in status.plan.steps if step.action == "vm.move"}
        touched = {system.name for vm in moved if (system := site.system_of(vm)) is not None}
        from_s, to_s = status.plan.at_s, ended_at_s + _AFTER_PLAN_S
        probes = [self._probes.summary(name, from_s, to_s) for name in sorted(touched)]
        return prove(status.plan, status.receipts, site, probes, at_s=site.at_s)


def with_carried(
    fresh: Diagnosis, known: Sequence[Finding], unheard: Collection[tuple[str, Source]] = ()
) -> Diagnosis:
    """A finding whose sense went blind, or has not answered since a restart, is kept.

    Silence is not recovery.
    """
    blind = {(blind.host, blind.source) for blind in fresh.blind} | set(unheard)
    seen = {finding.id for finding in fresh.findings}
    carried = tuple(
        finding
        for finding in known
        if finding.id not in seen and any((finding.host, e.source) in blind for e in finding.evidence)
    )
    return fresh.model_copy(update={"findings": (*fresh.findings, *carried)}) if carried else fresh
