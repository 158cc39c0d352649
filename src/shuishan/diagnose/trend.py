"""Where a series of readings is heading, from its robust slope."""

from collections.abc import Sequence
from statistics import median


def slope(at_s: Sequence[float], values: Sequence[float]) -> float | None:
    """Theil-Sen slope in units per second: the median of all pairwise slopes; None for n < 3 moments.

    Source: Sen 1968, JASA 63(324). Robust to less than 29 % outliers.
    """
    pairs = [
        (values[j] - values[i]) / (at_s[j] - at_s[i])
        for i in range(len(at_s))
        for j in range(i + 1, len(at_s))
        if at_s[j] > at_s[i]
    ]
    return median(pairs) if len(pairs) >= 3 else None


def time_to_s(at_s: Sequence[float], values: Sequence[float], towards: float) -> float | None:
    """Seconds from the last moment until the series reaches `towards`; 0.0 when it is there already.

    None when it does not head there, or when there are too few moments to say. The level is the median
    of the last three values, so that one wild reading moves neither slope nor level.
    """
    per_s = slope(at_s, values)
    if per_s is None:
        return None
    level = median(values[-3:])
    distance = towards - level
    if distance == 0:
        return 0.0
    if per_s == 0 or (distance > 0) != (per_s > 0):
        return None
    return distance / per_s
