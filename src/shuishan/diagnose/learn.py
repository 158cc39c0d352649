"""What the examples teach: how telling each word is, and which phrases give a line away.

Nothing here knows any issue. Every example becomes a prototype (its words in order). A word weighs more
the fewer issues, harmless patterns and ordinary lines use it. A line belongs to the prototype it covers
best, and is nobody's when it covers none well enough.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import log, sqrt

from shuishan.catalog.loader import Knowledge
from shuishan.diagnose.scanner import Scanner
from shuishan.diagnose.words import STOP_WORDS, said, strip_prefix

COVER_LEAST = 0.72  # share of an example's weight a line must say again to belong to it
PHRASES_PER_EXAMPLE = 4
_CODE_PATTERNS = (r"xid \(", r"machine check", r"emask 0x", r"sct 0x", r"ora-[0-9]{4}")


class Kind(Enum):
    """What a prototype stands for."""

    ISSUE = "issue"
    HARMLESS = "harmless"
    COUNTER = "counter"  # looks like the issue and is not it
    ORDINARY = "ordinary"  # a healthy machine says so every day


@dataclass(frozen=True, slots=True)
class Prototype:
    """One example. weight: sum of its words' weights."""

    kind: Kind
    id: str
    text: str
    words: tuple[str, ...]
    joined: tuple[bool, ...]
    known: frozenset[str]
    weight: float = 0.0


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
    patterns: tuple[str, ...]
    scanner: Scanner

    def match(self, message: str, *, without: int | None = None, record: bool = False) -> Match | None:
        """The prototype `message` belongs to, or None. without: a prototype held out, for honest tests.

        record: `message` is several lines, so much in it may be beside the point.
        """
        spoken = said(message)
        there = frozenset(spoken.words)
        candidates: set[int] = set()
        for word in there:
            candidates.update(self.index.get(word, ()))
        candidates.discard(-1 if without is None else without)
        best: Match | None = None
        best_rank = 0.0
        for number in sorted(candidates):
            prototype = self.prototypes[number]
            most = self._weight(prototype.known & there)
            if most < COVER_LEAST * self._weight(prototype.known):
                continue
            covered = self._covered(prototype, spoken.words, record=record)
            score = min(1.0, covered / prototype.weight)
            if score < COVER_LEAST:
                continue
            rank = score * score * sqrt(covered) + _precedence(prototype.kind)
            if rank > best_rank:
                best, best_rank = Match(number, prototype.kind, prototype.id, score), rank
        return best

    def _weight(self, words: Iterable[str]) -> float:
        return sum(self.weights.get(word, 0.0) for word in words)

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
    """Equal matches: an issue's own example speaks before a harmless one, that before a counter-example."""
    return {Kind.ISSUE: 3e-4, Kind.HARMLESS: 2e-4, Kind.COUNTER: 1e-4, Kind.ORDINARY: 0.0}[kind]


def learn(knowledge: Knowledge) -> Lessons:
    """Lessons from all examples of the catalogue; the scanner included. About a second for 500 examples."""
    raw = [_prototype(Kind.ISSUE, issue.id, text) for issue in knowledge.issues for text in issue.examples]
    raw += [_prototype(Kind.HARMLESS, h.id, text) for h in knowledge.harmless for text in h.examples]
    raw += [
        _prototype(Kind.COUNTER, issue.id, text)
        for issue in knowledge.issues
        for text in issue.counter_examples
    ]
    raw += [_prototype(Kind.ORDINARY, str(i), text) for i, text in enumerate(knowledge.ordinary)]
    raw = [prototype for prototype in raw if prototype.words]
    weights = _weights(raw)
    prototypes = tuple(
        Prototype(p.kind, p.id, p.text, p.words, p.joined, p.known, sum(weights[w] for w in p.words))
        for p in raw
    )
    index: dict[str, list[int]] = defaultdict(list)
    for number, prototype in enumerate(prototypes):
        telling = sorted(prototype.known, key=lambda w: (-weights[w], w))
        for word in telling[:4]:
            index[word].append(number)
    patterns = _patterns(prototypes, weights) + [kind.marker for kind in knowledge.records.values()]
    return Lessons(
        prototypes,
        weights,
        {word: tuple(numbers) for word, numbers in index.items()},
        tuple(patterns),
        Scanner(patterns),
    )


def _prototype(kind: Kind, issue_id: str, text: str) -> Prototype:
    message = "\n".join(strip_prefix(line) for line in text.strip().splitlines())
    spoken = said(message)
    return Prototype(kind, issue_id, message, spoken.words, spoken.joined, frozenset(spoken.words))


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


def _patterns(prototypes: Sequence[Prototype], weights: dict[str, float]) -> list[str]:
    """Regexes for the fast scan: per example its most telling runs of words, own ones first."""
    grams: list[list[tuple[str, ...]]] = [_grams(p) for p in prototypes]
    users: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for prototype, found in zip(prototypes, grams, strict=True):
        for gram in found:
            users[gram].add(f"{prototype.kind.value}/{prototype.id}")
    chosen: dict[tuple[str, ...], None] = {}
    for prototype, found in zip(prototypes, grams, strict=True):
        if prototype.kind in (Kind.COUNTER, Kind.ORDINARY):
            continue
        ranked = sorted(
            dict.fromkeys(found),
            key=lambda g: (len(users[g]) > 1, -sum(weights.get(w, 0.3) for w in g) / sqrt(len(g)), g),
        )
        for gram in ranked[:PHRASES_PER_EXAMPLE]:
            chosen.setdefault(gram)
    return [*_CODE_PATTERNS, *(_regex(gram) for gram in chosen)]


def _grams(prototype: Prototype) -> list[tuple[str, ...]]:
    """Runs of two or three words with nothing cut out between; single long words where there is none."""
    words = [w.removeprefix("@") for w in prototype.words]
    runs: list[tuple[str, ...]] = []
    for i in range(len(words)):
        for n in (2, 3):
            run = tuple(words[i : i + n])
            whole = len(run) == n and all(prototype.joined[i : i + n - 1])
            if whole and not any(":" in w for w in run) and sum(w not in STOP_WORDS for w in run) >= 2:
                runs.append(run)
    if runs:
        return runs
    return [(w,) for w in words if len(w) >= 4 and ":" not in w and w not in STOP_WORDS] or [
        (w,) for w in words if ":" not in w and w not in STOP_WORDS
    ]


def _regex(gram: tuple[str, ...]) -> str:
    return r"[^a-z\n]{1,6}".join("i/?o" if word == "io" else re.escape(word) for word in gram)
