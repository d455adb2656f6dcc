"""Calls during a round trip go together in the next; a single call never waits."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from services.runtime.batches import Batches


class Line:
    """Doubles numbers, one batch at a time. ``hold`` delays an answer until it is set."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.failure: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.began = asyncio.Event()

    async def send(self, items: list[int], since: float) -> Sequence[int]:
        assert since <= asyncio.get_running_loop().time()
        self.sent.append(items)
        self.began.set()
        await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        return [2 * item for item in items]


async def held(line: Line, doubles: Batches[int, int], first: int) -> asyncio.Future[int]:
    """A running round trip."""
    line.hold.clear()
    asking = doubles.run(first)
    await line.began.wait()
    return asking


async def test_a_single_call_goes_immediately() -> None:
    line = Line()
    doubles = Batches(line.send, at_most=10)
    assert [await doubles.run(1), await doubles.run(2)] == [2, 4]
    assert line.sent == [[1], [2]]


async def test_calls_during_a_round_trip_go_together_in_the_next_in_order() -> None:
    line = Line()
    doubles = Batches(line.send, at_most=3)
    first = await held(line, doubles, 0)
    later = [doubles.run(item) for item in range(1, 6)]
    await asyncio.sleep(0)
    line.hold.set()

    assert await asyncio.gather(first, *later) == [0, 2, 4, 6, 8, 10]

    assert line.sent == [[0], [1, 2, 3], [4, 5]]


async def test_a_failure_reaches_only_its_batch_and_a_cancelled_caller_delays_nobody() -> None:
    line = Line()
    doubles = Batches(line.send, at_most=10)
    first = await held(line, doubles, 0)
    gone, stays = doubles.run(1), doubles.run(2)
    await asyncio.sleep(0)
    gone.cancel()
    line.failure = OSError("away")
    line.hold.set()
    results = await asyncio.gather(first, gone, stays, return_exceptions=True)
    assert [type(result) for result in results] == [OSError, asyncio.CancelledError, OSError]

    line.failure = None
    assert await doubles.run(3) == 6


async def test_a_failure_that_no_caller_waits_for_is_logged() -> None:
    line = Line()
    doubles = Batches(line.send, at_most=10)
    first = await held(line, doubles, 0)
    line.failure = RuntimeError("broken")
    with capture_logs() as logs:
        first.cancel()
        line.hold.set()
        with pytest.raises(RuntimeError):
            await doubles.run(1)
    assert [(entry["log_level"], entry["exc_info"]) for entry in logs] == [("error", line.failure)]
