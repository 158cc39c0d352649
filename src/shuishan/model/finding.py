"""Findings: which issue, on which component, how sure, how soon, on what evidence."""

from enum import StrEnum

from pydantic import Field

from shuishan.model.signal import Source
from shuishan.model.word import Text, Word


class Severity(StrEnum):
    """What happens if nobody does anything."""

    INFO = "info"
    WARNING = "warning"  # redundancy or performance is lost
    CRITICAL = "critical"  # a component fails or has failed


class Evidence(Word):
    """One thing that was seen. count: how often (equal lines are folded)."""

    source: Source
    at_s: float
    text: str
    origin: str = ""
    count: int = 1


class Finding(Word):
    """One issue on one component of one host.

    id:          the same for the same issue on the same component, turn after turn
    component:   within the host, e.g. ``nvme0``; "" when the host as a whole is meant
    probability: calibrated belief that the issue is present, 0..1
    horizon_s:   seconds until it matters, from `at_s`; None: now, or not known
    predicted:   True when it speaks of damage that has not happened yet
    against:     what was seen that speaks against it
    evacuate:    the catalogue's default answer to "should VMs leave the host?"
    """

    id: str
    issue: str
    category: str
    title: Text
    host: str
    component: str
    severity: Severity
    probability: float = Field(ge=0, le=1)
    horizon_s: float | None
    predicted: bool
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...] = ()
    advice: Text
    at_s: float
    evacuate: bool


class Dismissed(Word):
    """Something that looks frightening and was left alone, with the reason."""

    host: str
    component: str
    issue: str  # id of the harmless pattern, or of the issue whose threshold was not reached
    reason: Text
    evidence: tuple[Evidence, ...]
    at_s: float


class Blind(Word):
    """A sense that gives no answer on a host."""

    host: str
    source: Source
    since_s: float
    reason: str


class Diagnosis(Word):
    """All that diagnose says about one window of signals."""

    at_s: float
    findings: tuple[Finding, ...]
    dismissed: tuple[Dismissed, ...] = ()
    blind: tuple[Blind, ...] = ()
