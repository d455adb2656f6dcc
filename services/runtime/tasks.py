"""Tasks that live as long as the server: kept running, and cancelled reliably."""

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

    If ``work`` ends by itself, returning or raising, that is logged in full and counted, and it begins again.
    Otherwise nobody would notice: the task is awaited only when the server stops.
    """
    task = asyncio.current_task()
    assert task is not None
    while True:
        error = None
        try:
            # In a task of its own: on Python 3.11 a task in which a TaskGroup has failed stays `cancelling`.
            await asyncio.create_task(work(), name=name)
        # What it waited for may have been cancelled.
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        if task.cancelling():
            raise error if error is not None else asyncio.CancelledError
        _log.error("a background task ended and begins again", task=name, exc_info=error)
        counters.restarted_tasks += 1
        del error
        await asyncio.sleep(RESTART_DELAY_S)


async def within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine. A timer is set only if it has to wait, which most often it need not.

    Raises:
        TimeoutError: it took longer. It was cancelled then.
    """
    try:
        blocked_on = work.send(None)
    except StopIteration as done:
        return done.value
    async with asyncio.timeout(seconds):
        return await resumed(work, blocked_on)


@types.coroutine
def resumed(work: Coroutine[Any, Any, T], blocked_on: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that was started by ``send`` and stopped at its first wait."""
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
            # Its traceback knows this frame: both would wait for the garbage collector.
            thrown = None


def log_failure(task: "asyncio.Task[None]") -> None:
    """Log the error of a task as soon as it has ended. For ``add_done_callback`` of tasks that nobody awaits."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a background task failed", task=task.get_name(), exc_info=error)


async def cancel_and_wait(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Cancel the tasks and wait until all have ended.

    It cancels repeatedly:
    on Python 3.11 asyncio.wait_for, through which redis-py connects, swallows a cancellation that
    comes together with its result.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=CANCEL_AGAIN_S)
