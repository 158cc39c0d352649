"""Policies: what may be done about a finding, and whose yes it needs. Plain data, checked on loading.

A policy is one YAML file. Its rules are read from top to bottom and the first that matches a finding
answers for it, so the narrow rules stand above the broad ones.
"""

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from shuishan.model.errors import BadInput, NotFound
from shuishan.model.finding import Finding, Severity
from shuishan.model.plan import Consent
from shuishan.model.signal import Source
from shuishan.model.site import CareTier
from shuishan.model.word import Text, Word

_FOLDER = Path(__file__).parent / "policies"


class When(Word):
    """What a rule asks of a finding; a question left out matches everything.

    issue, component, category: shell patterns, any of which may match
    care_tier:       the tier nearest to a patient among the systems that run on the host
    horizon_above_s: it matters later than this many seconds from now (false when the horizon is unknown)
    """

    issue: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    component: tuple[str, ...] = ()
    severity: tuple[Severity, ...] = ()
    predicted: bool | None = None
    evacuate: bool | None = None
    care_tier: tuple[CareTier, ...] = ()
    horizon_above_s: float | None = None

    def matches(self, finding: Finding, care_tier: CareTier | None) -> bool:
        horizon_s = finding.horizon_s
        return (
            _any_like(self.issue, finding.issue)
            and _any_like(self.category, finding.category)
            and _any_like(self.component, finding.component)
            and (not self.severity or finding.severity in self.severity)
            and (self.predicted is None or self.predicted == finding.predicted)
            and (self.evacuate is None or self.evacuate == finding.evacuate)
            and (not self.care_tier or care_tier in self.care_tier)
            and (self.horizon_above_s is None or (horizon_s is not None and horizon_s > self.horizon_above_s))
        )


class Rule(Word):
    """then: what to do about a matching finding.

    ``evacuate``: cordon the host and move its VMs, ``order``: ask a person only, ``hold``: nothing
    min_probability: below it the finding is held, whatever `then` says
    order:           an evacuation also asks a person to repair or order a part
    why:             shown to people beside what was decided
    """

    id: str
    when: When = When()
    then: Literal["evacuate", "order", "hold"]
    min_probability: float = Field(ge=0, le=1, default=0.0)
    consent: Consent = Consent.AUTOMATIC
    order: bool = True
    why: Text


class Part(Word):
    """What a person has to see to when a component of this kind is named. First match wins."""

    category: tuple[str, ...] = ()
    component: tuple[str, ...] = ()
    order: Text


class PlacementRules(Word):
    """How hosts may be filled, and what makes one allowed placement better than another.

    cpu_overcommit:         virtual CPUs per real one
    memory_reserve_percent: of each host, kept for the host itself; memory is never overcommitted
    distrust_probability:   a critical finding this likely makes its host no target
    essential_senses:       a host on which one of these gives no answer is no target
    full_percent:           memory use above which a host counts as too full
    weights:                relative prices; see docs/notes/0004-placement-and-policy.md
    effort:                 CP-SAT's deterministic seconds: the same on every machine, so that equal
                            questions get equal answers
    deadline_s:             wall-clock bound on one search, for a machine that is far too slow
    """

    cpu_overcommit: float = Field(gt=0, le=64, default=4.0)
    memory_reserve_percent: float = Field(ge=0, lt=100, default=0.0)
    distrust_probability: float = Field(ge=0, le=1, default=0.3)
    essential_senses: tuple[Source, ...] = (Source.KERNEL_LOG, Source.LIBVIRT)
    full_percent: float = Field(gt=0, le=100, default=85.0)
    weight_move: int = Field(ge=0, le=10_000, default=5000)
    weight_doubt: int = Field(ge=0, le=10_000, default=400)
    weight_rack: int = Field(ge=0, le=10_000, default=50)
    weight_balance: int = Field(ge=0, le=10_000, default=10)
    weight_full: int = Field(ge=0, le=10_000, default=40)
    effort: float = Field(gt=0, le=60, default=0.1)
    deadline_s: float = Field(gt=0, le=60, default=1.5)


class Policy(Word):
    """moves_at_once:     VMs of one host that move at the same time
    retry_after_s:     pause after a plan was undone; doubles with each further one, up to retry_at_most_s
    avoid_failed_s:    a host that failed as a target is avoided this long where another one fits
    """

    id: str
    title: Text
    moves_at_once: int = Field(ge=1, le=16, default=1)
    retry_after_s: float = Field(ge=0, default=5.0)
    retry_at_most_s: float = Field(ge=0, default=600.0)
    avoid_failed_s: float = Field(ge=0, default=900.0)
    placement: PlacementRules = PlacementRules()
    rules: tuple[Rule, ...] = Field(min_length=1)
    parts: tuple[Part, ...] = ()

    @model_validator(mode="after")
    def _checked(self) -> Self:
        ids = [rule.id for rule in self.rules]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"rule {twice[0]} is defined twice; give each rule its own id")
        last = self.rules[-1]
        if last.when != When():
            raise ValueError(
                f"the last rule, {last.id}, has a `when`; end with one that matches every finding, "
                "so that no finding goes unanswered"
            )
        return self

    def rule_for(self, finding: Finding, care_tier: CareTier | None) -> Rule:
        """The first rule that matches; the last one always does."""
        return next(rule for rule in self.rules if rule.when.matches(finding, care_tier))

    def order_for(self, finding: Finding) -> Text | None:
        """What a person should do about the named component, or None when no part matches."""
        for part in self.parts:
            if _any_like(part.category, finding.category) and _any_like(part.component, finding.component):
                return part.order
        return None


def load_policy(path: Path) -> Policy:
    """The policy in a YAML file. Raises NotFound, or BadInput that names the field and the way out."""
    try:
        raw = path.read_text("utf-8")
    except FileNotFoundError as cause:
        raise NotFound(f"no policy file {path}", subject=f"policy/{path.stem}") from cause
    except UnicodeDecodeError as cause:
        raise BadInput(f"{path} is not UTF-8 text", subject=f"policy/{path.stem}") from cause
    return parse_policy(raw, name=path.name)


def parse_policy(raw: str, *, name: str) -> Policy:
    """The policy written in `raw`; `name` is only for messages. Raises BadInput."""
    subject = f"policy/{Path(name).stem}"
    try:
        return Policy.model_validate(yaml.safe_load(raw))
    except yaml.YAMLError as cause:
        raise BadInput(f"{name} is not YAML: {cause}", subject=subject) from cause
    except ValidationError as cause:
        first = cause.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {cause.error_count() - 1} more)" if cause.error_count() > 1 else ""
        raise BadInput(f"{name}: {where}: {first['msg']}{more}", subject=subject) from cause


@cache
def default_policy() -> Policy:
    """The policy a site starts with."""
    return load_policy(_FOLDER / "default.yaml")


def _any_like(patterns: tuple[str, ...], value: str) -> bool:
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns)
