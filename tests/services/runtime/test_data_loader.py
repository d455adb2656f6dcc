"""Simultaneous look-ups go together, and nothing is cached."""

import asyncio
from collections.abc import Mapping

import pytest

from services.runtime.data_loader import DataLoader


class Source:
    """Returns the length of words. ``hold`` delays an answer until it is set."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.began = asyncio.Event()

    async def fetch(self, keys: list[str]) -> Mapping[str, int]:
        self.asked.append(keys)
        self.began.set()
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        return {key: len(key) for key in keys if key != "unknown"}


@pytest.fixture
async def source() -> Source:
    return Source()


async def test_all_keys_of_one_turn_are_one_look_up_and_equal_ones_are_requested_once(source: Source) -> None:
    lengths = DataLoader(source.fetch)

    assert await asyncio.gather(*(lengths.get(key) for key in ("a", "bb", "a", "unknown"))) == [1, 2, 1, None]

    assert source.asked == [["a", "bb", "unknown"]]


async def test_a_look_up_begins_after_it_was_requested(source: Source) -> None:
    lengths = DataLoader(source.fetch)
    source.hold.clear()
    first = asyncio.create_task(lengths.get("a"))
    await source.began.wait()

    second = asyncio.create_task(lengths.get("a"))
    source.hold.set()

    assert (await first, await second) == (1, 1)
    assert source.asked == [["a"], ["a"]]


async def test_a_failure_reaches_all_waiting_callers_and_no_later_one(source: Source) -> None:
    lengths = DataLoader(source.fetch)
    source.failure = OSError("away")

    results = await asyncio.gather(lengths.get("a"), lengths.get("bb"), return_exceptions=True)

    assert results == [source.failure, source.failure]
    source.failure = None
    assert await lengths.get("a") == 1


async def test_a_cancelled_caller_does_not_affect_the_others(source: Source) -> None:
    lengths = DataLoader(source.fetch)
    source.hold.clear()
    leaving, staying = asyncio.create_task(lengths.get("a")), asyncio.create_task(lengths.get("a"))
    await source.began.wait()

    leaving.cancel()
    source.hold.set()

    assert await staying == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert source.asked == [["a"]]


async def test_while_two_look_ups_run_new_callers_go_together_in_the_next(source: Source) -> None:
    lengths = DataLoader(source.fetch)
    source.hold.clear()
    asking: list[asyncio.Task[int | None]] = []
    for key in ("a", "bb"):
        source.began.clear()
        asking.append(asyncio.create_task(lengths.get(key)))
        await source.began.wait()
    for key in ("ccc", "dddd"):
        asking.append(asyncio.create_task(lengths.get(key)))
        # In separate turns of the loop: they do not come together.
        await asyncio.sleep(0)
    source.hold.set()

    assert await asyncio.gather(*asking) == [1, 2, 3, 4]

    assert source.asked == [["a"], ["bb"], ["ccc", "dddd"]]
