"""Asks hospital systems from outside, at a fixed pace, and remembers what came back."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import httpx

from shuishan.model.clock import Clock
from shuishan.model.proof import ProbeSummary
from shuishan.model.site import ProbeSpec

_KEPT = 36_000  # answers per system: an hour at ten a second
_MOST_OPEN = 64  # questions waiting for an answer; beyond it, asking more would only measure ourselves


@dataclass(frozen=True, slots=True)
class Answer:
    """One question: when it was asked, whether it was answered 2xx in time, and how long that took."""

    at_s: float
    ok: bool
    latency_ms: float
    note: str = ""


def summarize(system: str, answers: list[Answer], from_s: float, to_s: float) -> ProbeSummary:
    """What was seen of `system` by questions asked in [from_s, to_s]."""
    within = [answer for answer in answers if from_s <= answer.at_s <= to_s]
    latencies = [answer.latency_ms for answer in within if answer.ok]
    return ProbeSummary(
        system=system,
        from_s=from_s,
        to_s=to_s,
        asked=len(within),
        answered=len(latencies),
        lost=len(within) - len(latencies),
        latency_p50_ms=round(median(latencies), 1) if latencies else None,
        latency_max_ms=round(max(latencies), 1) if latencies else None,
    )


class Prober:
    """Probes every system it is told of, each at its own interval, until closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_s: dict[str, float] = {}  # when each system was asked for the first time
        self._client = httpx.AsyncClient(limits=httpx.Limits(max_connections=_MOST_OPEN), trust_env=False)
        self._answers: dict[str, deque[Answer]] = {}
        self._tasks: dict[str, tuple[ProbeSpec, asyncio.Task[None]]] = {}

    def watch(self, probes: Mapping[str, ProbeSpec]) -> None:
        """Probe exactly these systems from now on; others are forgotten."""
        for name in set(self._tasks) - set(probes):
            self._tasks.pop(name)[1].cancel()
            self._answers.pop(name, None)
            self._since_s.pop(name, None)
        for name, spec in probes.items():
            running = self._tasks.get(name)
            if running is not None and running[0] == spec:
                continue
            if running is not None:
                running[1].cancel()
            self._answers.setdefault(name, deque(maxlen=_KEPT))
            self._since_s.setdefault(name, self._clock.now_s())
            self._tasks[name] = (spec, asyncio.create_task(self._ask_for_ever(name, spec)))

    def summary(self, system: str, from_s: float, to_s: float) -> ProbeSummary:
        """What was seen of `system`; the summary begins later than `from_s` where asking began later."""
        began_s = min(max(from_s, self._since_s.get(system, to_s)), to_s)
        return summarize(system, list(self._answers.get(system, ())), began_s, to_s)

    async def answers(self, url: str, *, timeout_s: float) -> bool:
        """One question outside the routine; True for a 2xx answer in time."""
        return (await self._ask(url, timeout_s)).ok

    async def close(self) -> None:
        for _, task in self._tasks.values():
            task.cancel()
        for _, task in self._tasks.values():
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        await self._client.aclose()

    async def _ask_for_ever(self, system: str, spec: ProbeSpec) -> None:
        """Questions leave on time whether or not earlier ones were answered (an open loop)."""
        open_questions: set[asyncio.Task[None]] = set()
        try:
            while True:
                if len(open_questions) < _MOST_OPEN:
                    question = asyncio.create_task(self._ask_and_keep(system, spec))
                    open_questions.add(question)
                    question.add_done_callback(open_questions.discard)
                await self._clock.sleep(spec.interval_s)
        finally:
            for question in open_questions:
                question.cancel()

    async def _ask_and_keep(self, system: str, spec: ProbeSpec) -> None:
        self._answers[system].append(await self._ask(spec.url, spec.timeout_s))

    async def _ask(self, url: str, timeout_s: float) -> Answer:
        at_s = self._clock.now_s()
        try:
            response = await self._client.get(url, timeout=timeout_s)
        except (httpx.HTTPError, httpx.InvalidURL) as cause:
            return Answer(
                at_s, False, (self._clock.now_s() - at_s) * 1000, f"{type(cause).__name__}: {cause}"
            )
        took_ms = (self._clock.now_s() - at_s) * 1000
        return Answer(
            at_s, response.is_success, took_ms, "" if response.is_success else str(response.status_code)
        )
