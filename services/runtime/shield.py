"""Work that a vanished client must not tear apart."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from services.errors import BadInput, SessionEnded, UserFault, UserFaults

T = TypeVar("T")
_log = structlog.stdlib.get_logger(__name__)


class Shield:
    """Runs use cases that write.

    Each runs in a task of its own: disconnects, ``complete`` and time caps end the waiting, never the
    work. So a change that was committed is also announced.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work``; it goes on to its end even if the caller is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(_log_failure)
            raise

    async def drain(self) -> None:
        """Wait until everything under way has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _log_failure(task: "asyncio.Task[Any]") -> None:
    error = None if task.cancelled() else task.exception()
    # What the caller could have been told is nobody's concern now.
    if error is not None and not isinstance(error, UserFault | UserFaults | BadInput | SessionEnded):
        _log.error("work failed after its caller had gone", exc_info=error)
