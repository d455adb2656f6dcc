"""Runs work to its end even if the client disconnects."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from services.errors import BadInput, SessionEnded, UserFault, UserFaults

T = TypeVar("T")
_log = structlog.stdlib.get_logger(__name__)


class Shield:
    """Runs use cases that write.

    Each runs in a task of its own: a disconnect, ``complete`` or a timeout cancels the wait, never the work.
    So every committed change is also announced.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work``; it runs to its end even if the caller is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(_log_failure)
            raise

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Run ``work`` to its end without waiting for it. A failure is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)

    async def drain(self) -> None:
        """Wait until all running work has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _log_failure(task: "asyncio.Task[Any]") -> None:
    error = None if task.cancelled() else task.exception()
    # Errors of the caller need no log line: the caller is gone.
    if error is not None and not isinstance(error, UserFault | UserFaults | BadInput | SessionEnded):
        _log.error("work failed after its caller had left", exc_info=error)
