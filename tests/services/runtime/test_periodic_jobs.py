"""Periodic jobs run again and again, even if one fails."""

import asyncio

import pytest
from structlog.testing import capture_logs

from application.application import Application
from services.errors import DatabaseUnavailable
from services.runtime import tasks
from services.runtime.counters import Counters
from services.runtime.periodic_jobs import PeriodicJobs
from tests.support.database_rows import add_rider, add_trip

TIMEOUT_S = 5


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
        async with asyncio.timeout(TIMEOUT_S):
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
        async with asyncio.timeout(TIMEOUT_S):
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
    async with asyncio.timeout(TIMEOUT_S):
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
        async with asyncio.timeout(TIMEOUT_S):
            message = await anext(aiter(messages))

    assert str(trip_id).encode() in message
    assert b'"EXPIRED"' in message
