"""One result for many waiters."""

import asyncio

import pytest

from services.runtime.fair_queue import FairQueue
from services.runtime.shared_result import BYTES_AT_ONCE, WOKEN_AT_ONCE, SharedResult


async def test_a_hundred_waiters_are_woken_a_few_in_each_iteration_in_order() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    shared, woken = SharedResult(future, FairQueue()), list[int]()

    async def wait(number: int) -> None:
        assert await shared.wait() == "result"
        woken.append(number)

    async with asyncio.TaskGroup() as waiting:
        for number in range(100):
            waiting.create_task(wait(number))
        await asyncio.sleep(0)
        future.set_result("result")
        before = at_once = 0
        while len(woken) < 100:
            await asyncio.sleep(0)
            at_once = max(at_once, len(woken) - before)
            before = len(woken)
    assert woken == list(range(100))
    assert at_once <= WOKEN_AT_ONCE
    await shared.all_woken()
    assert await shared.wait() == "result"


async def test_a_cancelled_waiter_does_not_affect_the_others() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    shared = SharedResult(future, FairQueue())
    leaving, staying = asyncio.create_task(shared.wait()), asyncio.create_task(shared.wait())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    future.set_result("result")
    assert await staying == "result"
    assert leaving.cancelled()


async def test_a_failure_reaches_all_waiters_and_later_ones() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    shared = SharedResult(future, FairQueue())
    waiting = asyncio.create_task(shared.wait())
    await asyncio.sleep(0)
    future.set_exception(ValueError("broken"))
    for each in (waiting, shared.wait()):
        with pytest.raises(ValueError, match="broken"):
            await each


@pytest.mark.parametrize(
    ("size", "expected"), [(1, WOKEN_AT_ONCE), (BYTES_AT_ONCE // 4, 4), (BYTES_AT_ONCE * 9, 1)]
)
async def test_those_who_write_much_are_woken_fewer_at_a_time(size: int, expected: int) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    shared, woken = SharedResult(future, FairQueue(), size=lambda size: size), list[int]()

    async def wait(number: int) -> None:
        await shared.wait()
        woken.append(number)

    async with asyncio.TaskGroup() as waiting:
        for number in range(50):
            waiting.create_task(wait(number))
        await asyncio.sleep(0)
        assert not shared.has_woken_all
        future.set_result(size)
        before = at_once = 0
        while len(woken) < 50:
            await asyncio.sleep(0)
            at_once = max(at_once, len(woken) - before)
            before = len(woken)
    assert at_once == expected
    assert shared.has_woken_all
