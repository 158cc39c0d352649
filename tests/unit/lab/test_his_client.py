"""The clerk believes only what comes back right."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from tests.unit.http_stub import Reply, Stub, a_closed_port, eventually, http_stub

from shuishan.lab.his_client import HisClient
from shuishan.model.errors import EngineRefused


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with http_stub() as made:
        yield made


def patient(body: object) -> str:
    return cast(dict[str, Any], body)["patient"]


async def asked(stub: Stub, url: str | None = None, *, timeout_s: float = 60, times: int = 3) -> HisClient:
    """A clerk that asked some times and went home."""
    async with HisClient(url or stub.url, timeout_s=timeout_s, interval_s=0.01) as clerk:
        await eventually(lambda: len(clerk.answers) >= times)
    return clerk


async def test_acknowledged_are_the_ids_that_came_back(stub: Stub) -> None:
    ids = iter(range(100, 100_000))
    stub.answer = lambda _request, body: Reply(201, {"id": next(ids), "patient": patient(body)})
    clerk = await asked(stub)
    assert clerk.lost == []
    assert sorted(clerk.acknowledged) == list(range(100, 100 + len(clerk.answers)))
    assert set(stub.asked) == {"POST /registrations"}
    summary = clerk.summary("his")
    assert (summary.asked, summary.lost) == (len(clerk.answers), 0)


@pytest.mark.parametrize(
    ("reply", "note"),
    [
        (Reply(200, {"id": 1, "patient": "somebody else"}), "200"),
        (Reply(200, {"id": "1", "patient": "visitor 1"}), "200"),
        (Reply(200, {"patient": "visitor 1"}), "200"),
        (Reply(503, {"id": 1, "patient": "visitor 1"}), "503"),
        (Reply(200, []), ""),
        (Reply(200, None), ""),
    ],
)
async def test_a_wrong_answer_is_a_lost_registration(stub: Stub, reply: Reply, note: str) -> None:
    stub.answer = lambda _request, _body: reply
    clerk = await asked(stub)
    assert clerk.acknowledged == []
    assert clerk.lost == clerk.answers
    assert clerk.lost[0].note.startswith(note)


async def test_an_answer_that_is_no_json_is_lost(stub: Stub) -> None:
    stub.answer = lambda _request, _body: Reply(200, float("nan"))  # json.dumps says NaN
    clerk = await asked(stub)
    assert len(clerk.lost) == len(clerk.answers)


async def test_what_hangs_longer_than_the_hospital_bears_is_lost(stub: Stub) -> None:
    stub.answer = lambda _request, _body: Reply(hang=True)
    clerk = await asked(stub, timeout_s=0.3)
    assert clerk.lost == clerk.answers
    assert "Timeout" in clerk.lost[0].note


async def test_a_closed_door_is_lost(stub: Stub) -> None:
    clerk = await asked(stub, await a_closed_port())
    assert clerk.lost == clerk.answers
    assert "ConnectError" in clerk.lost[0].note


async def test_answers_on_their_way_are_waited_for(stub: Stub) -> None:
    """Every question asked is counted once the clerk has gone home."""
    stub.answer = lambda _request, body: Reply(200, {"id": 1, "patient": patient(body)})
    async with HisClient(stub.url, timeout_s=60, interval_s=0.001) as clerk:
        await eventually(lambda: len(stub.asked) >= 10)
    await asyncio.sleep(0)
    assert len(clerk.answers) >= len(stub.asked)


async def test_count_is_what_the_hospital_says(stub: Stub) -> None:
    stub.answer = lambda _request, _body: Reply(200, {"count": 7})
    assert await HisClient(stub.url + "/", timeout_s=60).count() == 7
    assert stub.asked == ["GET /registrations/count"]


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, {}), Reply(200, {"count": "many"}), Reply(200, [])])
async def test_a_hospital_that_does_not_count_says_so(stub: Stub, reply: Reply) -> None:
    stub.answer = lambda _request, _body: reply
    with pytest.raises(EngineRefused, match="does not count"):
        await HisClient(stub.url, timeout_s=60).count()
