"""Pieces of work that take turns."""

import asyncio
import functools

import pytest

from services.runtime import fair_queue
from services.runtime.fair_queue import FairQueue
from tests.support.waiting import until


async def test_one_piece_of_work_runs_in_each_turn_of_the_event_loop_in_order() -> None:
    turns, done = FairQueue(), list[str]()
    loop = asyncio.get_running_loop()

    def work(name: str) -> None:
        done.append(name)
        loop.call_soon(done.append, "another")

    for name in ("a", "b", "c"):
        turns.put(lambda name=name: work(name))
    assert done == []
    await until(lambda: len(done) == 6)
    assert done == ["a", "another", "b", "another", "c", "another"]


async def test_work_that_is_queued_by_work_comes_last() -> None:
    turns, done = FairQueue(), list[str]()

    def more() -> None:
        done.append("first")
        turns.put(lambda: done.append("last"))

    turns.put(more)
    turns.put(lambda: done.append("second"))
    await until(lambda: len(done) == 3)
    assert done == ["first", "second", "last"]


async def test_work_that_fails_is_reported_and_delays_nobody() -> None:
    turns, done, reported = FairQueue(), list[str](), list[BaseException | None]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context.get("exception")))

    def fail() -> None:
        raise ValueError("broken")

    turns.put(fail)
    turns.put(lambda: done.append("next"))
    await until(lambda: bool(done))
    assert done == ["next"]
    (error,) = reported
    with pytest.raises(ValueError, match="broken"):
        raise error or AssertionError


async def test_pieces_are_begun_until_the_turn_is_over_and_the_rest_comes_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, done = 0.0, list[int]()
    monkeypatch.setattr(fair_queue, "perf_counter", lambda: now_s)
    turns = FairQueue(turn_s=0.002)

    def work(number: int) -> None:
        nonlocal now_s
        now_s += 0.0005
        done.append(number)

    for number in range(10):
        turns.put(functools.partial(work, number))
    counts = list[int]()
    while len(done) < 10:
        await asyncio.sleep(0)
        counts.append(len(done))
    assert counts == [4, 8, 10]
    assert done == list(range(10))


async def test_of_all_who_wait_for_their_turn_one_goes_on_in_each_iteration() -> None:
    turns, gone = FairQueue(), list[int]()

    async def go(number: int) -> None:
        await turns.turn()
        gone.append(number)

    going = [asyncio.create_task(go(number)) for number in range(5)]
    await asyncio.sleep(0)
    going[1].cancel()
    before = at_once = 0
    while len(gone) < 4:
        await asyncio.sleep(0)
        at_once = max(at_once, len(gone) - before)
        before = len(gone)
    assert (gone, at_once) == ([0, 2, 3, 4], 1)
