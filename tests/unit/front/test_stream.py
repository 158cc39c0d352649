"""The timeline as server-sent events, on a clock of its own."""

import pytest
from tests.unit.front.house import ValueHouse
from tests.unit.front.web import web_client

from shuishan.front.api.refusals import Busy
from shuishan.front.api.stream import StreamBounds, TimelineStreams


class StepClock:
    """Time passes only while someone sleeps."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    async def sleep(self, duration_s: float) -> None:
        self._now_s += duration_s


def streams(streams: int = 32, page: int = 200) -> TimelineStreams:
    bounds = StreamBounds(streams=streams, page=page, lifetime_s=40.0)
    return TimelineStreams(ValueHouse(), StepClock(), bounds)


async def test_the_stream_tells_every_entry_once_and_ends_at_its_bound() -> None:
    told = [event async for event in streams(page=5).open(2)]
    ids = [event.split(b"\n")[0] for event in told if event.startswith(b"id: ")]
    assert ids == [f"id: {seq}".encode() for seq in range(3, 13)]
    assert told.count(b": still here\n\n") == 3


async def test_no_more_streams_than_the_bound() -> None:
    bounded = streams(streams=1)
    first = bounded.open(0)
    await anext(first)
    with pytest.raises(Busy):
        bounded.open(0)
    assert [event async for event in first]
    assert await anext(bounded.open(0))


async def test_a_stream_never_read_takes_no_place() -> None:
    bounded = streams(streams=1)
    bounded.open(0)
    assert await anext(bounded.open(0))


def test_the_route_streams_events_and_goes_on_where_a_reader_stopped() -> None:
    bounds = StreamBounds(lifetime_s=0.2, poll_s=0.05)
    with web_client(ValueHouse(), bounds) as web:
        answer = web.get(
            "/api/v1/timeline/stream?after=3",
            headers={"Authorization": "Bearer read-secret", "Last-Event-ID": "10"},
        )
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [line for line in answer.text.splitlines() if line.startswith("id:")] == ["id: 11", "id: 12"]
