"""Simultaneous look-ups go together, and nothing is cached."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from services.runtime import crowd, data_loader
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


class Timers:
    """The timers that are set, which the test fires."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting: list[Callable[[], None]] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self._set)

    def _set(self, _delay_s: float, work: Callable[..., None], *arguments: object) -> None:
        self.waiting.append(partial(work, *arguments))

    def fire(self) -> None:
        self.waiting.pop()()


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    """Time stands still."""
    monkeypatch.setattr(crowd, "WINDOW_S", float("inf"))
    return Timers(monkeypatch)


async def crowded(source: Source) -> DataLoader[str, int]:
    """A loader of which a crowd has asked."""
    lengths = DataLoader(source.fetch, gathers=True)
    for number in range(crowd.CROWD - 1):
        await lengths.get(str(number))
    assert len(source.asked) == crowd.CROWD - 1, "the first ones waited"
    return lengths


async def ask(lengths: DataLoader[str, int], *keys: str) -> list[asyncio.Task[int | None]]:
    """Ask for keys one after the other."""
    asking: list[asyncio.Task[int | None]] = []
    for key in keys:
        asking.append(asyncio.create_task(lengths.get(key)))
        for _ in range(3):
            await asyncio.sleep(0)
    return asking


async def test_the_keys_of_a_crowd_wait_for_each_other_until_no_more_come(source: Source, timers: Timers) -> None:
    lengths = await crowded(source)
    asking = await ask(lengths, "x")
    asking += await ask(lengths, "yy")
    timers.fire()
    asking += await ask(lengths, "zzz")
    timers.fire()
    assert len(source.asked) == crowd.CROWD - 1
    timers.fire()
    assert await asyncio.gather(*asking) == [1, 2, 3]
    assert source.asked[crowd.CROWD - 1 :] == [["x", "yy", "zzz"]]
    assert timers.waiting == []


@pytest.mark.parametrize(("enough", "gathered_s"), [(3, 60.0), (100, 0.0)], ids=["enough keys", "long enough"])
async def test_the_keys_of_a_crowd_do_not_wait_for_all_that_come(
    source: Source, timers: Timers, monkeypatch: pytest.MonkeyPatch, enough: int, gathered_s: float
) -> None:
    monkeypatch.setattr(data_loader, "ENOUGH_KEYS", enough)
    monkeypatch.setattr(data_loader, "GATHERED_S", gathered_s)
    asking = await ask(await crowded(source), "x", "yy", "zzz")
    timers.fire()
    assert await asyncio.gather(*asking) == [1, 2, 3]


async def test_a_look_up_of_a_crowd_that_waits_for_others_is_answered_once(source: Source, timers: Timers) -> None:
    lengths = await crowded(source)
    source.hold.clear()
    asking = await ask(lengths, "x")
    timers.fire()
    asking += await ask(lengths, "yy")
    source.hold.set()
    timers.fire()
    assert await asyncio.gather(*asking) == [1, 2]
    assert source.asked[crowd.CROWD - 1 :] == [["x"], ["yy"]]


async def test_those_who_came_long_ago_are_no_crowd(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    timers = Timers(monkeypatch)
    monkeypatch.setattr(crowd, "WINDOW_S", 0.0)
    lengths = DataLoader(source.fetch, gathers=True)
    for number in range(3 * crowd.CROWD):
        await lengths.get(str(number))
    assert timers.waiting == []
