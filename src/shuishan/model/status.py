"""What the API shows: spec (wanted) and status (seen) of each thing, side by side."""

from typing import Literal

from pydantic import Field

from shuishan.model.finding import Blind, Diagnosis
from shuishan.model.plan import Plan, PlanState, Receipt
from shuishan.model.proof import Pause, ProbeSummary, Proof
from shuishan.model.site import HostSpec, HostView, SystemSpec, VmState
from shuishan.model.timeline import Entry
from shuishan.model.word import Text, Word


class Condition(Word):
    """One yes/no question about a thing; `unknown` is an answer of its own."""

    type: str
    status: Literal["true", "false", "unknown"]
    reason: str  # one word
    message: Text


class HostStatus(Word):
    """conditions: answering, healthy, schedulable."""

    spec: HostSpec
    seen: HostView
    cordoned: bool
    conditions: tuple[Condition, ...]
    blind: tuple[Blind, ...]
    findings: tuple[str, ...]  # ids


class VmStatus(Word):
    name: str
    host: str | None  # None: not seen running anywhere
    state: VmState


class SystemStatus(Word):
    """generation rises with every accepted change of the spec.

    observed_generation: the newest generation the loop has carried out
    """

    spec: SystemSpec
    generation: int
    observed_generation: int
    vms: tuple[VmStatus, ...]
    conditions: tuple[Condition, ...]  # serving
    probe: ProbeSummary | None  # the last minute


class PlanStatus(Word):
    plan: Plan
    state: PlanState
    receipts: tuple[Receipt, ...] = ()
    proof: Proof | None = None
    agreed_by: str | None = None


class SiteStatus(Word):
    """The whole site on one page."""

    name: str
    version: str
    at_s: float
    turn: int
    turn_ms: float
    hosts: tuple[HostStatus, ...]
    systems: tuple[SystemStatus, ...]
    diagnosis: Diagnosis
    plans: tuple[PlanStatus, ...]


class Report(Word):
    """One story from its first sign to its proof, for a director or an auditor.

    digest: SHA-256 of the report's content without this field, hex
    """

    site: str
    version: str
    made_at_s: float
    title: Text
    verdict: Text
    hosts: tuple[HostStatus, ...]
    systems: tuple[SystemStatus, ...]
    diagnosis: Diagnosis
    plans: tuple[PlanStatus, ...]
    pauses: tuple[Pause, ...]
    probes: tuple[ProbeSummary, ...]
    timeline: tuple[Entry, ...]
    placement_before: dict[str, str] = Field(default_factory=dict)  # vm -> host
    placement_after: dict[str, str] = Field(default_factory=dict)
    digest: str = ""


class TokenSpec(Word):
    """A token as shown: never its secret. scopes: read < operate < admin."""

    id: str
    name: str
    scope: Literal["read", "operate", "admin"]
    created_at_s: float
    expires_at_s: float
    revoked: bool = False


class NewToken(Word):
    """Shown once, when a token is made."""

    token: TokenSpec
    secret: str


class AuditRecord(Word):
    """One change of state. digest chains to the record before (SHA-256 over it and this content)."""

    seq: int
    at_s: float
    actor: str
    action: str
    subject: str
    content: str  # JSON of the parameters, without secrets
    outcome: str
    digest: str
