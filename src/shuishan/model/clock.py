"""Time as an argument, so that tests and simulations decide what it is."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from shuishan.model.errors import Silent


class Clock(Protocol):
    """now_s: seconds since the epoch. sleep: lets others run meanwhile."""

    def now_s(self) -> float: ...
    async def sleep(self, duration_s: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now_s(self) -> float:
        return time.time()

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(duration_s)


async def until(
    done: Callable[[], bool], *, deadline_s: float, clock: Clock, why: str, poll_s: float = 0.1
) -> None:
    """Wait until `done()`; raises Silent, naming `why`, when `deadline_s` seconds have passed."""
    end_s = clock.now_s() + deadline_s
    while not done():
        if clock.now_s() >= end_s:
            raise Silent(f"{why}: not so after {deadline_s:g} s", subject="wait")
        await clock.sleep(poll_s)
