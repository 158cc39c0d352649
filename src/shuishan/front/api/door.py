"""The one door the API knocks at: what a house must be able to answer.

`app/house.py` is the real one; tests stand a small one of model values behind the same door.
Every method may raise any `ShuishanError`; the API shows it by its code.
"""

from typing import Literal, Protocol

from shuishan.model.finding import Diagnosis
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
from shuishan.model.timeline import Entry
from shuishan.model.word import Text, Word

Scope = Literal["read", "operate", "admin"]
SCOPE_RANK: dict[Scope, int] = {"read": 0, "operate": 1, "admin": 2}


class HouseDoor(Protocol):
    """Reads answer what is known now; deeds return at once with the plan or the new state.

    actor: name of the token that asked, for the audit log
    """

    async def site(self) -> SiteStatus: ...

    async def hosts(self) -> list[HostStatus]: ...
    async def host(self, name: str) -> HostStatus: ...
    async def cordon(self, host: str, actor: str) -> HostStatus: ...
    async def uncordon(self, host: str, actor: str) -> HostStatus: ...
    async def repaired(self, host: str, component: str | None, actor: str) -> HostStatus: ...
    async def drain(self, host: str, actor: str) -> PlanStatus: ...

    async def systems(self) -> list[SystemStatus]: ...
    async def system(self, name: str) -> SystemStatus: ...
    async def apply_system(self, spec: SystemSpec, actor: str) -> PlanStatus: ...
    async def remove_system(self, name: str, actor: str) -> PlanStatus: ...

    async def diagnosis(self) -> Diagnosis: ...

    async def plans(self, limit: int) -> list[PlanStatus]:
        """The newest `limit` plans, newest first."""
        ...

    async def plan(self, id: str) -> PlanStatus: ...
    async def agree(self, id: str, actor: str) -> PlanStatus: ...
    async def refuse(self, id: str, actor: str) -> PlanStatus: ...

    async def timeline(self, after_seq: int, limit: int) -> list[Entry]:
        """Entries with seq > after_seq, oldest first, at most `limit`."""
        ...

    async def note(self, room: Literal["lab", "people"], subject: str, text: Text, actor: str) -> Entry:
        """Put a person's remark on the timeline."""
        ...

    async def report(self, plan: str | None) -> Report:
        """The story of `plan`, or of the newest plan."""
        ...

    async def audit(self, after_seq: int, limit: int) -> list[AuditRecord]:
        """Records with seq > after_seq, oldest first, at most `limit`."""
        ...

    async def check_token(self, secret: str, scope: Scope) -> TokenSpec:
        """The token behind `secret`. Raises NotAllowed if unknown, expired, revoked or too narrow."""
        ...

    async def create_token(self, name: str, scope: Scope, lifetime_s: float, actor: str) -> NewToken: ...
    async def tokens(self) -> list[TokenSpec]: ...
    async def revoke_token(self, id: str, actor: str) -> TokenSpec: ...

    async def health(self) -> Word:
        """Open to everyone, so it says no more than that the house stands."""
        ...
