"""The timeline as server-sent events: bounded in number, in length and in time."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shuishan.front.api.door import HouseDoor
from shuishan.front.api.refusals import Busy
from shuishan.model.clock import Clock


@dataclass(frozen=True, slots=True)
class StreamBounds:
    """streams: open at once. lifetime_s: then the client reconnects where it stopped (Last-Event-ID)."""

    streams: int = 32
    page: int = 200
    poll_s: float = 0.5
    beat_s: float = 15.0  # a comment line, so that proxies keep the line open
    lifetime_s: float = 900.0


class TimelineStreams:
    """Counts open streams and feeds each from the house."""

    def __init__(self, house: HouseDoor, clock: Clock, bounds: StreamBounds) -> None:
        self._house = house
        self._clock = clock
        self._bounds = bounds
        self._open = 0

    def open(self, after_seq: int) -> AsyncIterator[bytes]:
        """A new stream of entries after `after_seq`. Raises Busy when too many are open."""
        if self._full():
            raise Busy(
                f"{self._open} timeline streams are open, the most this server holds; try again later",
                subject="timeline",
            )
        return self._events(after_seq)

    def _full(self) -> bool:
        return self._open >= self._bounds.streams

    async def _events(self, after_seq: int) -> AsyncIterator[bytes]:
        # Counted here, not in `open`: a stream whose reader left before it began never comes to its end.
        if self._full():
            return
        self._open += 1
        try:
            end_s = self._clock.now_s() + self._bounds.lifetime_s
            beat_at_s = self._clock.now_s()
            while self._clock.now_s() < end_s:
                entries = await self._house.timeline(after_seq, self._bounds.page)
                for entry in entries:
                    after_seq = entry.seq
                    yield f"id: {entry.seq}\ndata: {entry.model_dump_json()}\n\n".encode()
                if self._clock.now_s() >= beat_at_s:
                    yield b": still here\n\n"
                    beat_at_s = self._clock.now_s() + self._bounds.beat_s
                if len(entries) < self._bounds.page:
                    await self._clock.sleep(self._bounds.poll_s)
        finally:
            self._open -= 1
