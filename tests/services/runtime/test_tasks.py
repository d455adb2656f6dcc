"""A background task cannot end unnoticed."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.runtime import tasks
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running, log_failure, resumed, within
from tests.support.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.0)


async def fails() -> None:
    raise RuntimeError("broken")


async def returns() -> None: ...


async def waits_for_what_is_cancelled() -> None:
    waited = asyncio.get_running_loop().create_future()
    waited.cancel()
    await waited


@pytest.mark.parametrize("end", [fails, returns, waits_for_what_is_cancelled])
async def test_a_task_that_ends_unexpectedly_is_logged_in_full_and_counted_and_restarted(
    end: Callable[[], asyncio.Future[None]],
) -> None:
    counters, again, times = Counters(), asyncio.Event(), 0

    async def work() -> None:
        nonlocal times
        times += 1
        if times < 3:
            await end()
        else:
            again.set()
            await asyncio.Event().wait()

    with capture_logs() as logs:
        task = asyncio.create_task(keep_running("something", work, counters))
        async with asyncio.timeout(PATIENCE_S):
            await again.wait()
            await cancel_and_wait([task])
    assert [(entry["task"], entry["log_level"]) for entry in logs] == [("something", "error")] * 2
    raised = type(logs[0]["exc_info"])
    assert raised is {fails: RuntimeError, returns: type(None)}.get(end, asyncio.CancelledError)
    assert counters.restarted_tasks == 2
    assert task.cancelled()


async def test_the_failure_of_a_task_that_nobody_awaits_is_logged_immediately() -> None:
    with capture_logs() as logs:
        task = asyncio.create_task(fails(), name="something")
        task.add_done_callback(log_failure)
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert [(entry["task"], type(entry["exc_info"])) for entry in logs] == [("something", RuntimeError)]


async def test_a_cancelled_task_ends_even_if_its_work_swallows_the_cancellation() -> None:
    counters, begun = Counters(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # As asyncio.wait_for does on Python 3.11, now and then.
            return

    with capture_logs() as logs:
        task = asyncio.create_task(keep_running("something", work, counters))
        await begun.wait()
        async with asyncio.timeout(PATIENCE_S):
            await cancel_and_wait([task])
    assert (logs, counters.restarted_tasks) == ([], 0)


async def times_out(work: Coroutine[Any, Any, None]) -> None:
    with suppress(TimeoutError):
        await within(0.0, work)


async def is_cancelled(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(resumed(work, work.send(None)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("end", [times_out, is_cancelled])
async def test_work_that_is_resumed_and_cancelled_leaves_nothing_to_the_garbage_collector(
    end: Callable[[Coroutine[Any, Any, None]], Coroutine[Any, Any, None]],
) -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    await end(work())
    gc.collect()
    gc.disable()
    try:
        await end(work())
        assert gc.collect() == 0
    finally:
        gc.enable()
