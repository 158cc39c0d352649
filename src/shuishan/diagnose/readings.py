"""Do readings break a limit, and where is a series heading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shuishan.catalog.loader import Condition, Forecast, Limit, Rise
from shuishan.diagnose.trend import time_to_s
from shuishan.model.finding import Evidence
from shuishan.model.signal import Reading

FORECAST_READINGS_LEAST = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """Readings of one component, by fact, each series by time."""

    series: Mapping[str, Sequence[Reading]]

    def last(self, fact: str) -> float | str | None:
        """The newest value; None when the fact was never read, or the component did not say."""
        readings = self.series.get(fact)
        return readings[-1].value if readings else None

    def number(self, fact: str) -> float | None:
        value = self.last(fact)
        return float(value) if isinstance(value, int | float) else None

    def points(self, fact: str) -> tuple[list[float], list[float]]:
        """Moments and values of those readings that are numbers."""
        kept = [
            (r.at_s, float(r.value)) for r in self.series.get(fact, ()) if isinstance(r.value, int | float)
        ]
        return [at_s for at_s, _ in kept], [value for _, value in kept]

    def broken(self, limit: Limit) -> bool:
        """Whether the limit speaks: every condition known and true, none of the exceptions."""
        if not all(holds(condition, self) for condition in limit.when):
            return False
        if limit.rises is not None and not self.rose(limit.rises):
            return False
        return not any(holds(condition, self) for condition in limit.unless)

    def rose(self, rise: Rise) -> bool:
        """Whether the counter grew by `by` within the window. A fall (reboot) starts anew."""
        at_s, values = self.points(rise.fact)
        for end in range(1, len(values)):
            grown = 0.0
            for i in range(end, 0, -1):
                if at_s[end] - at_s[i - 1] > rise.within_s:
                    break
                grown += max(0.0, values[i] - values[i - 1])
                if grown >= rise.by:
                    return True
        return False

    def evidence(self, fact: str) -> list[Evidence]:
        readings = self.series.get(fact)
        if not readings:
            return []
        last = readings[-1]
        text = f"{last.fact} = {_shown(last.value)}"
        if len(readings) > 1 and readings[0].value != last.value:
            text = f"{text} (was {_shown(readings[0].value)}, {last.at_s - readings[0].at_s:.0f} s before)"
        return [Evidence(source=last.source, at_s=last.at_s, text=text, origin=last.origin)]


def holds(condition: Condition, seen: Seen) -> bool:
    """Whether a condition is known to be true. What is not known does not hold."""
    if condition.contains is not None:
        text = seen.last(condition.fact)
        return isinstance(text, str) and any(part.lower() in text.lower() for part in condition.contains)
    value = seen.number(condition.fact)
    if value is None:
        return False
    other_fact = condition.at_most_fact or condition.below_fact
    other = seen.number(other_fact) if other_fact is not None else 0.0
    if other is None:
        return False
    checks = (
        condition.above is None or value > condition.above,
        condition.at_least is None or value >= condition.at_least,
        condition.at_most is None or value <= condition.at_most,
        condition.below is None or value < condition.below,
        condition.equals is None or value == condition.equals,
        condition.has_bit is None or bool(int(value) >> condition.has_bit & 1),
        condition.at_most_fact is None or value <= other,
        condition.below_fact is None or value < other,
    )
    return all(checks)


def limit_evidence(when: Sequence[Condition], seen: Seen, rises: Rise | None = None) -> list[Evidence]:
    """The readings a limit looked at."""
    facts: list[str] = []
    for condition in when:
        facts += [f for f in (condition.fact, condition.at_most_fact, condition.below_fact) if f]
    if rises is not None:
        facts.append(rises.fact)
    found: list[Evidence] = []
    for fact in dict.fromkeys(facts):
        found += seen.evidence(fact)
    return found


def forecast_s(forecast: Forecast, seen: Seen) -> float | None:
    """Seconds until the series reaches its end, when that is within the forecast's reach; else None."""
    at_s, values = seen.points(forecast.fact)
    if len(values) < FORECAST_READINGS_LEAST:
        return None
    towards = forecast.towards if forecast.towards_fact is None else seen.number(forecast.towards_fact)
    if towards is None:
        return None
    left_s = time_to_s(at_s, values, towards)
    return left_s if left_s is not None and left_s <= forecast.within_s else None


def _shown(value: float | str | None) -> str:
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else f"{value:g}"
