"""Questions from outside: what counts as an answer, and who is asked."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.http_stub import Reply, Stub, a_closed_port, eventually, http_stub

from shuishan.model.clock import SystemClock
from shuishan.model.proof import ProbeSummary
from shuishan.model.site import ProbeSpec
from shuishan.prove.prober import Answer, Prober, summarize


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with http_stub() as made:
        yield made


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    made = Prober(SystemClock())
    yield made
    await made.close()


def spec(url: str, timeout_s: float = 60) -> ProbeSpec:
    return ProbeSpec(url=url, timeout_s=timeout_s, interval_s=0.01)


def so_far(prober: Prober, system: str = "his") -> ProbeSummary:
    return prober.summary(system, 0, float("inf"))


@pytest.mark.parametrize(
    ("answers", "counts", "latencies"),
    [
        ([], (0, 0, 0), (None, None)),
        ([Answer(5, False, 900)], (1, 0, 1), (None, None)),  # what was lost has no latency
        ([Answer(5, True, 10), Answer(6, True, 30.04)], (2, 2, 0), (20.0, 30.0)),
        ([Answer(5, True, 10), Answer(6, False, 999)], (2, 1, 1), (10, 10)),
        (
            [Answer(0.9, True, 1), Answer(1, True, 2), Answer(9, True, 3), Answer(9.1, False, 4)],
            (2, 2, 0),
            (2.5, 3),
        ),
    ],
)
def test_summary_counts_questions_asked_within_the_time(
    answers: list[Answer], counts: tuple[int, int, int], latencies: tuple[float | None, float | None]
) -> None:
    one = summarize("his", answers, 1, 9)
    assert (one.asked, one.answered, one.lost) == counts
    assert (one.latency_p50_ms, one.latency_max_ms) == latencies
    assert (one.system, one.from_s, one.to_s) == ("his", 1, 9)


@pytest.mark.parametrize(
    ("status", "expected"), [(200, True), (204, True), (302, False), (404, False), (503, False)]
)
async def test_only_2xx_is_an_answer(stub: Stub, prober: Prober, status: int, expected: bool) -> None:
    stub.answer = lambda _request, _body: Reply(status)
    assert await prober.answers(f"{stub.url}/health", timeout_s=60) is expected


async def test_a_server_that_hangs_is_no_answer(stub: Stub, prober: Prober) -> None:
    stub.answer = lambda _request, _body: Reply(hang=True)
    assert not await prober.answers(stub.url, timeout_s=0.2)


async def test_a_closed_door_or_a_bad_address_is_no_answer(prober: Prober) -> None:
    assert not await prober.answers(await a_closed_port(), timeout_s=60)
    assert not await prober.answers("http://[", timeout_s=1)
    assert not await prober.answers("gopher://x", timeout_s=1)


async def test_a_system_is_asked_again_and_again_and_losses_are_kept(stub: Stub, prober: Prober) -> None:
    prober.watch({"his": spec(f"{stub.url}/health")})
    await eventually(lambda: so_far(prober).answered >= 3)
    stub.answer = lambda _request, _body: Reply(503)
    await eventually(lambda: so_far(prober).lost >= 2)
    assert set(stub.asked) == {"GET /health"}


async def test_questions_leave_on_time_though_earlier_ones_hang_but_not_without_bound(
    stub: Stub, prober: Prober
) -> None:
    stub.answer = lambda _request, _body: Reply(hang=True)
    prober.watch({"his": spec(stub.url)})
    await eventually(lambda: len(stub.asked) >= 64)
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert len(stub.asked) == 64
    assert so_far(prober).asked == 0


async def test_a_system_no_longer_watched_is_left_alone(stub: Stub, prober: Prober) -> None:
    prober.watch({"his": spec(f"{stub.url}/his"), "lis": spec(f"{stub.url}/lis")})
    await eventually(lambda: {"GET /his", "GET /lis"} <= set(stub.asked))
    prober.watch({"lis": spec(f"{stub.url}/lis")})
    await eventually(lambda: stub.asked[-3:] == ["GET /lis"] * 3)
    stub.asked.clear()
    await eventually(lambda: len(stub.asked) >= 5)
    assert set(stub.asked) == {"GET /lis"}


async def test_a_changed_probe_replaces_the_old_one_and_keeps_its_memory(stub: Stub, prober: Prober) -> None:
    prober.watch({"his": spec(f"{stub.url}/old")})
    await eventually(lambda: so_far(prober).answered >= 1)
    before = so_far(prober).asked
    prober.watch({"his": spec(f"{stub.url}/new")})
    await eventually(lambda: stub.asked[-3:] == ["GET /new"] * 3)
    assert so_far(prober).asked >= before


async def test_nothing_is_known_of_a_system_never_watched(prober: Prober) -> None:
    assert so_far(prober, "nobody").asked == 0
