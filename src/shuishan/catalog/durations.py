"""A span of time in words, in both languages, as coarse as a person would say it."""

from shuishan.catalog.messages import say
from shuishan.model.word import Text

_UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def in_words(duration_s: float) -> Text:
    """E.g. 259 200 s: "about 3 days"; less than two of a unit is told in the next smaller one."""
    for size_s, unit in _UNITS:
        if duration_s >= 2 * size_s:
            return say(f"duration.{unit}", count=round(duration_s / size_s))
    return say("duration.moment")
