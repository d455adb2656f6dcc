"""Old trips are removed after `TRIP_RETENTION_DAYS`, with what belongs to them, and nothing else."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.staff_action import StaffActionKind
from models.trip_life import ENDED, OPEN, TripStatus
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.runtime import periodic_jobs
from services.runtime.counters import Counters
from services.staff.staff import StaffMember
from services.trips import retention
from services.trips.retention import DAY_S, TripRetention
from tests.support.database_rows import WITH_DRIVER, add_driver, add_rider, add_trip, set_staff
from tests.support.waiting import until

DAYS = 30
OLD_S = DAYS * DAY_S + 60
YOUNG_S = DAYS * DAY_S - 60
# A driver has one active trip.
ACTIVE = (*OPEN, TripStatus.IN_PROGRESS)


@pytest.fixture
async def application(application: Application) -> Application:
    """Its jobs do not run."""
    await application.periodic_jobs.stop()
    return application


async def remove(application: Application, *, days: int | None = DAYS) -> int:
    """Let one process remove what is due; the number that it counted."""
    counters = Counters()
    await TripRetention(application.database, counters, days=days).remove_old()
    return counters.removed_trips


async def kept(application: Application) -> set[UUID]:
    return {uuid(row["id"]) for row in await application.database.fetch("SELECT id FROM trips")}


async def test_trips_that_ended_long_ago_are_removed_and_no_others(application: Application) -> None:
    rider, driver = await add_rider(application.database), await add_driver(application.database)

    async def add(status: TripStatus, age_s: int) -> UUID:
        has_driver = status in WITH_DRIVER
        return await add_trip(
            application.database, rider, status=status, driver=driver if has_driver else None, age_s=age_s
        )

    stay = {await add(status, YOUNG_S) for status in ENDED} | {await add(status, OLD_S) for status in ACTIVE}
    for status in ENDED:
        await add(status, OLD_S)
    assert await remove(application) == 3
    assert await kept(application) == stay
    assert await remove(application) == 0


async def test_a_trip_that_ended_lately_stays_however_long_ago_it_was_requested(application: Application) -> None:
    trip_id = await add_trip(
        application.database, await add_rider(application.database), status=TripStatus.CANCELLED, age_s=OLD_S
    )
    await application.database.fetch("UPDATE trips SET updated = {now} WHERE id = $1", trip_id)
    assert await remove(application) == 0
    assert await kept(application) == {trip_id}


async def test_without_the_setting_all_trips_are_kept(application: Application) -> None:
    await add_trip(
        application.database, await add_rider(application.database), status=TripStatus.EXPIRED, age_s=OLD_S
    )
    assert application.settings.trip_retention_days is None
    assert await remove(application, days=None) == 0
    assert len(await kept(application)) == 1


async def test_history_and_ratings_go_too_and_the_average_and_the_trail_stay(application: Application) -> None:
    database = application.database
    rider, driver, member = await add_rider(database), await add_driver(database), await add_rider(database)
    await set_staff(database, member.id)
    trip_id = await add_trip(database, rider, status=TripStatus.IN_PROGRESS, driver=driver)
    await application.staff.complete_trip(StaffMember(member), trip_id=trip_id, reason="a broken phone")
    await application.services.ratings.rate(rider, trip_id=trip_id, stars=4, comment="Kind.")
    old = database.sql.ago(OLD_S)
    await database.fetch(f"UPDATE trips SET created = {old}, updated = {old} WHERE id = $1", trip_id)
    assert await remove(application) == 1
    for table in ("trips", "trip_changes", "ratings"):
        assert (await database.fetch(f"SELECT count(*) AS n FROM {table}"))[0]["n"] == 0
    average = await application.services.ratings.received_by(driver.id)
    assert average is not None
    assert (average.average, average.count) == (4.0, 1)
    (entry,) = await database.fetch("SELECT action, trip_id, detail FROM staff_actions")
    assert (entry["action"], entry["trip_id"], entry["detail"]) == (
        StaffActionKind.COMPLETE_TRIP,
        None,
        "a broken phone",
    )


async def test_a_server_that_lives_for_less_than_an_hour_removes_old_trips_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Application(settings)
    async with running(before):
        rider = await add_rider(before.database)
        await add_trip(before.database, rider, status=TripStatus.EXPIRED, age_s=OLD_S)
        young = await add_trip(before.database, rider, status=TripStatus.EXPIRED, age_s=YOUNG_S)
    monkeypatch.setattr(periodic_jobs, "FIRST_RUN_S", 0.05)
    server = Application(settings.model_copy(update={"trip_retention_days": DAYS}))

    async def only_the_young_one_is_left() -> bool:
        return await kept(server) == {young}

    async with running(server):
        await until(only_the_young_one_is_left)


async def test_processes_share_the_work(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "REMOVED_AT_ONCE", 3)
    rider = await add_rider(application.database)
    for _ in range(20):
        await add_trip(application.database, rider, status=TripStatus.EXPIRED, age_s=OLD_S)
    assert sum(await asyncio.gather(*(remove(application) for _ in range(3)))) == 20
    assert await kept(application) == set()


async def test_each_statement_goes_on_after_the_trips_that_were_removed(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dump keeps removed rows for as long as it runs: to pass them all each time takes ever longer."""
    monkeypatch.setattr(retention, "REMOVED_AT_ONCE", 3)
    rider = await add_rider(application.database)
    for number in range(7):
        await add_trip(application.database, rider, status=TripStatus.EXPIRED, age_s=OLD_S + number)
    asked: list[datetime] = []
    run = Database._run

    async def spy(self: Database, connection: Any, sql: str, args: Any) -> Any:
        rows = await run(self, connection, sql, args)
        if sql.startswith("SELECT id, created FROM trips"):
            asked.append(moment(args[0]))
            assert all(moment(row["created"]) > asked[-1] for row in rows)
        return rows

    monkeypatch.setattr(Database, "_run", spy)
    assert await remove(application) == 7
    assert asked == sorted(set(asked))
    assert len(asked) == 4


async def test_the_entries_of_the_trail_are_found_by_an_index(application: Application) -> None:
    # The foreign key asks the same for each removed trip.
    sql = "SELECT id FROM staff_actions WHERE trip_id = $1"
    if application.database.sql.writes_one_by_one:
        plan = await application.database.fetch(f"EXPLAIN QUERY PLAN {sql}", UUID(int=0))
    else:
        plan = await application.database.fetch(f"EXPLAIN {sql}", UUID(int=0))
    assert "staff_actions_of_trip" in str([*map(dict, plan)])
