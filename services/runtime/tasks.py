"""Restarts and cancels background tasks reliably."""

import asyncio
import types
from collections.abc import Callable, Collection, Coroutine, Generator
from typing import Any, TypeVar

import structlog

from services.runtime.counters import Counters

T = TypeVar("T")

_log = structlog.stdlib.get_logger(__name__)

CANCEL_AGAIN_S = 0.1
RESTART_DELAY_S = 1.0


async def keep_running(name: str, work: Callable[[], Coroutine[Any, Any, None]], counters: Counters) -> None:
    """Run ``work`` until this task is cancelled.

    If ``work`` returns or raises, that is logged with its traceback and counted, and ``work`` starts again.
    Otherwise its end would stay unnoticed: the task is awaited only when the server stops.
    """
    task = asyncio.current_task()
    assert task is not None
    while True:
        error = None
        try:
            # In a task of its own: on Python 3.11 a task in which a TaskGroup has failed stays `cancelling`.
            await asyncio.create_task(work(), name=name)
        # CancelledError: something that `work` awaited was cancelled, not this task.
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        if task.cancelling():
            raise error if error is not None else asyncio.CancelledError
        _log.error("a background task ended and restarts", task=name, exc_info=error)
        counters.restarted_tasks += 1
        del error
        await asyncio.sleep(RESTART_DELAY_S)


async def within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine with a time limit. Sets the timer only if the coroutine has to wait.

    Raises:
        TimeoutError: the limit was exceeded; the coroutine was cancelled.
    """
    try:
        blocked_on = work.send(None)
    except StopIteration as done:
        return done.value
    async with asyncio.timeout(seconds):
        return await resumed(work, blocked_on)


@types.coroutine
def resumed(work: Coroutine[Any, Any, T], blocked_on: Any) -> Generator[Any, Any, T]:
    """Continue a coroutine that was started with ``send`` and suspended at its first ``await``."""
    while True:
        value: Any = None
        thrown: BaseException | None = None
        try:
            value = yield blocked_on
        except BaseException as error:
            thrown = error
        try:
            blocked_on = work.send(value) if thrown is None else work.throw(thrown)
        except StopIteration as done:
            return done.value
        finally:
            # Its traceback refers to this frame: both would wait for the garbage collector.
            thrown = None


def log_failure(task: "asyncio.Task[None]") -> None:
    """Log the error of a task when it ends. For ``add_done_callback`` of tasks that are not awaited."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a background task failed", task=task.get_name(), exc_info=error)


async def cancel_and_wait(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks and wait until all have ended.

    Cancels repeatedly: on Python 3.11, ``asyncio.wait_for`` (used by redis-py to connect) swallows a cancellation
    that arrives together with its result.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=CANCEL_AGAIN_S)
