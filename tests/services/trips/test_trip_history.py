"""A trip's history: who changed what and when, written together with the change."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest

from application.application import Application
from models.trip_life import ChangedBy, TripStatus
from models.values import TripChangeValue, TripValue
from models.visibility import Actor
from services.database.connections import Database
from services.trips.commands import Trips
from services.trips.faults import DriverBusy, IllegalTransition, TripExpired, TripTaken
from services.trips.history import TripHistory
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_driver, add_rider, add_trip, trip_row

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
COMPLETED, CANCELLED, EXPIRED = TripStatus.COMPLETED, TripStatus.CANCELLED, TripStatus.EXPIRED


@dataclass
class Town:
    trips: Trips
    history: TripHistory
    database: Database

    async def request(self, rider: Actor, key: str | None = None) -> TripValue:
        return await self.trips.request(
            rider, pick_up_address="Here", drop_off_address="There", idempotency_key=key
        )

    async def update(self, actor: Actor, trip_id: UUID, status: TripStatus) -> TripValue:
        return await self.trips.update(actor, trip_id=trip_id, status=status)

    async def of(self, trip_id: UUID) -> list[tuple[int, TripStatus, ChangedBy, UUID | None]]:
        return [_told(change) for change in await self.history.of(trip_id)]


def _told(change: TripChangeValue) -> tuple[int, TripStatus, ChangedBy, UUID | None]:
    return change.version, change.status, change.changed_by, change.user.id if change.user is not None else None


@pytest.fixture
async def town(application: Application) -> Town:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return Town(application.services.trips, application.services.history, application.database)


async def test_every_change_leaves_one_entry_with_its_author_and_time(town: Town) -> None:
    rider, first, second = (
        await add_rider(town.database),
        await add_driver(town.database),
        await add_driver(town.database),
    )
    trip = await town.request(rider)
    steps: Sequence[tuple[Actor, TripStatus]] = (
        (first, STARTED),
        (first, REQUESTED),
        (second, STARTED),
        (second, IN_PROGRESS),
        (second, COMPLETED),
    )
    changes = [trip] + [await town.update(actor, trip.id, status) for actor, status in steps]

    assert await town.of(trip.id) == [
        (1, REQUESTED, ChangedBy.RIDER, rider.id),
        (2, STARTED, ChangedBy.DRIVER, first.id),
        (3, REQUESTED, ChangedBy.DRIVER, first.id),
        (4, STARTED, ChangedBy.DRIVER, second.id),
        (5, IN_PROGRESS, ChangedBy.DRIVER, second.id),
        (6, COMPLETED, ChangedBy.DRIVER, second.id),
    ]
    told = await town.history.of(trip.id)
    assert [change.at for change in told] == [changed.updated for changed in changes]
    assert [change.user for change in told] == [rider.user, first.user, first.user, *[second.user] * 3]


async def test_a_cancellation_has_its_rider_as_author_and_an_expiry_has_none(town: Town) -> None:
    rider = await add_rider(town.database)
    cancelled, swept, too_late = [(await town.request(rider)).id for _ in range(3)]
    await town.update(rider, cancelled, CANCELLED)
    await town.database.fetch(
        f"UPDATE trips SET expires_at = {town.database.sql.ago(1)} WHERE id IN ($1, $2)", swept, too_late
    )
    with pytest.raises(TripExpired):
        await town.update(await add_driver(town.database), too_late, STARTED)
    assert await town.trips.expire_overdue() == 1

    assert (await town.of(cancelled))[1:] == [(2, CANCELLED, ChangedBy.RIDER, rider.id)]
    for trip_id in (swept, too_late):
        assert (await town.of(trip_id))[1:] == [(2, EXPIRED, ChangedBy.SYSTEM, None)]


async def test_a_repeated_change_leaves_no_entry(town: Town) -> None:
    rider, driver = await add_rider(town.database), await add_driver(town.database)
    trip = await town.request(rider, "key")
    assert (await town.request(rider, "key")).id == trip.id
    for status in (STARTED, STARTED, IN_PROGRESS, IN_PROGRESS, COMPLETED, COMPLETED):
        await town.update(driver, trip.id, status)
    assert [version for version, *_ in await town.of(trip.id)] == [1, 2, 3, 4]


async def test_a_refused_change_leaves_no_entry(town: Town) -> None:
    rider, driver, other = (
        await add_rider(town.database),
        await add_driver(town.database),
        await add_driver(town.database),
    )
    trip, busy = await town.request(rider), await town.request(rider)
    await town.update(driver, trip.id, STARTED)
    with pytest.raises(TripTaken):
        await town.update(other, trip.id, STARTED)
    with pytest.raises(IllegalTransition):
        await town.update(driver, trip.id, COMPLETED)
    with pytest.raises(DriverBusy):
        await town.update(driver, busy.id, STARTED)
    assert len(await town.of(trip.id)) == 2
    assert len(await town.of(busy.id)) == 1


@asynccontextmanager
async def without(database: Database, table: str) -> AsyncIterator[None]:
    """Nothing can be written to that table."""
    await database.fetch(f"ALTER TABLE {table} RENAME TO mislaid")
    try:
        yield
    finally:
        await database.fetch(f"ALTER TABLE mislaid RENAME TO {table}")


@pytest.mark.parametrize("table", ["trip_changes", "outbox"])
async def test_a_change_its_entry_and_its_note_are_written_together_or_not_at_all(town: Town, table: str) -> None:
    rider, driver = await add_rider(town.database), await add_driver(town.database)
    trip = await town.request(rider)
    before = await trip_row(town.database, trip.id)

    async with without(town.database, table):
        with pytest.raises(Exception, match=table):
            await town.update(driver, trip.id, STARTED)
        with pytest.raises(Exception, match=table):
            await town.request(rider)

    assert await trip_row(town.database, trip.id) == before
    assert [version for version, *_ in await town.of(trip.id)] == [1]
    assert len(await town.database.fetch("SELECT id FROM trips")) == 1
    assert len(await town.database.fetch("SELECT trip_id FROM trip_changes")) == 1
    await town.update(driver, trip.id, STARTED)
    assert [version for version, *_ in await town.of(trip.id)] == [1, 2]


async def test_a_trip_older_than_the_histories_has_the_changes_since(town: Town) -> None:
    driver = await add_driver(town.database)
    trip_id = await add_trip(town.database, await add_rider(town.database), status=STARTED, driver=driver)
    assert await town.of(trip_id) == []
    await town.update(driver, trip_id, IN_PROGRESS)
    assert await town.of(trip_id) == [(2, IN_PROGRESS, ChangedBy.DRIVER, driver.id)]


async def test_histories_that_are_requested_together_are_one_statement(town: Town) -> None:
    rider = await add_rider(town.database)
    trips = [await town.request(rider) for _ in range(20)]
    with statements() as seen:
        found = await asyncio.gather(*(town.history.of(trip.id) for trip in trips))
    assert len(seen) == 1
    assert [len(history) for history in found] == [1] * 20
