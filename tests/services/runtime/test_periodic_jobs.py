"""Periodic jobs run again and again, even if one fails."""

import asyncio
from heapq import heappop, heappush
from itertools import count
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from application.application import Application
from services.errors import DatabaseUnavailable
from services.runtime import periodic_jobs as module
from services.runtime import tasks
from services.runtime.counters import Counters
from services.runtime.periodic_jobs import FIRST_RUN_S, PeriodicJobs
from tests.support.database_rows import add_rider, add_trip
from tests.support.waiting import PATIENCE_S, until

HOUR_S = 3600


class Clock:
    """A clock that the test advances; jobs sleep by it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sleeping: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = count()

    async def sleep(self, seconds: float) -> None:
        """Return when the clock has advanced by that time."""
        woken = asyncio.get_running_loop().create_future()
        heappush(self.sleeping, (self.now_s + seconds, next(self._number), woken))
        await woken

    async def advance(self, to_s: float) -> None:
        """Wake those whose time comes, one after the other, each until it sleeps again."""
        all_of_them = len(self.sleeping)
        while self.sleeping[0][0] <= to_s:
            self.now_s, _, woken = heappop(self.sleeping)
            woken.set_result(None)
            await until(lambda: len(self.sleeping) == all_of_them)
        self.now_s = to_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(create_task=asyncio.create_task, sleep=clock.sleep))
    return clock


@pytest.mark.parametrize(("interval_s", "first_s"), [(HOUR_S, FIRST_RUN_S), (1.0, 1.0)])
async def test_a_job_runs_soon_after_the_start_and_then_at_its_interval(
    clock: Clock, interval_s: float, first_s: float
) -> None:
    ran: list[float] = []

    async def job() -> None:
        ran.append(clock.now_s)

    jobs = PeriodicJobs(Counters(), job=(interval_s, job))
    await jobs.start()
    await until(lambda: len(clock.sleeping) == 1)
    await clock.advance(first_s + 2 * interval_s)
    await jobs.stop()
    assert first_s / 2 <= ran[0] <= first_s
    assert [later - ran[0] for later in ran[1:3]] == pytest.approx([interval_s, 2 * interval_s])


async def test_the_jobs_of_processes_that_start_together_do_not_run_together(clock: Clock) -> None:
    began: list[float] = []

    async def job() -> None:
        began.append(clock.now_s)

    processes = [PeriodicJobs(Counters(), job=(HOUR_S, job)) for _ in range(40)]
    for process in processes:
        await process.start()
    await until(lambda: len(clock.sleeping) == len(processes))
    await clock.advance(FIRST_RUN_S)
    for process in processes:
        await process.stop()
    assert len(set(began)) == len(processes)
    assert max(began) - min(began) > FIRST_RUN_S / 4


@pytest.mark.parametrize("failure", [DatabaseUnavailable("away"), RuntimeError("broken")])
async def test_a_job_that_fails_is_logged_and_runs_again(failure: Exception) -> None:
    done, other_done, calls = asyncio.Event(), asyncio.Event(), 0

    async def job() -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise failure
        done.set()

    async def other() -> None:
        other_done.set()

    periodic_jobs = PeriodicJobs(Counters(), flaky=(0.001, job), steady=(0.001, other))
    with capture_logs() as logs:
        await periodic_jobs.start()
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
            await other_done.wait()
        await periodic_jobs.stop()

    level = "warning" if isinstance(failure, DatabaseUnavailable) else "error"
    assert [(entry["job"], entry["log_level"]) for entry in logs] == [("flaky", level)] * 2


async def test_a_job_that_awaits_a_cancelled_task_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.0)
    counters, done, calls = Counters(), asyncio.Event(), 0

    async def job() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            waited = asyncio.get_running_loop().create_future()
            waited.cancel()
            await waited
        done.set()

    periodic_jobs = PeriodicJobs(counters, flaky=(0.001, job))
    with capture_logs() as logs:
        await periodic_jobs.start()
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        await periodic_jobs.stop()
    assert [(entry["task"], entry["log_level"]) for entry in logs] == [("flaky", "error")]
    assert counters.restarted_tasks == 1


async def test_a_job_under_way_is_cancelled_at_the_stop_and_none_begins_after_it() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    periodic_jobs = PeriodicJobs(Counters(), job=(0, job))
    await periodic_jobs.start()
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
        await periodic_jobs.stop()

    assert cancelled.is_set()
    assert all(task.done() for task in periodic_jobs._tasks)


async def test_jobs_that_never_began_can_be_stopped() -> None:
    await PeriodicJobs(Counters(), job=(1, asyncio.Event().wait)).stop()


async def test_a_server_expires_what_is_overdue_by_itself_and_says_so(application: Application) -> None:
    database = application.database
    async with application.bus.listen(application.services.topics.pool) as messages:
        trip_id = await add_trip(database, await add_rider(database), expires_in_s=-1)
        async with asyncio.timeout(PATIENCE_S):
            message = await anext(aiter(messages))

    assert str(trip_id).encode() in message
    assert b'"EXPIRED"' in message
