"""When a line says it was written, as far as it says so."""

import re
from datetime import UTC, datetime

_UPTIME = re.compile(r"^\s*(?:<\d+>)?\s*\[\s*(\d+\.\d+)\]")
_ISO = re.compile(r"^\W*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,6})?)")
_SYSLOG = re.compile(
    r"^\W*(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d{1,2}) "
    r"(\d\d):(\d\d):(\d\d)"
)
_DAYS_BEFORE = {
    "Jan": 0, "Feb": 31, "Mar": 59, "Apr": 90, "May": 120, "Jun": 151,
    "Jul": 181, "Aug": 212, "Sep": 243, "Oct": 273, "Nov": 304, "Dec": 334,
}  # fmt: skip


def moment_s(line: str) -> float | None:
    """Seconds of a line's own stamp on a scale of its own: uptime, year or epoch; None when it has none.

    Good for distances between lines of one log only: syslog stamps have no year, kernel stamps no date.
    """
    found = _UPTIME.match(line)
    if found is not None:
        return float(found.group(1))
    found = _SYSLOG.match(line)
    if found is not None:
        month, day, hour, minute, second = found.groups()
        days = _DAYS_BEFORE[month] + int(day)
        return days * 86400.0 + int(hour) * 3600 + int(minute) * 60 + int(second)
    found = _ISO.match(line)
    if found is not None:
        text = f"{found.group(1)}T{found.group(2).replace(',', '.')}"
        try:
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return None
    return None
