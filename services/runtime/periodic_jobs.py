"""What has to be done now and then, by any process."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.database.connections import DatabaseUnavailable
from services.runtime.tasks import end

_log = structlog.stdlib.get_logger(__name__)


class Housekeeping:
    """Runs chores at their intervals until it is stopped. A chore that fails is logged and tried again."""

    def __init__(self, **chores: tuple[float, Callable[[], Awaitable[object]]]) -> None:
        """``chores`` maps a name to an interval in seconds and what to do."""
        self._chores = chores
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._repeat(name, interval_s, chore))
            for name, (interval_s, chore) in self._chores.items()
        ]

    async def stop(self) -> None:
        """End; a chore under way is cancelled."""
        await end(self._tasks)

    async def _repeat(self, name: str, interval_s: float, chore: Callable[[], Awaitable[object]]) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await chore()
            except DatabaseUnavailable as error:
                _log.warning("chore has to wait for the database", chore=name, error=str(error))
            except Exception:
                _log.exception("chore failed", chore=name)
