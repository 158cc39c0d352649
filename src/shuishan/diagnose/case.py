"""A case: signals go in one by one or by the block; what is kept of them is bounded.

Equal events are folded and counted; per issue and component a few distinct lines are kept as evidence.
"""

import re
from bisect import insort
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from shuishan.diagnose.components import Namer
from shuishan.diagnose.learn import Kind, Lessons, Match
from shuishan.diagnose.records import Assembler, Record
from shuishan.diagnose.stamps import moment_s
from shuishan.diagnose.words import TEXT_LIMIT, strip_prefix, template
from shuishan.model.finding import Evidence
from shuishan.model.signal import LogLine, Reading, Signal, Source, Unknown

EVIDENCE_MOST = 8  # distinct events kept per issue and component
EVIDENCE_CHARS = 1500
COMPONENTS_MOST = 2048  # per case; beyond, events are counted on the host as a whole
TIMES_MOST = 4096  # moments kept per issue and component
SERIES_MOST = 128  # readings kept per component and fact
READ_COMPONENTS_MOST = 8192
MATCHES_MOST = 20_000  # remembered templates
_LINE_KEPT = 1000  # characters of one line kept as evidence

_QUANTITY = re.compile(
    r"\b(\d{1,7}) (?:[CU]E|corrected|uncorrected)\b|\bn_errors[=:](\d{1,7})|\brepeated (\d{1,7}) times"
    r"|\berror_count[=:] ?(\d{1,7})|\bthreshold[ \d]*(?:in \d+h)?: (\d{1,7}) in \d+h",
    re.IGNORECASE,
)

# Numbers in these are the meaning, so equal templates may mean different things.
_CODED = re.compile(r"Xid|ORA-|[Bb]ank|STATUS|Emask|sct |error_type|SStatus|\(F\)| of \d|\] \[|[: =]0\b")

Key = tuple[str, str, str]  # host, issue (or harmless pattern), component
Origin = tuple[str, Source, str]  # host, source, where it was read


@dataclass(slots=True)
class Event:
    """One distinct line or record, folded. score: how well it matched."""

    text: str
    source: Source
    origin: str
    first_s: float
    last_s: float
    score: float
    prototype: int
    count: int = 1


@dataclass(slots=True)
class Heap:
    """All that speaks for one issue on one component. times: (moment, how many), sorted, bounded."""

    events: dict[str, Event] = field(default_factory=dict)
    times: list[tuple[float, int]] = field(default_factory=list)
    total: int = 0
    last: tuple[float, int] = (0.0, 0)  # moment and place in the order of reading of the newest event

    def most_within(self, within_s: float) -> int:
        """The largest number of events in any window of `within_s` seconds."""
        most = running = start = 0
        for at_s, count in self.times:
            running += count
            while self.times[start][0] < at_s - within_s:
                running -= self.times[start][1]
                start += 1
            most = max(most, running)
        return most


@dataclass(slots=True)
class _Stream:
    assembler: Assembler
    stamp_s: float | None = None


@dataclass(slots=True)
class Gathered:
    """What a case has gathered; judged by `judge`."""

    heaps: dict[Key, Heap] = field(default_factory=dict)
    harmless: dict[Key, Heap] = field(default_factory=dict)
    over: dict[Key, Heap] = field(default_factory=dict)
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    readings: dict[tuple[str, str], dict[str, list[Reading]]] = field(default_factory=dict)
    answers_s: dict[tuple[str, Source], float] = field(default_factory=dict)
    unknown: dict[tuple[str, Source], list[Unknown]] = field(default_factory=dict)


class Gatherer:
    """Turns signals into heaps of evidence. One per case; not shared between threads."""

    def __init__(
        self,
        lessons: Lessons,
        namer: Namer,
        kinds: dict[str, str],
        new_assembler: Callable[[], Assembler],
    ) -> None:
        """kinds: component kind by issue or harmless id."""
        self._lessons = lessons
        self._namer = namer
        self._kinds = kinds
        self._new_assembler = new_assembler
        self._streams: dict[Origin, _Stream] = {}
        self._matches: OrderedDict[str, Match | None] = OrderedDict()
        self._read = 0
        self.gathered = Gathered()

    def feed(self, signal: Signal) -> None:
        """Take one signal. Lines of one origin must come in the order they were written."""
        if isinstance(signal, LogLine):
            self._answered(signal.host, signal.source, signal.at_s)
            if self._lessons.scanner.hit(signal.text.encode("utf-8", errors="replace")):
                origin = (signal.host, signal.source, signal.origin)
                self._line(origin, self._stream(origin), signal.at_s, signal.text)
        elif isinstance(signal, Reading):
            self._answered(signal.host, signal.source, signal.at_s)
            self._reading(signal)
        else:
            waiting = self.gathered.unknown.setdefault((signal.host, signal.source), [])
            insort(waiting, signal, key=lambda s: (s.at_s, s.reason))
            del waiting[:-16]

    def feed_block(self, host: str, source: Source, origin: str, at_s: float, block: bytes) -> None:
        """Take many lines at once, as bytes. A line must not be cut between two blocks.

        at_s: moment of lines that carry no stamp of their own; stamps in the lines only order them
        """
        key = (host, source, origin)
        stream = self._stream(key)
        for begin, end in self._lessons.scanner.lines(block):
            text = block[begin : min(end, begin + TEXT_LIMIT)].decode("utf-8", errors="replace").rstrip("\r")
            stamp_s = moment_s(text)
            if stamp_s is not None:
                stream.stamp_s = stamp_s
            self._line(key, stream, at_s + (stream.stamp_s or 0.0), text)

    def finish(self) -> Gathered:
        """Complete the records still open and hand over what was gathered."""
        for origin, stream in sorted(self._streams.items()):
            for record in stream.assembler.flush():
                self._record(origin, record)
        self._streams.clear()
        return self.gathered

    def _stream(self, origin: Origin) -> _Stream:
        stream = self._streams.get(origin)
        if stream is None:
            stream = self._streams[origin] = _Stream(self._new_assembler())
        return stream

    def _line(self, origin: Origin, stream: _Stream, at_s: float, text: str) -> None:
        for record in stream.assembler.add(at_s, strip_prefix(text), text):
            self._record(origin, record)

    def _record(self, origin: Origin, record: Record) -> None:
        host = origin[0]
        message = record.message
        match = self._match(message, record=bool(record.kind))
        if match is None or match.kind is Kind.ORDINARY:
            return
        gathered = self.gathered
        heaps = {Kind.ISSUE: gathered.heaps, Kind.OVER: gathered.over}.get(match.kind, gathered.harmless)
        names = self._namer.names(self._kinds.get(match.id, "host"), message)
        component = self._settle(host, names)
        if match.kind is not Kind.ISSUE and len(heaps) >= COMPONENTS_MOST:
            return
        if len(heaps) >= COMPONENTS_MOST and (host, match.id, component) not in heaps:
            component = ""
        heap = heaps.setdefault((host, match.id, component), Heap())
        count = quantity(message)
        heap.total += count
        self._read += 1
        heap.last = max(heap.last, (record.at_s, self._read))
        insort(heap.times, (record.at_s, count))
        if len(heap.times) > TIMES_MOST:
            _thin(heap.times)
        _fold(heap, record, match, origin, count)

    def _settle(self, host: str, names: tuple[str, ...]) -> str:
        """The component's first name; its further names are remembered to mean the same."""
        if not names:
            return ""
        for other in names[1:]:
            if len(self.gathered.aliases) < COMPONENTS_MOST:
                self.gathered.aliases.setdefault((host, other), names[0])
        return names[0]

    def _match(self, message: str, *, record: bool) -> Match | None:
        """Remembered by template: a log repeats itself."""
        key = message if _CODED.search(message) else template(message)
        if key in self._matches:
            self._matches.move_to_end(key)
            return self._matches[key]
        match = self._lessons.match(message, record=record)
        self._matches[key] = match
        if len(self._matches) > MATCHES_MOST:
            self._matches.popitem(last=False)
        return match

    def _answered(self, host: str, source: Source, at_s: float) -> None:
        key = (host, source)
        self.gathered.answers_s[key] = max(at_s, self.gathered.answers_s.get(key, at_s))

    def _reading(self, reading: Reading) -> None:
        key = (reading.host, reading.component)
        readings = self.gathered.readings
        if key not in readings and len(readings) >= READ_COMPONENTS_MOST:
            return
        series = readings.setdefault(key, {}).setdefault(reading.fact, [])
        insort(series, reading, key=lambda r: (r.at_s, str(r.value)))
        if len(series) > SERIES_MOST:
            del series[1:-1:2]  # every second one between the ends: the slope stays


def quantity(message: str) -> int:
    """How many events a message says it stands for; 1 when it does not say."""
    found = _QUANTITY.search(message)
    if found is None:
        return 1
    number = next((group for group in found.groups() if group is not None), "1")
    return max(1, min(int(number), 1_000_000))


def _thin(times: list[tuple[float, int]]) -> None:
    """Halve the number of moments kept; two neighbours become one that counts for both."""
    times[:] = [
        (first[0], first[1] + second[1]) for first, second in zip(times[::2], times[1::2], strict=False)
    ]


def _fold(heap: Heap, record: Record, match: Match, origin: Origin, count: int) -> None:
    key = template(record.message)
    event = heap.events.get(key)
    if event is not None:
        event.count += count
        event.first_s = min(event.first_s, record.at_s)
        event.last_s = max(event.last_s, record.at_s)
        return
    if len(heap.events) >= EVIDENCE_MOST:
        return
    text = "\n".join(line[:_LINE_KEPT].rstrip() for line in record.lines)[:EVIDENCE_CHARS]
    heap.events[key] = Event(
        text, origin[1], origin[2], record.at_s, record.at_s, match.score, match.prototype, count
    )


def to_evidence(event: Event) -> Evidence:
    return Evidence(
        source=event.source, at_s=event.last_s, text=event.text, origin=event.origin, count=event.count
    )
