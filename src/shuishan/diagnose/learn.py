"""What the examples teach: how telling each word is, and which phrases give a line away.

Nothing here knows any issue. Every example becomes a prototype (its words in order). A word weighs more
the fewer issues, harmless patterns and ordinary lines use it. A line belongs to the prototype it covers
best, and is nobody's when it covers none well enough.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import log, sqrt

from shuishan.catalog.loader import Knowledge
from shuishan.diagnose.scanner import Scanner
from shuishan.diagnose.words import STOP_WORDS, phrases, said, strip_prefix

COVER_LEAST = 0.72  # share of an example's weight a line must say again to belong to it
SHORT_LEAST = 0.45  # the same for a line cut short, all of which is in the example …
SHORT_WEIGHT_LEAST = 11.0  # … and which says at least this much
SHORT_TRUST = 0.85
UNKNOWN_WEIGHT = 5.0  # of a word no example uses
LOOK_ALIKE = 0.5  # two prototypes that share this much of their weight can be taken for each other
PHRASES_PER_EXAMPLE = 4
_CODE_LITERALS = ("xid (", "machine check", "emask 0x", "sct 0x", "ora-0")


class Kind(Enum):
    """What a prototype stands for."""

    ISSUE = "issue"
    HARMLESS = "harmless"
    COUNTER = "counter"  # looks like the issue and is not it
    OVER = "over"  # says that the issue has ended
    ORDINARY = "ordinary"  # a healthy machine says so every day


@dataclass(frozen=True, slots=True)
class Prototype:
    """One example. weight: sum of its words' weights; least: what a line must have of `known` at all.

    contrasts: for each look-alike of another meaning, the words only this one has; a line must say one of
    each, or it may as well be the look-alike
    """

    kind: Kind
    id: str
    text: str
    words: tuple[str, ...]
    known: frozenset[str]
    weight: float = 0.0
    least: float = 0.0
    contrasts: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """The prototype a line belongs to. score: share of the prototype's weight the line says, 0..1."""

    prototype: int
    kind: Kind
    id: str
    score: float


@dataclass(slots=True)
class Lessons:
    """Prototypes, weights of words, and the scanner for lines worth a look."""

    prototypes: tuple[Prototype, ...]
    weights: dict[str, float]
    index: dict[str, tuple[int, ...]]
    literals: tuple[str, ...]
    scanner: Scanner

    def match(self, message: str, *, without: int | None = None, record: bool = False) -> Match | None:
        """The prototype `message` belongs to, or None. without: a prototype held out, for honest tests.

        record: `message` is several lines, so much in it may be beside the point.
        """
        spoken = said(message)
        there = frozenset(spoken)
        candidates: set[int] = set()
        for word in there:
            candidates.update(self.index.get(word, ()))
        candidates.discard(-1 if without is None else without)
        best: Match | None = None
        best_rank = 0.0
        for number in sorted(candidates):
            prototype = self.prototypes[number]
            if self._weight(prototype.known & there) < prototype.least:
                continue
            if not all(contrast & there for contrast in prototype.contrasts):
                continue
            covered = self._covered(prototype, spoken, record=record)
            score = min(1.0, covered / prototype.weight)
            if score < COVER_LEAST:
                score = self._cut_short(score, covered, spoken)
            if score < COVER_LEAST:
                continue
            rank = score * score * sqrt(covered) + _precedence(prototype.kind)
            if rank > best_rank:
                best, best_rank = Match(number, prototype.kind, prototype.id, score), rank
        return best

    def _weight(self, words: Iterable[str]) -> float:
        weights = self.weights
        return sum([weights[word] for word in words])

    def _cut_short(self, score: float, covered: float, spoken: Sequence[str]) -> float:
        """Score of a line that says less than the example, but little else than the example."""
        if score < SHORT_LEAST or covered < SHORT_WEIGHT_LEAST:
            return 0.0
        whole = sum([self.weights.get(word, UNKNOWN_WEIGHT) for word in spoken])
        return SHORT_TRUST * covered / whole

    def _covered(self, prototype: Prototype, line: Sequence[str], *, record: bool) -> float:
        """Weight of the longest common subsequence; less when its words lie far apart in the line."""
        positions = [(i, word) for i, word in enumerate(line) if word in prototype.known]
        if not positions:
            return 0.0
        before = [0.0] * (len(positions) + 1)
        for word in prototype.words:
            weight = self.weights.get(word, 0.0)
            row = [0.0]
            for j, (_, other) in enumerate(positions):
                row.append(before[j] + weight if word == other else max(before[j + 1], row[j]))
            before = row
        covered = before[-1]
        span = positions[-1][0] - positions[0][0] + 1
        if not record and span > 3 * len(prototype.words) + 8:
            covered *= 0.8
        return covered


def _precedence(kind: Kind) -> float:
    """Equal matches: an issue's own example speaks first; what is said every day needs no dismissal."""
    return {Kind.ISSUE: 4e-4, Kind.OVER: 3e-4, Kind.ORDINARY: 2e-4, Kind.HARMLESS: 1e-4, Kind.COUNTER: 0.0}[
        kind
    ]


def learn(knowledge: Knowledge) -> Lessons:
    """Lessons from all examples of the catalogue; the scanner included. About a second for 500 examples."""
    raw = [_prototype(Kind.ISSUE, issue.id, text) for issue in knowledge.issues for text in issue.examples]
    raw += [_prototype(Kind.HARMLESS, h.id, text) for h in knowledge.harmless for text in h.examples]
    raw += [_prototype(Kind.OVER, issue.id, text) for issue in knowledge.issues for text in issue.over]
    raw += [
        _prototype(Kind.COUNTER, issue.id, text)
        for issue in knowledge.issues
        for text in issue.counter_examples
    ]
    raw += [_prototype(Kind.ORDINARY, str(i), text) for i, text in enumerate(knowledge.ordinary)]
    raw = [prototype for prototype in raw if prototype.words]
    weights = _weights(raw)
    prototypes = tuple(_weighed(p, weights) for p in raw)
    index: dict[str, list[int]] = defaultdict(list)
    for number, prototype in enumerate(prototypes):
        telling = sorted(prototype.known, key=lambda w: (-weights[w], w))
        for word in telling[:6]:
            index[word].append(number)
    prototypes = tuple(_contrasted(p, prototypes, index, weights) for p in prototypes)
    literals = _literals(prototypes, weights)
    literals += [marker for kind in knowledge.records.values() for marker in kind.markers]
    return Lessons(
        prototypes,
        weights,
        {word: tuple(numbers) for word, numbers in index.items()},
        tuple(literals),
        Scanner(literals),
    )


def _prototype(kind: Kind, issue_id: str, text: str) -> Prototype:
    message = "\n".join(strip_prefix(line) for line in text.strip().splitlines())
    words = said(message)
    return Prototype(kind, issue_id, message, words, frozenset(words))


def _weighed(p: Prototype, weights: dict[str, float]) -> Prototype:
    weight = sum(weights[word] for word in p.words)
    least = SHORT_LEAST * sum(weights[word] for word in p.known)
    return Prototype(p.kind, p.id, p.text, p.words, p.known, weight, least)


def _contrasted(
    p: Prototype, others: Sequence[Prototype], index: dict[str, list[int]], weights: dict[str, float]
) -> Prototype:
    near: set[int] = set()
    for word in p.known:
        near.update(index.get(word, ()))
    whole = sum(weights[word] for word in p.known)
    contrasts: set[frozenset[str]] = set()
    for number in near:
        other = others[number]
        if (other.kind, other.id) == (p.kind, p.id) or (p.kind is other.kind is Kind.ORDINARY):
            continue
        if sum([weights[word] for word in p.known & other.known]) < LOOK_ALIKE * whole:
            continue
        own = frozenset(w for w in p.known - other.known if weights[w] >= 1.0)
        if own:
            contrasts.add(own)
    # A set that holds a smaller one is met whenever the smaller one is.
    least = [c for c in contrasts if not any(other < c for other in contrasts)]
    return replace(p, contrasts=tuple(sorted(least, key=sorted)))


def _weights(prototypes: Sequence[Prototype]) -> dict[str, float]:
    """How telling each word is: log of how many kinds of event there are over how many use it."""
    users: dict[str, set[tuple[Kind, str]]] = defaultdict(set)
    events: set[tuple[Kind, str]] = set()
    for prototype in prototypes:
        event = (prototype.kind if prototype.kind is Kind.ORDINARY else Kind.ISSUE, prototype.id)
        events.add(event)
        for word in prototype.known:
            users[word].add(event)
    weights: dict[str, float] = {}
    for word, by in users.items():
        weight = log((len(events) + 1) / len(by))
        if word.startswith("@"):
            weight = 0.3  # which driver speaks matters little: the same event comes from many
        elif word in STOP_WORDS:
            weight = 0.15
        elif ":" in word:
            weight *= 1.6
        weights[word] = weight
    return weights


def _literals(prototypes: Sequence[Prototype], weights: dict[str, float]) -> list[str]:
    """Texts for the fast scan: per example its most telling runs of words, those of its own first."""
    runs = [phrases(p.text) if p.kind in (Kind.ISSUE, Kind.HARMLESS, Kind.OVER) else [] for p in prototypes]
    everyday = "\n".join(p.text.lower() for p in prototypes if p.kind is Kind.ORDINARY)
    users: dict[str, set[str]] = defaultdict(set)
    for prototype, found in zip(prototypes, runs, strict=True):
        for raw, _ in found:
            users[raw].add(prototype.id)
    chosen: dict[str, None] = {}
    for found in runs:
        ranked = sorted(
            dict(found).items(),
            key=lambda run: (
                len(users[run[0]]) > 1,
                -sum(weights.get(word, 0.3) for word in run[1]) / sqrt(len(run[1]) + 1),
                run[0],
            ),
        )
        fresh = [raw for raw, _ in ranked if raw not in everyday] or [raw for raw, _ in ranked[:1]]
        for raw in fresh[:PHRASES_PER_EXAMPLE]:
            chosen.setdefault(raw)
    return [*_CODE_LITERALS, *chosen]
