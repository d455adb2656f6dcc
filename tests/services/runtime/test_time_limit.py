"""Work that shares a time limit is cancelled when it has taken too long, and nothing else is."""

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.runtime.time_limit import Limited, TimeLimit

SHORT_S = 0.02
LONG_S = 60


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


@contextmanager
def counted_timers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The times for which timers are set in the block."""
    loop, times = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at
    with monkeypatch.context() as patch:
        patch.setattr(loop, "call_at", lambda when, *args: (times.append(when), call_at(when, *args))[1])
        yield times


async def test_work_that_takes_too_long_is_cancelled_and_raises_a_timeout() -> None:
    limited = TimeLimit(SHORT_S).limited()
    with pytest.raises(TimeoutError), limited:
        await for_ever()
    assert limited.has_expired
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    # The task goes on as if it had never been cancelled.
    await asyncio.sleep(0)


async def test_each_piece_of_work_has_the_whole_time() -> None:
    limit, loop = TimeLimit(SHORT_S), asyncio.get_running_loop()

    async def work(times: int) -> list[float]:
        taken = list[float]()
        for _ in range(times):
            began = loop.time()
            with pytest.raises(TimeoutError), limit.limited():
                await for_ever()
            taken.append(loop.time() - began)
        return taken

    taken = await asyncio.gather(work(3), work(2), work(1))
    assert min(min(times) for times in taken) >= SHORT_S


async def test_work_that_is_done_in_time_is_left_alone_and_much_of_it_sets_one_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = TimeLimit(LONG_S)

    async def work() -> int:
        with limit.limited() as limited:
            await asyncio.sleep(0)
        assert not limited.has_expired
        return 1

    with counted_timers(monkeypatch) as times:
        assert sum([await work() for _ in range(10)]) == 10
        assert sum(await asyncio.gather(*(work() for _ in range(10)))) == 10
    assert len(times) == 1


async def test_a_task_that_is_cancelled_for_another_reason_too_stays_cancelled() -> None:
    limit, is_cancelled = TimeLimit(SHORT_S), asyncio.Event()

    async def work() -> None:
        with limit.limited():
            try:
                await for_ever()
            finally:
                is_cancelled.set()
                await asyncio.shield(asyncio.sleep(0))

    task = asyncio.create_task(work())
    await is_cancelled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancelled_task_has_not_timed_out() -> None:
    limit = TimeLimit(LONG_S)

    async def work() -> None:
        with limit.limited():
            await for_ever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_has_ended_leaves_nothing_to_the_garbage_collector() -> None:
    limit = TimeLimit(LONG_S)

    async def work() -> "weakref.ref[Limited]":
        limited = limit.limited()
        try:
            with limited:
                await asyncio.sleep(0)
                raise ValueError
        except ValueError:
            return weakref.ref(limited)

    gc.disable()
    try:
        assert (await asyncio.create_task(work()))() is None
    finally:
        gc.enable()
