"""Proof: what a plan really did and what it cost, from a second look at the world."""

from enum import StrEnum

from shuishan.model.word import Text, Word


class Verdict(StrEnum):
    HELD = "held"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Claim(Word):
    """One thing a plan promised, and whether it held."""

    id: str  # e.g. host_empty, vm_runs_once, system_answered
    subject: str
    verdict: Verdict
    text: Text


class Pause(Word):
    """How long a VM stood still while it moved. Milliseconds, as QEMU measured it."""

    vm: str
    source: str
    target: str
    downtime_ms: float | None
    total_ms: float | None


class ProbeSummary(Word):
    """What a client outside saw between two moments. latency in milliseconds."""

    system: str
    from_s: float
    to_s: float
    asked: int
    answered: int
    lost: int
    latency_p50_ms: float | None
    latency_max_ms: float | None


class Proof(Word):
    plan: str
    at_s: float
    verdict: Verdict
    claims: tuple[Claim, ...]
    pauses: tuple[Pause, ...]
    probes: tuple[ProbeSummary, ...]
