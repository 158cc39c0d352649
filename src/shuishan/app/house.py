"""The house as its doors see it: every read and every deed of the API, CLI and console.

Reads answer from what the last turn saw; deeds return at once with the plan or the new state. Every
change leaves an audit record, also when it was refused.
"""

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Literal, TypeVar

from shuishan.app.access import Audit, Scope, Tokens
from shuishan.app.chronicle import Chronicle
from shuishan.app.ledger import SiteLedger
from shuishan.app.loop import Loop
from shuishan.app.plans import as_of_look
from shuishan.app.store import Store
from shuishan.app.story import first_sign_s, report_of, told_of
from shuishan.app.views import host_status, system_status
from shuishan.catalog.messages import say
from shuishan.catalog.policies import Policy
from shuishan.decide.evacuate import plan_drain
from shuishan.decide.systems import plan_apply, plan_remove
from shuishan.model.clock import Clock
from shuishan.model.errors import BadInput, Conflict, NotFound, ShuishanError
from shuishan.model.finding import Diagnosis
from shuishan.model.plan import Plan, PlanState
from shuishan.model.site import SiteView, SystemSpec, VmSpec
from shuishan.model.status import (
    AuditRecord,
    HostStatus,
    NewToken,
    PlanStatus,
    Report,
    SiteStatus,
    SystemStatus,
    TokenSpec,
)
from shuishan.model.timeline import Entry, Room
from shuishan.model.word import Text, Word
from shuishan.prove.prober import Prober
from shuishan.sense.window import SignalWindow

_T = TypeVar("_T")
_RECENT_PLANS = 20
_LOOK_BACK_S = 3600.0  # a plan answers signs that are younger than this, or is already under way
_LEAD_S = 600.0  # what was broken on purpose may come this long before its first sign
_PROBE_WINDOW_S = 60.0


class Health(Word):
    """Open to everyone, so it says no more than that the house stands."""

    status: Literal["ok"] = "ok"


class House:
    def __init__(
        self,
        *,
        name: str,
        ledger: SiteLedger,
        store: Store,
        chronicle: Chronicle,
        loop: Loop,
        window: SignalWindow,
        prober: Prober,
        tokens: Tokens,
        audit: Audit,
        policy: Policy,
        start_plan: Callable[[str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._name = name
        self._ledger = ledger
        self._store = store
        self._chronicle = chronicle
        self._loop = loop
        self._window = window
        self._prober = prober
        self._tokens = tokens
        self._audit = audit
        self._policy = policy
        self._start_plan = start_plan
        self._clock = clock

    # reads

    async def health(self) -> Health:
        return Health()

    async def site(self) -> SiteStatus:
        last = self._loop.last
        return SiteStatus(
            name=self._name,
            version=version("shuishan"),
            at_s=last.site.at_s,
            turn=last.number,
            turn_ms=round(last.took_ms, 1),
            hosts=tuple(await self.hosts()),
            systems=tuple(await self.systems()),
            diagnosis=last.diagnosis,
            plans=tuple(self._store.plans(_RECENT_PLANS)),
        )

    async def hosts(self) -> list[HostStatus]:
        last = self._loop.last
        site = last.site.model_copy(update={"cordoned": self._ledger.cordoned()})
        return [host_status(spec, site, last.diagnosis) for spec in self._ledger.hosts]

    async def host(self, name: str) -> HostStatus:
        self._known_host(name)
        return next(status for status in await self.hosts() if status.spec.name == name)

    async def systems(self) -> list[SystemStatus]:
        now_s = self._clock.now_s()
        site = self._loop.last.site
        return [
            system_status(
                spec, generation, seen, site, self._prober.summary(spec.name, now_s - _PROBE_WINDOW_S, now_s)
            )
            for spec, generation, seen in self._store.systems()
        ]

    async def system(self, name: str) -> SystemStatus:
        for status in await self.systems():
            if status.spec.name == name:
                return status
        raise NotFound(f"system {name} is not known; see `shuishan system list`", subject=f"system/{name}")

    async def diagnosis(self) -> Diagnosis:
        return self._loop.last.diagnosis

    async def plans(self, limit: int) -> list[PlanStatus]:
        return self._store.plans(limit)

    async def plan(self, id: str) -> PlanStatus:
        return self._store.plan(id)

    async def timeline(self, after_seq: int, limit: int) -> list[Entry]:
        return self._store.entries(after_seq, limit)

    async def report(self, plan: str | None) -> Report:
        """The story of `plan`, or of the newest plan that answered a finding."""
        recent = self._store.plans(_RECENT_PLANS)
        chosen = self._store.plan(plan) if plan else next((s for s in recent if s.plan.because), None)
        if chosen is None:
            entries = self._store.entries_since(self._clock.now_s() - 3600)
            return report_of(await self.site(), None, (), entries, 0.0)
        related = [
            status
            for status in reversed(recent)
            if status.plan.subject == chosen.plan.subject
            and set(status.plan.because) & set(chosen.plan.because)
        ]
        findings = [found for id in chosen.plan.because if (found := self._store.finding(id)) is not None]
        stories = (*related, chosen)
        told = self._store.entries_since(min(status.plan.at_s for status in stories) - _LOOK_BACK_S)
        began_s = min(first_sign_s(status, findings, told) for status in stories)
        lead = [entry for entry in told if entry.at_s >= began_s - _LEAD_S]
        entries = told_of(chosen.plan.subject, lead, began_s)
        return report_of(await self.site(), chosen, related, entries, began_s)

    # deeds on hosts

    async def cordon(self, host: str, actor: str) -> HostStatus:
        async def deed() -> HostStatus:
            self._known_host(host)
            if host not in self._ledger.cordoned():
                self._ledger.set_cordon(host, True, f"asked for by {actor}")
                self._people(f"host/{host}", say("app.people_cordon", actor=actor, host=host))
            return await self.host(host)

        return await self._audited(actor, "host.cordon", f"host/{host}", {}, deed)

    async def uncordon(self, host: str, actor: str) -> HostStatus:
        async def deed() -> HostStatus:
            self._known_host(host)
            if host in self._ledger.cordoned():
                self._ledger.set_cordon(host, False, "")
                self._people(f"host/{host}", say("app.people_uncordon", actor=actor, host=host))
            return await self.host(host)

        return await self._audited(actor, "host.uncordon", f"host/{host}", {}, deed)

    async def repaired(self, host: str, component: str | None, actor: str) -> HostStatus:
        """A person says a part was replaced: what was seen of it before speaks no more."""

        async def deed() -> HostStatus:
            self._known_host(host)
            at_s = self._clock.now_s()
            counted = self._window.forget(host, component, before_s=at_s)
            self._store.set_repaired(host, component or "", at_s, counted)
            text = say("app.people_repaired", actor=actor, host=host, component=component or "")
            self._people(f"host/{host}", text)
            self._store.close_findings(host, component)
            self._chronicle.told_anew(host)
            self._loop.poke()
            return await self.host(host)

        return await self._audited(actor, "host.repaired", f"host/{host}", {"component": component}, deed)

    async def drain(self, host: str, actor: str) -> PlanStatus:
        async def deed() -> PlanStatus:
            self._known_host(host)
            site, plans = await self._look()
            plan = plan_drain(
                site,
                host,
                self._policy,
                site.at_s,
                diagnosis=self._loop.last.diagnosis,
                plans=plans,
            )
            return await self._ask(plan, actor)

        return await self._audited(actor, "host.drain", f"host/{host}", {}, deed)

    # deeds on systems

    async def apply_system(self, spec: SystemSpec, actor: str) -> PlanStatus:
        async def deed() -> PlanStatus:
            site, plans = await self._look()
            self._checked(spec)
            plan = plan_apply(
                site,
                spec,
                self._policy,
                site.at_s,
                diagnosis=self._loop.last.diagnosis,
                plans=plans,
            )
            self._no_other_plan(plan.subject)
            if plan.fits:
                self._store.put_system(spec)
            return await self._ask(plan, actor)

        content = {"vms": [vm.name for vm in spec.vms]}
        return await self._audited(actor, "system.apply", f"system/{spec.name}", content, deed)

    async def remove_system(self, name: str, actor: str) -> PlanStatus:
        async def deed() -> PlanStatus:
            status = await self.system(name)
            site, _ = await self._look()
            return await self._ask(plan_remove(site, status.spec, now_s=site.at_s), actor)

        return await self._audited(actor, "system.remove", f"system/{name}", {}, deed)

    # plans

    async def agree(self, id: str, actor: str) -> PlanStatus:
        async def deed() -> PlanStatus:
            status = self._proposed(id)
            self._store.set_plan_state(id, PlanState.RUNNING, at_s=self._clock.now_s(), agreed_by=actor)
            self._people(status.plan.subject, say("app.people_agreed", actor=actor, plan=id))
            await self._start_plan(id)
            return self._store.plan(id)

        return await self._audited(actor, "plan.agree", f"plan/{id}", {}, deed)

    async def refuse(self, id: str, actor: str) -> PlanStatus:
        async def deed() -> PlanStatus:
            status = self._proposed(id)
            self._store.set_plan_state(id, PlanState.REFUSED, at_s=self._clock.now_s())
            self._people(status.plan.subject, say("app.people_refused", actor=actor, plan=id))
            return self._store.plan(id)

        return await self._audited(actor, "plan.refuse", f"plan/{id}", {}, deed)

    async def note(self, room: Literal["lab", "people"], subject: str, text: Text, actor: str) -> Entry:
        """Put a remark on the timeline, e.g. what was broken on purpose."""

        async def deed() -> Entry:
            return self._chronicle.tell(Room(room), subject, text, actor=actor)

        return await self._audited(actor, "timeline.note", subject, {"text": text.en}, deed)

    # access

    async def check_token(self, secret: str, scope: Scope) -> TokenSpec:
        return self._tokens.check(secret, scope)

    async def create_token(self, name: str, scope: Scope, lifetime_s: float, actor: str) -> NewToken:
        async def deed() -> NewToken:
            return self._tokens.create(name, scope, lifetime_s)

        content = {"scope": scope, "lifetime_s": lifetime_s}
        return await self._audited(actor, "token.create", f"token/{name}", content, deed)

    async def tokens(self) -> list[TokenSpec]:
        return self._tokens.list()

    async def revoke_token(self, id: str, actor: str) -> TokenSpec:
        async def deed() -> TokenSpec:
            self._tokens.revoke(id)
            return next(token for token in self._tokens.list() if token.id == id)

        return await self._audited(actor, "token.revoke", f"token/{id}", {}, deed)

    async def audit(self, after_seq: int, limit: int) -> list[AuditRecord]:
        return self._audit.read(after_seq, limit)

    # inside

    async def _look(self) -> tuple[SiteView, list[PlanStatus]]:
        """The site now, and the plans that this look has to be read with."""
        before = self._loop.plans()
        site = await self._loop.look()
        return site, as_of_look(before, self._loop.plans())

    async def _ask(self, plan: Plan, actor: str) -> PlanStatus:
        """Take in a plan that a person asked for."""
        self._no_other_plan(plan.subject)
        self._people(plan.subject, say("app.people_asked", actor=actor, title=plan.title))
        await self._loop.accept(plan)
        try:
            return self._store.plan(plan.id)
        except NotFound:  # a misfit that was told before and has not changed
            return PlanStatus(plan=plan, state=PlanState.REFUSED)

    def _no_other_plan(self, subject: str) -> None:
        for status in self._store.plans_in(PlanState.RUNNING, PlanState.PROPOSED):
            if status.plan.subject == subject:
                raise Conflict(
                    f"plan {status.plan.id} on {subject} is {status.state.value}; wait for it or refuse it",
                    subject=subject,
                )

    def _proposed(self, id: str) -> PlanStatus:
        status = self._store.plan(id)
        if status.state is not PlanState.PROPOSED:
            raise Conflict(
                f"plan {id} is {status.state.value}; only a proposed plan can be agreed to or refused",
                subject=f"plan/{id}",
            )
        return status

    def _known_host(self, name: str) -> None:
        if name not in {host.name for host in self._ledger.hosts}:
            known = ", ".join(host.name for host in self._ledger.hosts)
            raise NotFound(f"host {name} is not in this site (its hosts: {known})", subject=f"host/{name}")

    def _checked(self, spec: SystemSpec) -> None:
        """Names of VMs and members of groups must make sense across the whole site."""
        names = [vm.name for vm in spec.vms]
        for name in names:
            if names.count(name) > 1:
                raise BadInput(
                    f"system {spec.name}: VM {name} is declared twice", subject=f"system/{spec.name}"
                )
        for group in spec.anti_affinity:
            for member in group:
                if member not in names:
                    raise BadInput(
                        f"system {spec.name}: anti_affinity names {member}, which is none of its VMs",
                        subject=f"system/{spec.name}",
                    )
        self._check_unchanged(spec)
        for other in self._ledger.systems():
            shared = {vm.name for vm in other.vms} & set(names)
            if other.name != spec.name and shared:
                raise Conflict(
                    f"VM {min(shared)} belongs to system {other.name} already", subject=f"system/{spec.name}"
                )

    def _check_unchanged(self, spec: SystemSpec) -> None:
        """Applying a file neither changes nor drops VMs that exist, so it must not look as if it did."""
        old = next((system for system in self._ledger.systems() if system.name == spec.name), None)
        if old is None:
            return
        wanted = {vm.name: vm for vm in spec.vms}
        for vm in old.vms:
            new = wanted.get(vm.name)
            if new is None:
                raise Conflict(
                    f"system {spec.name}: VM {vm.name} exists and is missing in the file; "
                    f"remove the whole system first: shuishan system remove {spec.name}",
                    subject=f"system/{spec.name}",
                )
            changed = [name for name in VmSpec.model_fields if getattr(new, name) != getattr(vm, name)]
            if changed:
                raise Conflict(
                    f"system {spec.name}: {changed[0]} of VM {vm.name} differs from the VM that exists; "
                    f"changing it is not possible yet: remove the system and apply it anew",
                    subject=f"system/{spec.name}",
                )

    def _people(self, subject: str, text: Text) -> None:
        self._chronicle.tell(Room.PEOPLE, subject, text)

    async def _audited(
        self,
        actor: str,
        action: str,
        subject: str,
        content: Mapping[str, object],
        deed: Callable[[], Awaitable[_T]],
    ) -> _T:
        try:
            result = await deed()
        except ShuishanError as cause:
            self._audit.write(actor, action, subject, content, f"{cause.code}: {cause.message}")
            raise
        except Exception as cause:
            self._audit.write(actor, action, subject, content, f"internal: {type(cause).__name__}")
            raise
        self._audit.write(actor, action, subject, content, "ok")
        return result
