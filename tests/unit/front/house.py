"""A small house of model values behind the real door: what the API and the CLI are tested against."""

from typing import Literal

from tests.unit.front import factory

from shuishan.front.api.door import SCOPE_RANK, Scope
from shuishan.model.errors import Conflict, NotAllowed, NotFound, ShuishanError
from shuishan.model.finding import Diagnosis
from shuishan.model.plan import PlanState
from shuishan.model.site import SystemSpec
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

SECRETS: dict[str, Scope] = {"read-secret": "read", "operate-secret": "operate", "admin-secret": "admin"}


class Healthy(Word):
    status: str = "ok"
    turn: int = 42


class ValueHouse:
    """Keeps hosts, systems and plans in dictionaries; `calls` lists every deed as it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.host_by_name = {host.spec.name: host for host in factory.hosts()}
        self.system_by_name = {"his": factory.system_status()}
        self.plan_by_id = {
            status.plan.id: status
            for status in (factory.proposed(), factory.plan_status(), factory.misfit_plan())
        }
        self.entries = list(factory.timeline())
        self.token_by_id = {
            scope: TokenSpec(
                id=scope,
                name=f"{scope}-token",
                scope=scope,
                created_at_s=factory.T0,
                expires_at_s=factory.T0 + 86400,
            )
            for scope in SCOPE_RANK
        }
        self.records: list[AuditRecord] = []
        self.breaks: Exception | None = None

    async def site(self) -> SiteStatus:
        if self.breaks is not None:
            raise self.breaks
        return factory.site()

    async def hosts(self) -> list[HostStatus]:
        return list(self.host_by_name.values())

    async def host(self, name: str) -> HostStatus:
        if name not in self.host_by_name:
            raise NotFound(
                f"there is no host {name}; the site has {', '.join(self.host_by_name)}",
                subject=f"host/{name}",
                detail="secret inside",
            )
        return self.host_by_name[name]

    async def cordon(self, host: str, actor: str) -> HostStatus:
        return await self._set_cordon(host, True, actor)

    async def uncordon(self, host: str, actor: str) -> HostStatus:
        return await self._set_cordon(host, False, actor)

    async def _set_cordon(self, host: str, cordoned: bool, actor: str) -> HostStatus:
        status = await self.host(host)
        self.calls.append(("cordon" if cordoned else "uncordon", host, actor))
        self.host_by_name[host] = status.model_copy(update={"cordoned": cordoned})
        return self.host_by_name[host]

    async def repaired(self, host: str, component: str | None, actor: str) -> HostStatus:
        status = await self.host(host)
        self.calls.append(("repaired", host, component or "", actor))
        return status

    async def drain(self, host: str, actor: str) -> PlanStatus:
        await self.host(host)
        self.calls.append(("drain", host, actor))
        if host == "h1":
            return self.plan_by_id["dd44ee55ff"]
        return self.plan_by_id["aa11bb22cc"]

    async def systems(self) -> list[SystemStatus]:
        return list(self.system_by_name.values())

    async def system(self, name: str) -> SystemStatus:
        if name not in self.system_by_name:
            raise NotFound(f"there is no system {name}", subject=f"system/{name}")
        return self.system_by_name[name]

    async def apply_system(self, spec: SystemSpec, actor: str) -> PlanStatus:
        self.calls.append(("apply_system", spec.name, actor))
        return self.plan_by_id["7f3c1a90be"]

    async def remove_system(self, name: str, actor: str) -> PlanStatus:
        await self.system(name)
        self.calls.append(("remove_system", name, actor))
        return self.plan_by_id["aa11bb22cc"]

    async def diagnosis(self) -> Diagnosis:
        return factory.diagnosis()

    async def plans(self, limit: int) -> list[PlanStatus]:
        return list(self.plan_by_id.values())[:limit]

    async def plan(self, id: str) -> PlanStatus:
        if id not in self.plan_by_id:
            raise NotFound(f"there is no plan {id}", subject=f"plan/{id}")
        return self.plan_by_id[id]

    async def agree(self, id: str, actor: str) -> PlanStatus:
        return await self._answer(id, PlanState.DONE, actor)

    async def refuse(self, id: str, actor: str) -> PlanStatus:
        return await self._answer(id, PlanState.REFUSED, actor)

    async def _answer(self, id: str, state: PlanState, actor: str) -> PlanStatus:
        status = await self.plan(id)
        if status.state is not PlanState.PROPOSED:
            raise Conflict(f"plan {id} is {status.state.value}, not proposed", subject=f"plan/{id}")
        self.calls.append((state.value, id, actor))
        self.plan_by_id[id] = status.model_copy(update={"state": state, "agreed_by": actor})
        return self.plan_by_id[id]

    async def timeline(self, after_seq: int, limit: int) -> list[Entry]:
        return [entry for entry in self.entries if entry.seq > after_seq][:limit]

    async def note(self, room: Literal["lab", "people"], subject: str, text: Text, actor: str) -> Entry:
        entry = Entry(
            seq=len(self.entries) + 1,
            at_s=0.0,
            room=Room(room),
            subject=subject,
            text=text,
            refs={"actor": actor},
        )
        self.entries.append(entry)
        return entry

    async def report(self, plan: str | None) -> Report:
        if plan is not None:
            await self.plan(plan)
        return factory.report()

    async def audit(self, after_seq: int, limit: int) -> list[AuditRecord]:
        return [record for record in self.records if record.seq > after_seq][:limit]

    async def check_token(self, secret: str, scope: Scope) -> TokenSpec:
        found = SECRETS.get(secret)
        if found is None or SCOPE_RANK[found] < SCOPE_RANK[scope]:
            raise NotAllowed("this token is not known here", subject="token")
        return self.token_by_id[found]

    async def create_token(self, name: str, scope: Scope, lifetime_s: float, actor: str) -> NewToken:
        self.calls.append(("create_token", name, scope, actor))
        spec = TokenSpec(
            id="t9", name=name, scope=scope, created_at_s=factory.T0, expires_at_s=factory.T0 + lifetime_s
        )
        return NewToken(token=spec, secret="shs_example")

    async def tokens(self) -> list[TokenSpec]:
        return list(self.token_by_id.values())

    async def revoke_token(self, id: str, actor: str) -> TokenSpec:
        if id not in SCOPE_RANK:
            raise NotFound(f"there is no token {id}", subject=f"token/{id}")
        self.calls.append(("revoke_token", id, actor))
        return self.token_by_id[id].model_copy(update={"revoked": True})

    async def health(self) -> Healthy:
        return Healthy()


class StrangeError(ShuishanError):
    """An error of a later version, unknown to an older client."""

    code = "strange.later"
    http_status = 418
