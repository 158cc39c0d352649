"""From heaps of evidence to findings: combine, weigh counter-evidence, say how sure and how soon.

No issue is named here: limits, counts, windows and counter-evidence come from the catalogue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shuishan.catalog.loader import Issue, Knowledge
from shuishan.catalog.messages import say
from shuishan.diagnose.case import EVIDENCE_MOST, Event, Gathered, Heap, to_evidence
from shuishan.diagnose.readings import Seen, forecast_s, holds, limit_evidence
from shuishan.model.finding import Blind, Diagnosis, Dismissed, Evidence, Finding, Severity
from shuishan.model.signal import Source

SPEAK_LEAST = 0.6  # below, the engine stays silent
SURE_MOST = 0.995
DISMISSED_MOST = 200
SINGLE_MOST = 8  # components of one host that may show one issue each by itself
_BEST = 3  # distinct events whose beliefs are combined; further ones are seldom independent
_LAYERS = ("dm-", "md", "ata")  # names that stand for a disk known by another name as well
_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(slots=True)
class Charge:
    """What speaks for and against one issue on one component."""

    host: str
    issue: Issue
    component: str
    beliefs: list[float] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    against: list[Evidence] = field(default_factory=list)
    horizon_s: float | None = None
    factor: float = 1.0

    @property
    def probability(self) -> float:
        """Noisy-or of the strongest beliefs, its odds then cut by what speaks against."""
        doubt = 1.0
        for belief in sorted(self.beliefs, reverse=True)[:_BEST]:
            doubt *= 1.0 - belief
        p = min(SURE_MOST, 1.0 - doubt)
        odds = p / (1.0 - p) * self.factor
        return odds / (1.0 + odds)


def judge(knowledge: Knowledge, gathered: Gathered, now_s: float) -> Diagnosis:
    """All that can be said about what was gathered. Deterministic; does not change `gathered`."""
    charges: dict[tuple[str, str, str], Charge] = {}
    dismissed: list[Dismissed] = []
    issues = {issue.id: issue for issue in knowledge.issues}
    for (host, issue_id, component), heap in _merged(gathered).items():
        issue = issues[issue_id]
        ended = gathered.over.get((host, issue_id, component))
        if ended is not None and ended.last > heap.last:
            dismissed.append(_over(host, component, issue, (heap, ended), now_s))
            continue
        meant = _reached(issue, heap, issues)
        if meant is None:
            dismissed.append(_too_few(host, component, issue, heap, now_s))
            continue
        charge = _charge(charges, host, meant, component)
        for event in heap.events.values():
            charge.beliefs.append(meant.decisive * calibrated(knowledge.calibration, event.score))
            charge.evidence.append(to_evidence(event))
    _judge_readings(knowledge, gathered, charges)
    spoken = [c for c in charges.values() if c.probability >= SPEAK_LEAST]
    kept, explained = _explain(spoken)
    dismissed += [_consequence(charge, cause, now_s) for charge, cause in explained]
    dismissed += [_harmless(knowledge, key, heap, now_s) for key, heap in gathered.harmless.items()]
    findings = [_finding(charge, now_s) for charge in kept]
    return Diagnosis(
        at_s=now_s,
        findings=tuple(sorted(findings, key=lambda f: (_RANK[f.severity], -f.probability, f.id))),
        dismissed=tuple(sorted(dismissed, key=lambda d: (d.host, d.issue, d.component)))[:DISMISSED_MOST],
        blind=_blind(gathered),
    )


def calibrated(points: Sequence[tuple[float, float]], score: float) -> float:
    """Share of matches with this score that were right, between the measured points."""
    below = points[0]
    for point in points:
        if score <= point[0]:
            span = point[0] - below[0]
            share = 0.0 if span <= 0 else (score - below[0]) / span
            return below[1] + (point[1] - below[1]) * max(0.0, share)
        below = point
    return below[1]


def _merged(gathered: Gathered) -> dict[tuple[str, str, str], Heap]:
    """Heaps by their component's first name; what names no component joins the only one that is named."""
    merged: dict[tuple[str, str, str], list[Heap]] = {}
    for (host, issue, component), heap in sorted(gathered.heaps.items()):
        name = gathered.aliases.get((host, component), component)
        merged.setdefault((host, issue, name), []).append(heap)
    named: dict[tuple[str, str], list[str]] = {}
    for host, issue, component in merged:
        if component:
            named.setdefault((host, issue), []).append(component)
    for (host, issue), components in named.items():
        if len(components) == 1 and (host, issue, "") in merged:
            merged[host, issue, components[0]] += merged.pop((host, issue, ""))
        _join_port(merged, host, issue, components)
        if len(components) > SINGLE_MOST:
            # So many at once have one cause above them: the host as a whole is meant.
            all_heaps = [heap for c in components for heap in merged.pop((host, issue, c), [])]
            merged.setdefault((host, issue, ""), []).extend(all_heaps)
    return {key: _sum(heaps) for key, heaps in sorted(merged.items())}


def _join_port(
    merged: dict[tuple[str, str, str], list[Heap]], host: str, issue: str, components: list[str]
) -> None:
    """A SATA port and the only disk that shows the same issue are one thing under two names."""
    ports = [c for c in components if c.startswith("ata") and c[3:].isdigit()]
    disks = [c for c in components if c.startswith("sd") and c.isalpha()]
    if len(ports) == 1 and len(disks) == 1:
        merged[host, issue, disks[0]] += merged.pop((host, issue, ports[0]))


def _sum(heaps: list[Heap]) -> Heap:
    if len(heaps) == 1:
        return heaps[0]
    total = Heap(
        times=sorted(moment for heap in heaps for moment in heap.times),
        total=sum(h.total for h in heaps),
        last=max(h.last for h in heaps),
    )
    for heap in heaps:
        for key, event in heap.events.items():
            total.events.setdefault(key, event)
    return total


def _reached(issue: Issue, heap: Heap, issues: dict[str, Issue]) -> Issue | None:
    """The issue these lines mean by their number: itself, its milder form, or nothing."""
    if issue.needs is None or heap.most_within(issue.needs.within_s) >= issue.needs.count:
        return issue
    return issues[issue.needs.otherwise] if issue.needs.otherwise is not None else None


def _charge(charges: dict[tuple[str, str, str], Charge], host: str, issue: Issue, component: str) -> Charge:
    return charges.setdefault((host, issue.id, component), Charge(host, issue, component))


def _judge_readings(
    knowledge: Knowledge, gathered: Gathered, charges: dict[tuple[str, str, str], Charge]
) -> None:
    for (host, component), series in sorted(gathered.readings.items()):
        seen = Seen(series)
        for issue in knowledge.issues:
            _judge_limits(issue, seen, host, component, charges)
    for (host, _, component), charge in charges.items():
        series = gathered.readings.get((host, component))
        if series is None:
            continue
        seen = Seen(series)
        for objection in charge.issue.against:
            if all(holds(condition, seen) for condition in objection.when):
                charge.factor *= objection.factor
                charge.against += limit_evidence(objection.when, seen)


def _judge_limits(
    issue: Issue, seen: Seen, host: str, component: str, charges: dict[tuple[str, str, str], Charge]
) -> None:
    for limit in issue.limits:
        if not seen.broken(limit):
            continue
        charge = _charge(charges, host, issue, component)
        charge.beliefs.append(limit.probability)
        facts = limit_evidence(limit.when, seen, limit.rises)
        charge.evidence += [fact for fact in facts if fact not in charge.evidence]
    if issue.forecast is not None:
        horizon_s = forecast_s(issue.forecast, seen)
        if horizon_s is not None:
            charge = _charge(charges, host, issue, component)
            charge.beliefs.append(issue.forecast.probability)
            charge.horizon_s = horizon_s
            charge.evidence += seen.evidence(issue.forecast.fact)


def _explain(charges: list[Charge]) -> tuple[list[Charge], list[tuple[Charge, Charge]]]:
    """Charges that stand, and those that are only what another one on the same host brought about."""
    kept: list[Charge] = []
    explained: list[tuple[Charge, Charge]] = []
    for charge in charges:
        cause = next((other for other in charges if _causes(other, charge)), None)
        if cause is None:
            kept.append(charge)
        else:
            explained.append((charge, cause))
    return kept, explained


def _causes(cause: Charge, charge: Charge) -> bool:
    if cause is charge or cause.host != charge.host or _apart(cause, charge):
        return False
    names = charge.issue.consequence_of
    if cause.issue.id in names:
        # Two issues that name each other would both vanish; the first by id stands.
        return charge.issue.id not in cause.issue.consequence_of or cause.issue.id < charge.issue.id
    family = f"{cause.issue.category}.*"
    return family in names and cause.issue.id != charge.issue.id and not cause.issue.consequence_of


def _apart(one: Charge, other: Charge) -> bool:
    """Whether the two surely sit on different parts: same kind, both named, and no layer over the other."""
    if one.issue.component != other.issue.component or not one.component or not other.component:
        return False
    layered = any(name.startswith(_LAYERS) for name in (one.component, other.component))
    return one.component != other.component and not layered


def _finding(charge: Charge, now_s: float) -> Finding:
    issue = charge.issue
    horizon_s = charge.horizon_s if charge.horizon_s is not None else issue.horizon_s
    return Finding(
        id="/".join(part for part in (charge.host, charge.component, issue.id) if part),
        issue=issue.id,
        category=issue.category,
        title=issue.title,
        host=charge.host,
        component=charge.component,
        severity=issue.severity,
        probability=round(charge.probability, 4),
        horizon_s=horizon_s if issue.predicts else None,
        predicted=issue.predicts,
        evidence=_ordered(charge.evidence),
        against=_ordered(charge.against),
        advice=issue.advice,
        at_s=now_s,
        evacuate=issue.evacuate,
    )


def _ordered(evidence: list[Evidence]) -> tuple[Evidence, ...]:
    return tuple(sorted(evidence, key=lambda e: (e.at_s, e.source, e.text)))[: 2 * EVIDENCE_MOST]


def _events(heap: Heap) -> tuple[Evidence, ...]:
    events: list[Event] = sorted(heap.events.values(), key=lambda e: (e.last_s, e.text))
    return tuple(to_evidence(event) for event in events)


def _too_few(host: str, component: str, issue: Issue, heap: Heap, now_s: float) -> Dismissed:
    assert issue.needs is not None  # only called when a count was not reached
    en, zh = issue.title.en, issue.title.zh
    seen = heap.most_within(issue.needs.within_s)
    reason = say(
        "diagnose.too_few",
        title_en=en,
        title_zh=zh,
        seen=seen,
        count=issue.needs.count,
        window_s=f"{issue.needs.within_s:.0f}",
    )
    return Dismissed(
        host=host, component=component, issue=issue.id, reason=reason, evidence=_events(heap), at_s=now_s
    )


def _over(host: str, component: str, issue: Issue, heaps: tuple[Heap, Heap], now_s: float) -> Dismissed:
    reason = say("diagnose.over", title_en=issue.title.en, title_zh=issue.title.zh)
    evidence = tuple(entry for heap in heaps for entry in _events(heap))
    return Dismissed(
        host=host, component=component, issue=issue.id, reason=reason, evidence=evidence, at_s=now_s
    )


def _consequence(charge: Charge, cause: Charge, now_s: float) -> Dismissed:
    reason = say(
        "diagnose.consequence",
        title_en=charge.issue.title.en,
        title_zh=charge.issue.title.zh,
        cause_en=cause.issue.title.en,
        cause_zh=cause.issue.title.zh,
        component=cause.component or cause.host,
    )
    return Dismissed(
        host=charge.host,
        component=charge.component,
        issue=charge.issue.id,
        reason=reason,
        evidence=_ordered(charge.evidence),
        at_s=now_s,
    )


def _harmless(knowledge: Knowledge, key: tuple[str, str, str], heap: Heap, now_s: float) -> Dismissed:
    host, pattern_id, component = key
    reason = next((h.reason for h in knowledge.harmless if h.id == pattern_id), None)
    if reason is None:
        title = knowledge.issue(pattern_id).title
        reason = say("diagnose.counter_example", title_en=title.en, title_zh=title.zh)
    return Dismissed(
        host=host, component=component, issue=pattern_id, reason=reason, evidence=_events(heap), at_s=now_s
    )


def _blind(gathered: Gathered) -> tuple[Blind, ...]:
    """Senses whose last word was that they could not answer."""
    found: list[Blind] = []
    for (host, source), unknown in sorted(gathered.unknown.items()):
        answered_s: float | None = gathered.answers_s.get((host, Source(source)))
        since = [u for u in unknown if answered_s is None or u.at_s > answered_s]
        if since:
            found.append(Blind(host=host, source=source, since_s=since[0].at_s, reason=since[-1].reason))
    return tuple(found)
