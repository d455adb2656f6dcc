"""Jobs that each process runs at intervals."""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable

import structlog

from services.errors import DatabaseUnavailable
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running

_log = structlog.stdlib.get_logger(__name__)

# A job runs for the first time within so many seconds, but not in the first half of them: a process that starts is
# busy. A process that lives for less than the interval of a job does its share too.
FIRST_RUN_S = 20.0


class PeriodicJobs:
    """Runs jobs at their intervals until it is stopped. A job that fails is logged and tried again.

    The first run comes after the interval, but within ``FIRST_RUN_S`` at a random moment: the jobs of processes
    that started together do not all run at once.
    """

    def __init__(self, counters: Counters, **jobs: tuple[float, Callable[[], Awaitable[object]]]) -> None:
        """``jobs`` maps a name to an interval in seconds and what to do."""
        self._counters = counters
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(
                keep_running(name, functools.partial(self._repeat, name, interval_s, job), self._counters)
            )
            for name, (interval_s, job) in self._jobs.items()
        ]

    async def stop(self) -> None:
        """Stop all jobs; a running job is cancelled."""
        await cancel_and_wait(self._tasks)

    async def _repeat(self, name: str, interval_s: float, job: Callable[[], Awaitable[object]]) -> None:
        wait_s = min(interval_s, FIRST_RUN_S * random.uniform(0.5, 1))  # noqa: S311 - no secret
        while True:
            await asyncio.sleep(wait_s)
            wait_s = interval_s
            try:
                await job()
            except DatabaseUnavailable as error:
                _log.warning("a job waits for the database", job=name, error=str(error))
            except Exception:
                _log.exception("job failed", job=name)
