"""The kernel log of a host, as a stream that a lost connection neither cuts short nor repeats.

The journal is followed rather than /dev/kmsg because it has a cursor and keeps what the kernel said
before a crash.
"""

import re
import shlex
from dataclasses import dataclass

from shuishan.model.signal import LogLine, Source
from shuishan.sense.jsontext import JsonObject, as_list, as_text, parse_object

TEXT_LIMIT_CHARS = 4096
_BREAK = re.compile(r"\s*\n\s*")
_FIELDS = "MESSAGE,_TRANSPORT,SYSLOG_IDENTIFIER"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry. cursor: where to go on after it; line: None when it holds no text."""

    cursor: str | None
    line: LogLine | None


def follow_command(*, cursor: str | None, since_s: float) -> str:
    """Shell command that prints the host's clock, then kernel log entries for ever, oldest first.

    cursor:  go on after this entry; None on first contact
    since_s: on first contact, how far back to begin
    """
    # Not `-k`: that means this boot only, and the last words before a crash are the ones we want.
    start = (
        f"--after-cursor={shlex.quote(cursor)}" if cursor is not None else f"--since=-{max(1, int(since_s))}s"
    )
    return (
        "date +%s.%N; exec journalctl -o json --no-pager --quiet --no-tail -f "
        f"--output-fields={_FIELDS} {start} _TRANSPORT=kernel"
    )


def parse_clock(line: str) -> float | None:
    """The host's clock from the first line of `follow_command`, seconds since the epoch, or None."""
    try:
        at_s = float(line)
    except ValueError:
        return None
    return at_s if 0 <= at_s < 1e11 else None


def parse_journal_entry(text: str, *, host: str, origin: str) -> JournalEntry | None:
    """One line of `journalctl -o json` with its cursor, or None when it is not such a line."""
    entry = parse_object(text)
    if entry is None or not ("MESSAGE" in entry or "__CURSOR" in entry):
        return None
    return JournalEntry(as_text(entry.get("__CURSOR")), _log_line(entry, host, origin))


def parse_journal_json_line(text: str, *, host: str, origin: str) -> LogLine | None:
    """The log line in one line of `journalctl -o json`, or None when there is none."""
    entry = parse_journal_entry(text, host=host, origin=origin)
    return entry.line if entry is not None else None


def _log_line(entry: JsonObject, host: str, origin: str) -> LogLine | None:
    text = _message(entry.get("MESSAGE"))
    if text is None:
        return None
    identifier = as_text(entry.get("SYSLOG_IDENTIFIER"))
    transport = as_text(entry.get("_TRANSPORT"))
    from_kernel = transport == "kernel" or (transport is None and identifier in (None, "kernel"))
    if not from_kernel and identifier is not None:
        text = f"{identifier}: {text}"
    return LogLine(
        host=host,
        source=Source.KERNEL_LOG if from_kernel else Source.SYSTEM_LOG,
        at_s=_micros(entry.get("_SOURCE_REALTIME_TIMESTAMP"))
        or _micros(entry.get("__REALTIME_TIMESTAMP"))
        or 0.0,
        # Some drivers log two lines at once (libata's command and result).
        text=_BREAK.sub(" ", text[:TEXT_LIMIT_CHARS]),
        origin=origin,
    )


def _message(value: object) -> str | None:
    """journald prints text that is not clean UTF-8 as an array of bytes, and very long text as null.

    A field given several times is an array of texts; the last is the most recent.
    """
    if isinstance(value, str):
        return as_text(value.rstrip("\n"))
    parts = as_list(value)
    if not parts:
        return None
    octets = [part for part in parts if isinstance(part, int) and 0 <= part <= 255]
    if len(octets) == len(parts):
        return bytes(octets).decode("utf-8", errors="replace").rstrip("\n") or None
    return as_text(parts[-1])


def _micros(value: object) -> float | None:
    """Seconds from the journal's decimal text of microseconds; None when it is not one."""
    text = as_text(value)
    # isascii: isdigit alone also takes digits that int() refuses, e.g. superscripts.
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 18:
        return None
    return int(text) / 1e6
