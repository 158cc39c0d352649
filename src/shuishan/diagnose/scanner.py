"""The fast look over raw bytes: which lines are worth reading at all.

The only place that knows hyperscan. Nothing is decided here.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import hyperscan


class Scanner:
    """Many texts searched at once in a block of bytes, whatever the case. Safe to share between threads."""

    def __init__(self, literals: Sequence[str]) -> None:
        """literals: texts without newlines. Thousands of them compile in well under a second."""
        self._lock = Lock()  # a hyperscan database has one scratch space
        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[literal.encode("utf-8") for literal in literals],
            ids=list(range(len(literals))),
            elements=len(literals),
            flags=[hyperscan.HS_FLAG_CASELESS] * len(literals),
            literal=True,
        )

    def lines(self, block: bytes) -> list[tuple[int, int]]:
        """Begin and end of each line of `block` in which one of them stands, in order, each once."""
        found: list[tuple[int, int]] = []
        done = -1  # end of the last line taken; hyperscan reports matches by rising end

        def on_match(_id: int, _from: int, to: int, _flags: int, _context: object) -> None:
            nonlocal done
            if to <= done:
                return
            begin = block.rfind(b"\n", 0, to) + 1
            end = block.find(b"\n", to)
            done = len(block) if end < 0 else end
            found.append((begin, done))

        with self._lock:
            self._database.scan(block, match_event_handler=on_match)
        return found

    def hit(self, line: bytes) -> bool:
        """Whether any of them stands in `line`."""
        seen = False

        def on_match(_id: int, _from: int, _to: int, _flags: int, _context: object) -> bool:
            nonlocal seen
            seen = True
            return True  # enough

        with self._lock:
            try:
                self._database.scan(line, match_event_handler=on_match)
            except hyperscan.ScanTerminated:
                return True
        return seen
