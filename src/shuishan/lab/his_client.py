"""A clerk at the registration desk: registers a patient ten times a second and checks what comes back.

Stands outside the control plane on purpose: it sees what the hospital sees, also while the control
plane is dead. Every registration that was acknowledged must be there in the end.
"""

import asyncio
import contextlib
import time
from typing import Any, Self, cast

import httpx

from shuishan.model.errors import EngineRefused
from shuishan.model.proof import ProbeSummary
from shuishan.prove.prober import Answer, summarize


class HisClient:
    """`async with HisClient(url, …) as clerk:` asks until the block ends.

    timeout_s: after this a request counts as lost: the hospital's own tolerance
    """

    def __init__(self, url: str, *, timeout_s: float, interval_s: float = 0.1) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._interval_s = interval_s
        self._client = httpx.AsyncClient(
            timeout=timeout_s, limits=httpx.Limits(max_connections=64), trust_env=False
        )
        self._task: asyncio.Task[None] | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.answers: list[Answer] = []
        self.acknowledged: list[int] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._ask_for_ever())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop asking, and wait for the answers still on their way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._open:
            await asyncio.wait(self._open, timeout=self._timeout_s + 1)
        await self._client.aclose()

    def summary(self, system: str) -> ProbeSummary:
        """All that was asked so far."""
        times = [answer.at_s for answer in self.answers] or [0.0]
        return summarize(system, self.answers, min(times), max(times))

    @property
    def lost(self) -> list[Answer]:
        return [answer for answer in self.answers if not answer.ok]

    async def count(self) -> int:
        """Registrations the hospital holds. Raises EngineRefused when it does not say."""
        async with httpx.AsyncClient(timeout=self._timeout_s, trust_env=False) as client:
            try:
                response = await client.get(f"{self._url}/registrations/count")
                response.raise_for_status()
                return int(response.json()["count"])
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as cause:
                raise EngineRefused(f"{self._url} does not count: {cause}", subject="system/his") from cause

    async def _ask_for_ever(self) -> None:
        """Leaves on time whether or not earlier ones were answered, as patients do."""
        next_s = time.monotonic()
        number = 0
        while True:
            number += 1
            question = asyncio.create_task(self._register(number))
            self._open.add(question)
            question.add_done_callback(self._open.discard)
            next_s += self._interval_s
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))

    async def _register(self, number: int) -> None:
        at_s, began = time.time(), time.monotonic()
        patient = f"visitor {number}"
        try:
            response = await self._client.post(
                f"{self._url}/registrations", json={"patient": patient, "department": "outpatient"}
            )
            said = response.json() if response.is_success else None
        except (httpx.HTTPError, ValueError) as cause:
            took_ms = (time.monotonic() - began) * 1000
            self.answers.append(Answer(at_s, False, took_ms, f"{type(cause).__name__}: {cause}"))
            return
        body = cast(dict[str, Any], said) if isinstance(said, dict) else {}
        right = body.get("patient") == patient and isinstance(body.get("id"), int)
        if right:
            self.acknowledged.append(cast(int, body["id"]))
        note = "" if right else f"{response.status_code} {response.text[:100]}"
        self.answers.append(Answer(at_s, right, (time.monotonic() - began) * 1000, note))
