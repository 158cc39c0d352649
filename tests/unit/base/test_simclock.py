import asyncio

from shuishan.base.simclock import SimClock


async def test_sleepers_wake_in_the_order_of_their_time() -> None:
    clock = SimClock(0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps_s: float) -> None:
        for nap_s in naps_s:
            await clock.sleep(nap_s)
            woken.append((name, clock.now_s()))

    await asyncio.gather(sleeper("a", 10), sleeper("b", 1, 2, 20), sleeper("c", 5, 5))
    assert [now_s for _, now_s in woken] == [1, 3, 5, 10, 10, 23]
    assert woken[-1] == ("b", 23)


async def test_a_cancelled_sleeper_does_not_take_time_with_it() -> None:
    clock = SimClock(0)
    task = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await clock.sleep(1)
    assert clock.now_s() == 1
