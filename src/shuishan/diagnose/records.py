"""Lines that belong together, put together: a hardware error block is one event, not nine."""

import re
from dataclasses import dataclass, field

from shuishan.catalog.loader import RecordKind

LINES_MOST = 64  # of one record; a longer one is cut into several
_GAP_S = 5.0  # lines of one record come at once


@dataclass(slots=True)
class Record:
    """One event. kind: name of the record kind, "" for a single line. lines: as read."""

    kind: str
    key: str
    at_s: float
    messages: list[str]
    lines: list[str]

    @property
    def message(self) -> str:
        return "\n".join(self.messages)


@dataclass(frozen=True, slots=True)
class _Shape:
    name: str
    member: re.Pattern[str]
    starts: re.Pattern[str]
    keyed: bool


@dataclass(slots=True)
class Assembler:
    """Takes the lines of one log in order; gives records when they are complete."""

    shapes: tuple[_Shape, ...]
    any_member: re.Pattern[str]
    _open: Record | None = field(default=None)

    def add(self, at_s: float, message: str, line: str) -> list[Record]:
        """Records completed by this line."""
        shape, key = self._shape(message)
        current = self._open
        if current is not None and shape is not None and self._goes_on(current, shape, key, at_s, message):
            current.messages.append(message)
            current.lines.append(line)
            return []
        done = self.flush()
        record = Record(shape.name if shape else "", key, at_s, [message], [line])
        if shape is None:
            done.append(record)
        else:
            self._open = record
        return done

    def flush(self) -> list[Record]:
        """The record still open, if any."""
        done = [self._open] if self._open is not None else []
        self._open = None
        return done

    def _shape(self, message: str) -> tuple[_Shape | None, str]:
        if self.any_member.search(message) is None:
            return None, ""
        for shape in self.shapes:
            found = shape.member.search(message)
            if found is not None:
                return shape, (found.group(1) if shape.keyed else "")
        return None, ""

    def _goes_on(self, current: Record, shape: _Shape, key: str, at_s: float, message: str) -> bool:
        if current.kind != shape.name or current.key != key or len(current.lines) >= LINES_MOST:
            return False
        if abs(at_s - current.at_s) > _GAP_S:
            return False
        found = shape.starts.search(message)
        if found is None:
            return True
        # A second opening of the same sort begins a new event; another sort of opening goes on.
        sort = found.group(0)[:12].lower()
        return not any(
            (other := shape.starts.search(m)) is not None and other.group(0)[:12].lower() == sort
            for m in current.messages
        )


def shapes(kinds: dict[str, RecordKind]) -> tuple[tuple[_Shape, ...], re.Pattern[str]]:
    """Compiled record kinds, and one regex that any of their lines matches."""
    found = tuple(
        _Shape(name, re.compile(kind.member), re.compile(kind.starts), kind.key)
        for name, kind in kinds.items()
    )
    return found, re.compile(
        "|".join(re.sub(r"(?<!\\)\((?!\?)", "(?:", kind.member) for kind in kinds.values())
    )
