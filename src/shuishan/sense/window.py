"""The recent past of a site in bounded memory: what diagnose looks at on every turn.

Kept: interesting log lines, a thinned series of each number, the newest of each text, and for every
source that gives no answer, since when and why. Time enters only as an argument.
"""

import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shuishan.model.signal import LogLine, Reading, Signal, Source, Unknown

POINTS_LIMIT = 32  # of one series; slopes and steps need no more
SERIES_LIMIT = 20_000  # of one host: a 60-bay chassis has about 3,000
_FLOORS_LIMIT = 64
_UNKNOWNS_LIMIT = 256

# Lines that differ only in numbers share a shape, so that one chatty line cannot push out a rare one.
_NO_NUMBERS = str.maketrans("", "", "0123456789abcdefABCDEF")

_RECORD = re.compile(r"\{\d+\}\[Hardware Error\]")

_Dated = tuple[float, int, LogLine]  # time, order of arrival, line
_SeriesKey = tuple[Source, str, str]  # source, component, fact


@dataclass(frozen=True, slots=True)
class _Floor:
    """Nothing about `component` (None: anything) up to `before_s` counts any more."""

    component: str | None
    before_s: float
    evidence: frozenset[str]
    mention: re.Pattern[str] | None

    def covered(self, lines: Sequence[LogLine]) -> frozenset[int]:
        """Positions of the lines that no longer count.

        A firmware-first record is many lines of which one names the component; they go together.
        """
        old = [(place, line) for place, line in enumerate(lines) if line.at_s <= self.before_s]
        if self.mention is None:
            return frozenset(place for place, _ in old)
        named = [(p, line) for p, line in old if line.text in self.evidence or self.mention.search(line.text)]
        records = {
            (record[0], record[1] + step)
            for _, line in named
            if (record := _record(line))
            for step in (-1, 0, 1)
        }
        return frozenset([p for p, _ in named] + [p for p, line in old if _record(line) in records])

    def covers_component(self, component: str) -> bool:
        return self.component is None or component == self.component


@dataclass(slots=True)
class _Ignorance:
    """A source (or one component of it) that gives no answer, since `unknown.at_s`."""

    unknown: Unknown
    renewed_s: float

    @property
    def component(self) -> str | None:
        """None: the whole source."""
        _, mark, component = self.unknown.origin.partition("#")
        return component if mark else None


@dataclass(slots=True)
class _Host:
    revision: int = 0
    shapes: dict[str, deque[_Dated]] = field(default_factory=dict[str, deque[_Dated]])
    line_count: int = 0
    series: dict[_SeriesKey, list[Reading]] = field(default_factory=dict[_SeriesKey, list[Reading]])
    answered_s: dict[Source, float] = field(default_factory=dict[Source, float])
    expected_s: dict[Source, float] = field(default_factory=dict[Source, float])
    ignorance: dict[tuple[Source, str], _Ignorance] = field(
        default_factory=dict[tuple[Source, str], _Ignorance]
    )
    stale: dict[Source, Unknown] = field(default_factory=dict[Source, Unknown])
    floors: list[_Floor] = field(default_factory=list[_Floor])
    counted: dict[str, float] = field(default_factory=dict[str, float])  # component|fact -> at the repair
    lines: list[LogLine] | None = None  # by time, without what was forgotten; None: to be made anew
    pruned_s: float = 0.0


class SignalWindow:
    """Signals of the last `window_s` seconds, per host. Collectors and diagnosis may be different threads.

    keep_line:          is this text of any interest? (asked once per line)
    window_s:           older signals are dropped, at most 5 % of it late
    max_lines_per_host: the most repeated lines give way first
    is_counter:         facts that nobody can set back: after `forget` only their growth is seen
    stale_s:            an expected source that was not heard for longer is Unknown
    """

    def __init__(
        self,
        keep_line: Callable[[str], bool],
        *,
        window_s: float = 3600.0,
        max_lines_per_host: int = 2000,
        stale_s: float = 30.0,
        is_counter: Callable[[str], bool] = lambda _fact: False,
    ) -> None:
        self._keep_line = keep_line
        self._window_s = window_s
        self._max_lines = max_lines_per_host
        self._stale_s = stale_s
        self._is_counter = is_counter
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._now_s = 0.0
        self._arrivals = 0

    def expect(self, host: str, sources: Iterable[Source], *, now_s: float) -> None:
        """From now on these sources of `host` are Unknown when they are not heard."""
        with self._lock:
            state = self._host(host)
            for source in sources:
                state.expected_s.setdefault(source, now_s)

    def unheard(self, host: str) -> frozenset[Source]:
        """Expected sources that have not answered once yet: what they would say is not known."""
        with self._lock:
            state = self._host(host)
            return frozenset(source for source in state.expected_s if source not in state.answered_s)

    def add(self, signals: Iterable[Signal]) -> None:
        """Take in signals, in the order in which they became known."""
        with self._lock:
            for signal in signals:
                state = self._hosts.get(signal.host) or self._host(signal.host)
                match signal:
                    case Reading():
                        self._add_reading(state, signal)
                    case LogLine():
                        self._add_line(state, signal)
                    case Unknown():
                        _add_unknown(state, signal)

    def heard(self, host: str, source: Source, *, at_s: float) -> None:
        """The source answered, perhaps with nothing new: a silent kernel log is a good kernel log."""
        with self._lock:
            state = self._host(host)
            _answered(state, source, at_s)
            if state.ignorance:
                _learn(state, source, None)

    def forget(
        self,
        host: str,
        component: str | None,
        *,
        before_s: float,
        evidence: Collection[str] = (),
        counted: Mapping[str, float] | None = None,
    ) -> dict[str, float]:
        """Drop what is known of a component up to `before_s`, for it was repaired.

        component: None for everything of the host
        evidence:  texts of lines that speak of it without naming it
        counted:   what an earlier `forget` answered, to go on from after a restart; None: from now
        Returns how far each counter had come, as ``component|fact``: to be kept with the repair.
        The same lines are refused when they are read again, e.g. after a reconnect.
        """
        with self._lock:
            state = self._host(host)
            floor = _Floor(component, before_s, frozenset(evidence), _mention(component))
            state.floors = [*state.floors[-_FLOORS_LIMIT + 1 :], floor]
            state.lines = None
            if counted is None:
                counted = {
                    f"{key[1]}|{key[2]}": last + state.counted.get(f"{key[1]}|{key[2]}", 0.0)
                    for key, points in state.series.items()
                    if floor.covers_component(key[1]) and self._is_counter(key[2])
                    if isinstance(last := points[-1].value, float | int)
                }
            state.counted.update(counted)
            for key, points in list(state.series.items()):
                if floor.covers_component(key[1]):
                    _keep_points(state, key, [point for point in points if point.at_s > before_s])
            for key, known in list(state.ignorance.items()):
                # A whole source that is silent stays so: repairing a disk does not make the host answer.
                if known.component is not None and floor.covers_component(known.component):
                    del state.ignorance[key]
            state.revision += 1
            return dict(counted)

    def drop(self, host: str) -> None:
        """Forget a host that is no longer part of the site."""
        with self._lock:
            self._hosts.pop(host, None)

    def revision(self, host: str, *, now_s: float) -> int:
        """A number that changes only when what is known of `host` changes in content.

        A reading that says the same again, and an Unknown that goes on, change nothing.
        """
        with self._lock:
            state = self._host(host)
            self._settle(host, state, now_s)
            return state.revision

    def signals(self, now_s: float, host: str | None = None) -> list[Signal]:
        """All that is known of `host` (None: of every host): lines by time, series, then Unknowns."""
        with self._lock:
            found: list[Signal] = []
            for name in [host] if host is not None else list(self._hosts):
                state = self._host(name)
                self._settle(name, state, now_s)
                if state.lines is None:
                    state.lines = _standing_lines(state)
                found.extend(state.lines)
                for points in state.series.values():
                    found.extend(points)
                found.extend(known.unknown for known in state.ignorance.values())
                found.extend(state.stale.values())
            return found

    def _host(self, name: str) -> _Host:
        return self._hosts.setdefault(name, _Host())

    def _add_reading(self, state: _Host, reading: Reading) -> None:
        source = reading.source
        _answered(state, source, reading.at_s)
        if state.ignorance:
            _learn(state, source, reading.component)
        key = (source, reading.component, reading.fact)
        if state.counted and isinstance(reading.value, float | int):
            reading = _since_repair(state, reading, float(reading.value))
        points = state.series.get(key)
        if points is None:
            if len(state.series) < SERIES_LIMIT and not _refused(state, reading):
                state.series[key] = [reading]
                state.revision += 1
            return
        last = points[-1]
        if reading.at_s < last.at_s:
            return
        if reading.value != last.value:
            state.revision += 1
            if isinstance(reading.value, str):
                points.clear()
            points.append(reading)
            if len(points) > POINTS_LIMIT:
                # Every second point of the older half goes: recent time keeps its detail.
                points[: POINTS_LIMIT // 2] = points[: POINTS_LIMIT // 2 : 2]
        elif len(points) > 1 and points[-2].value == reading.value:
            points[-1] = reading  # a flat stretch is its two ends
        elif isinstance(reading.value, str):
            points[-1] = reading
        else:
            points.append(reading)

    def _add_line(self, state: _Host, line: LogLine) -> None:
        if line.at_s < self._now_s - self._window_s or not self._keep_line(line.text):
            return
        self._arrivals += 1
        shape = state.shapes.setdefault(line.text.translate(_NO_NUMBERS), deque())
        shape.append((line.at_s, self._arrivals, line))
        state.line_count += 1
        if len(shape) > max(1, self._max_lines // 4):
            shape.popleft()
            state.line_count -= 1
        if state.line_count > self._max_lines:
            self._shed(state)
        state.lines = None
        state.revision += 1

    def _shed(self, state: _Host) -> None:
        """Make room for a tenth of the limit: the oldest of the most repeated lines, then the oldest."""
        room = max(1, self._max_lines - max(1, self._max_lines // 10))
        while state.line_count > room:
            shape = max(state.shapes.values(), key=len)
            if len(shape) == 1:
                break  # every line is of a shape of its own
            for _ in range(len(shape) // 2):
                shape.popleft()
                state.line_count -= 1
        dated = sorted(entry for shape in state.shapes.values() for entry in shape)
        newest = {arrival for _, arrival, _ in dated[-room:]}
        self._keep_dated(state, lambda entry: entry[1] in newest)

    def _keep_dated(self, state: _Host, keep: Callable[[_Dated], bool]) -> None:
        kept = {
            shape: remaining
            for shape, entries in state.shapes.items()
            if (remaining := deque(entry for entry in entries if keep(entry)))
        }
        count = sum(map(len, kept.values()))
        if count != state.line_count:
            state.shapes, state.line_count, state.lines = kept, count, None
            state.revision += 1

    def _settle(self, name: str, state: _Host, now_s: float) -> None:
        """Let time do its work: drop the old, notice the silent."""
        self._now_s = max(self._now_s, now_s)
        if not state.pruned_s <= now_s < state.pruned_s + self._window_s / 20:
            state.pruned_s = now_s
            self._prune(state, now_s - self._window_s)
        for source, since_s in state.expected_s.items():
            heard_s = max(since_s, state.answered_s.get(source, since_s))
            silent = now_s - heard_s > self._stale_s
            told = any(s is source and known.component is None for (s, _), known in state.ignorance.items())
            if silent and not told and source not in state.stale:
                state.stale[source] = Unknown(
                    host=name,
                    source=source,
                    at_s=heard_s,
                    reason="it has not answered yet"
                    if source not in state.answered_s
                    else f"nothing was heard of it for {self._stale_s:g} s",
                )
                state.revision += 1
            elif source in state.stale and (told or not silent):
                del state.stale[source]
                state.revision += 1
        self._expire_ignorance(state, now_s)
        self._expire_vms(state)

    def _expire_ignorance(self, state: _Host, now_s: float) -> None:
        """Drop an Unknown that nobody repeats: at once for a part, if its source goes on answering."""
        for key, known in list(state.ignorance.items()):
            answering = state.answered_s.get(key[0], 0.0) > known.renewed_s + self._stale_s
            part_gone = known.component is not None and answering
            if part_gone or (key[0] not in state.expected_s and now_s - known.renewed_s > self._window_s):
                del state.ignorance[key]
                state.revision += 1

    def _expire_vms(self, state: _Host) -> None:
        """A VM that its host no longer lists is elsewhere or removed; a disk not listed may just be mute."""
        oldest_s = state.answered_s.get(Source.LIBVIRT, 0.0) - self._stale_s
        gone = [
            key
            for key, points in state.series.items()
            if key[0] is Source.LIBVIRT and points[-1].at_s < oldest_s
        ]
        for key in gone:
            del state.series[key]
            state.revision += 1

    def _prune(self, state: _Host, oldest_s: float) -> None:
        state.floors = [floor for floor in state.floors if floor.before_s >= oldest_s]
        self._keep_dated(state, lambda entry: entry[0] >= oldest_s)
        for key, points in list(state.series.items()):
            if points[0].at_s >= oldest_s:
                continue
            kept = [point for point in points if point.at_s >= oldest_s]
            if kept and all(point.value == kept[0].value for point in points[: -len(kept)]):
                state.series[key] = kept  # the beginning of a flat stretch: nothing is lost
            else:
                _keep_points(state, key, kept)


def _standing_lines(state: _Host) -> list[LogLine]:
    dated = sorted(entry for shape in state.shapes.values() for entry in shape)
    lines = [line for _, _, line in dated]
    if not state.floors:
        return lines
    forgotten = frozenset[int]().union(*(floor.covered(lines) for floor in state.floors))
    return [line for place, line in enumerate(lines) if place not in forgotten]


def _record(line: LogLine) -> tuple[str, int] | None:
    """Which firmware-first record (``{7}[Hardware Error]``) a line belongs to, and its second.

    The number alone starts anew with every boot.
    """
    match = _RECORD.match(line.text)
    return (match[0], int(line.at_s)) if match else None


def _answered(state: _Host, source: Source, at_s: float) -> None:
    if at_s > state.answered_s.get(source, 0.0):
        state.answered_s[source] = at_s


def _learn(state: _Host, source: Source, component: str | None) -> None:
    """An answer ends the ignorance of its source, and of its component."""
    for key, known in list(state.ignorance.items()):
        if key[0] is source and known.component in (None, component):
            del state.ignorance[key]
            state.revision += 1


def _add_unknown(state: _Host, unknown: Unknown) -> None:
    key = (unknown.source, unknown.origin)
    known = state.ignorance.get(key)
    if known is None:
        if len(state.ignorance) < _UNKNOWNS_LIMIT:
            state.ignorance[key] = _Ignorance(unknown, unknown.at_s)
            state.revision += 1
        return
    known.renewed_s = unknown.at_s
    if known.unknown.reason != unknown.reason:
        known.unknown = unknown.model_copy(update={"at_s": known.unknown.at_s})
        state.revision += 1


def _refused(state: _Host, reading: Reading) -> bool:
    return any(
        reading.at_s <= floor.before_s and floor.covers_component(reading.component) for floor in state.floors
    )


def _keep_points(state: _Host, key: _SeriesKey, points: list[Reading]) -> None:
    if points:
        state.series[key] = points
    else:
        del state.series[key]
    state.revision += 1


def _mention(component: str | None) -> re.Pattern[str] | None:
    """Finds a component by name in a line, also by its namespaces and partitions (nvme0n1p2, sda1)."""
    if component is None:
        return None
    # The kernel puts a "p" before a partition's number only where the disk's name ends in a digit.
    parts = r"(?:c\d+)?(?:n\d+)?(?:p\d+)?" if component[-1:].isdigit() else r"\d*"
    return re.compile(rf"(?<!\w){re.escape(component)}{parts}(?!\w)")


def _since_repair(state: _Host, reading: Reading, value: float) -> Reading:
    """What a counter counted since the repair; one that began anew (a boot, a new part) is taken as it is."""
    key = f"{reading.component}|{reading.fact}"
    before = state.counted.get(key)
    if before is None:
        return reading
    if value < before:
        del state.counted[key]
        return reading
    return reading.model_copy(update={"value": value - before})
