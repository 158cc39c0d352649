"""What is known about issues, read from the files beside this one and checked.

An issue is taught by example lines, example readings and facts (limits, counts, windows): no code.
Harmless patterns are taught the same way and carry the reason why they are harmless.
"""

from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from shuishan.catalog.facts import fact
from shuishan.model.errors import BadInput
from shuishan.model.finding import Severity
from shuishan.model.word import Text, Word

_FOLDER = Path(__file__).parent


class Condition(Word):
    """One comparison of a reading. Exactly one comparison is set; `*_fact` compares with another
    reading of the same component.

    value_text matches when the reading's text contains it, whatever the case.
    """

    fact: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    equals: float | None = None
    has_bit: int | None = None
    at_most_fact: str | None = None
    below_fact: str | None = None
    contains: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _one_comparison_of_known_facts(self) -> "Condition":
        given = [name for name, value in self if name != "fact" and value is not None]
        if len(given) != 1:
            raise ValueError(f"{self.fact}: needs exactly one comparison, has {given}")
        fact(self.fact)
        for other in (self.at_most_fact, self.below_fact):
            if other is not None:
                fact(other)
        return self


class Rise(Word):
    """A counter that grew by at least `by` within `within_s` seconds."""

    fact: str
    by: float
    within_s: float


class Limit(Word):
    """Readings that speak for the issue when all conditions hold and none of `unless` does.

    probability: belief in the issue when only this limit is broken
    """

    when: tuple[Condition, ...] = ()
    rises: Rise | None = None
    unless: tuple[Condition, ...] = ()
    probability: float = Field(gt=0, lt=1)


class Forecast(Word):
    """A series of readings whose robust slope reaches `towards` within `within_s` seconds."""

    fact: str
    towards: float | None = None
    towards_fact: str | None = None
    within_s: float
    probability: float = Field(gt=0, lt=1, default=0.85)


class Needs(Word):
    """How much must come together: fewer than `count` within `within_s` is `otherwise`.

    otherwise: id of the milder issue that the same lines then mean; None: nothing, it is left alone
    """

    count: int = Field(ge=2)
    within_s: float = Field(gt=0)
    otherwise: str | None = None


class Against(Word):
    """Readings on the same component that speak against the issue.

    factor: the odds are multiplied by it, 0 < factor < 1
    """

    when: tuple[Condition, ...] = Field(min_length=1)
    factor: float = Field(gt=0, lt=1)


class Issue(Word):
    """One thing that can be wrong, and all that is known about how it shows.

    component:      kind of component it sits on; how to find its name is declared in components.yaml
    decisive:       belief in the issue after one line that is exactly one of the examples
    over:           lines that say it has ended on that component, e.g. a BMC's deassertion
    predicts:       it speaks of damage that is still to come, `horizon_s` after the first sign
    consequence_of: issues (or ``category.*``) that explain it when present on the same host
    evacuate:       default answer to "should VMs leave the host?"
    """

    id: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")
    title: Text
    category: str
    component: str
    severity: Severity
    decisive: float = Field(gt=0, lt=1, default=0.93)
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    readings: tuple[dict[str, float | str], ...] = ()
    counter_readings: tuple[dict[str, float | str], ...] = ()
    limits: tuple[Limit, ...] = ()
    forecast: Forecast | None = None
    needs: Needs | None = None
    against: tuple[Against, ...] = ()
    predicts: bool = False
    predicted_by: str = ""
    horizon_s: float | None = None
    consequence_of: tuple[str, ...] = ()
    evacuate: bool = False
    advice: Text
    sources: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _taught_enough(self) -> "Issue":
        taught = len(self.examples) + len(self.readings)
        if taught < 1:
            raise ValueError(f"{self.id}: has no example")
        if self.predicts and self.horizon_s is None and self.forecast is None:
            raise ValueError(f"{self.id}: predicts, but names no horizon")
        return self


class Harmless(Word):
    """Something that frightens and means nothing, and why."""

    id: str = Field(pattern=r"^harmless\.[a-z0-9_]+$")
    reason: Text
    component: str = "host"
    examples: tuple[str, ...] = Field(min_length=1)


class RecordKind(Word):
    """Lines that belong together. member: regex of a line; starts: regex of its first line.

    key: group of `member` that must stay the same, or "" when any member goes on
    markers: texts of which every member holds one, for the fast scan
    """

    member: str
    starts: str
    key: bool = False
    markers: tuple[str, ...] = Field(min_length=1)


class Knowledge(Word):
    """All that the engine is taught with. ordinary: lines of healthy machines, about which it is silent."""

    issues: tuple[Issue, ...]
    harmless: tuple[Harmless, ...]
    ordinary: tuple[str, ...]
    components: dict[str, tuple[str, ...]]
    records: dict[str, RecordKind]
    calibration: tuple[tuple[float, float], ...]

    def issue(self, issue_id: str) -> Issue:
        """Raises KeyError when there is no such issue."""
        for known in self.issues:
            if known.id == issue_id:
                return known
        raise KeyError(issue_id)


@cache
def knowledge() -> Knowledge:
    """The catalogue that came with this release. Raises BadInput, naming the file, when it is broken."""
    return load(_FOLDER / "issues")


def load(folder: Path) -> Knowledge:
    """All issues below `folder`. Raises BadInput when a file breaks the rules, naming file and rule."""
    issues: list[Issue] = []
    harmless: list[Harmless] = []
    for path in sorted(folder.rglob("*.yaml")):
        entries = _read(path)
        if not isinstance(entries, list):
            raise BadInput(f"{path.name}: must be a list of entries", subject=f"catalogue/{path.name}")
        try:
            for entry in cast(list[Any], entries):
                if path.parent.name == "harmless":
                    harmless.append(Harmless.model_validate(entry))
                else:
                    issues.append(Issue.model_validate(entry))
        except ValidationError as cause:
            raise BadInput(f"{path.name}: {cause}", subject=f"catalogue/{path.name}") from cause
    components = TypeAdapter(dict[str, tuple[str, ...]]).validate_python(_read(_FOLDER / "components.yaml"))
    _check(issues, harmless, components)
    return Knowledge(
        issues=tuple(issues),
        harmless=tuple(harmless),
        ordinary=_lines(_FOLDER / "ordinary.txt"),
        components=components,
        records=TypeAdapter(dict[str, RecordKind]).validate_python(_read(_FOLDER / "records.yaml")),
        calibration=TypeAdapter(tuple[tuple[float, float], ...]).validate_python(
            _read(_FOLDER / "calibration.yaml")
        ),
    )


def _read(path: Path) -> object:
    try:
        return yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as cause:
        raise BadInput(f"{path.name}: not YAML: {cause}", subject=f"catalogue/{path.name}") from cause


def _lines(path: Path) -> tuple[str, ...]:
    text = path.read_text("utf-8").splitlines()
    return tuple(line for line in text if line.strip() and not line.startswith("#"))


def _check(issues: list[Issue], harmless: list[Harmless], components: dict[str, tuple[str, ...]]) -> None:
    """Names are unique and point at something."""
    seen: set[str] = set()
    for entry in [*issues, *harmless]:
        if entry.id in seen:
            raise BadInput(f"{entry.id} is defined twice", subject=f"issue/{entry.id}")
        seen.add(entry.id)
        if entry.component not in components:
            raise BadInput(
                f"{entry.id}: component kind {entry.component} is not in components.yaml",
                subject=f"issue/{entry.id}",
            )
    categories = {issue.category for issue in issues}
    for issue in issues:
        named = [*issue.consequence_of, *([issue.needs.otherwise] if issue.needs else [])]
        for other in named:
            known = other is None or other in seen or other.removesuffix(".*") in categories
            if not known:
                raise BadInput(f"{issue.id}: names unknown {other}", subject=f"issue/{issue.id}")
