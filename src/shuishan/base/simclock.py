"""Simulated time, shared by all simulators of one site."""

import asyncio
import heapq
import threading


class SimClock:
    """A clock that jumps to the next wake-up as soon as everybody sleeps. Safe across threads and loops.

    What runs meanwhile takes no simulated time. `advance` moves it by hand.
    """

    # How many turns of the event loop others get before time jumps: a chain of awaits between tasks
    # takes one turn per link, and none of ours has more than a handful.
    _PATIENCE = 10

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._count = 0
        self._sleepers: list[tuple[float, int]] = []

    def now_s(self) -> float:
        return self._now_s

    def advance(self, duration_s: float) -> None:
        with self._lock:
            self._now_s += max(0.0, duration_s)

    async def sleep(self, duration_s: float) -> None:
        with self._lock:
            self._count += 1
            mine = (self._now_s + max(0.0, duration_s), self._count)
            heapq.heappush(self._sleepers, mine)
        try:
            patience = self._PATIENCE
            while patience > 0 or not self._may_wake(mine):
                patience = patience - 1 if self._is_next(mine) else self._PATIENCE
                await asyncio.sleep(0)
        finally:
            with self._lock:
                self._sleepers.remove(mine)
                heapq.heapify(self._sleepers)

    def _is_next(self, sleeper: tuple[float, int]) -> bool:
        with self._lock:
            return self._sleepers[0] == sleeper or self._now_s >= sleeper[0]

    def _may_wake(self, sleeper: tuple[float, int]) -> bool:
        """True for whoever is due; the first of all sleepers takes the time with it."""
        with self._lock:
            if self._sleepers[0] == sleeper:
                self._now_s = max(self._now_s, sleeper[0])
            return self._now_s >= sleeper[0]
