"""Nobody is stuck in a trip: staff, the system, and a rider whose driver is silent can end it."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.application import Application
from application.settings import Settings
from models.geo import GeoPoint
from models.staff_action import StaffActionKind
from models.trip_life import CancelCode, ChangedBy, TripStatus
from models.visibility import Actor
from services.accounts.deletion import TripUnderWay
from services.accounts.passwords import Passwords
from services.errors import BadInput
from services.positions.redis_positions import RedisPositions
from services.positions.store import MemoryPositions
from services.staff.staff import StaffMember
from services.trips import rows as trip_rows
from services.trips.faults import IllegalTransition, TooEarly, TripNotFound
from tests.support.api import PASSWORD
from tests.support.attacks import Attack
from tests.support.database_rows import add_driver, add_rider, add_trip, noted_trips, set_staff, trip_row
from tests.support.processes import HASH_MEMORY_KIB

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
COMPLETED, CANCELLED, EXPIRED = TripStatus.COMPLETED, TripStatus.CANCELLED, TripStatus.EXPIRED
# Of the settings below: positions live longer than the silence.
SILENT_S, TTL_S, MAX_S = 300, 600, 3600
ROUNDS = 8
HASH = Passwords(concurrency=1, memory_kib=HASH_MEMORY_KIB)._hasher.hash(PASSWORD)  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"silent_driver_s": SILENT_S, "location_ttl_s": TTL_S, "trip_max_s": MAX_S})


@dataclass
class Town:
    app: Application

    async def trip(self, status: TripStatus = IN_PROGRESS, *, age_s: int = 0) -> "Ride":
        """A trip whose last change is so long ago."""
        rider, driver = await add_rider(self.app.database), await add_driver(self.app.database)
        has_driver = status in (STARTED, IN_PROGRESS, COMPLETED)
        trip_id = await add_trip(
            self.app.database, rider, status=status, driver=driver if has_driver else None, age_s=age_s
        )
        return Ride(self.app, rider, driver, trip_id)

    async def staff(self) -> StaffMember:
        member = await add_rider(self.app.database)
        await set_staff(self.app.database, member.id)
        return StaffMember(member)


@dataclass
class Ride:
    app: Application
    rider: Actor
    driver: Actor
    trip_id: UUID

    async def cancel(self, code: CancelCode | None = None) -> object:
        return await self.app.services.trips.update(
            self.rider, trip_id=self.trip_id, status=CANCELLED, cancel_code=code
        )

    async def complete(self) -> object:
        return await self.app.services.trips.update(self.driver, trip_id=self.trip_id, status=COMPLETED)

    async def report(self, *, age_s: float) -> None:
        await self.app.services.positions.report(
            self.driver, point=GeoPoint(52.5, 13.4), recorded_at=datetime.now(UTC) - timedelta(seconds=age_s)
        )

    async def row(self) -> dict[str, object]:
        return await trip_row(self.app.database, self.trip_id)

    async def can_be_deleted(self) -> None:
        """Both accounts can go."""
        for actor in (self.rider, self.driver):
            await self.app.database.fetch("UPDATE users SET password_hash = $2 WHERE id = $1", actor.id, HASH)
            await self.app.services.deletions.delete(actor, password=PASSWORD)


def has_run(app: Application, seconds: float) -> None:
    """Let the positions have been whole for so long."""
    store = app.position_store
    if isinstance(store, RedisPositions):
        store._link.whole_since -= seconds  # pyright: ignore[reportPrivateUsage]
    else:
        assert isinstance(store, MemoryPositions)
        store.since_s -= seconds


@pytest.fixture
async def town(application: Application) -> Town:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    has_run(application, 10 * TTL_S)
    return Town(application)


@pytest.mark.parametrize("status", [STARTED, IN_PROGRESS])
async def test_staff_complete_any_trip_with_a_driver(town: Town, status: TripStatus) -> None:
    ride, member = await town.trip(status), await town.staff()

    done = await town.app.staff.complete_trip(member, trip_id=ride.trip_id, reason="Broken phone")

    assert (done.status, done.version, done.cancel_code) == (COMPLETED, 2, None)
    assert await noted_trips(town.app.database) == [(ride.trip_id, False, None)]
    (entry,) = await town.app.services.history.of(ride.trip_id)
    assert (entry.changed_by, entry.status, entry.reason) == (ChangedBy.STAFF, COMPLETED, None)
    (action,) = await town.app.database.fetch("SELECT action, detail, trip_id FROM staff_actions")
    assert (action["action"], action["detail"]) == (StaffActionKind.COMPLETE_TRIP, "Broken phone")
    await ride.can_be_deleted()


async def test_staff_cannot_complete_a_trip_without_a_driver_or_one_that_has_ended(town: Town) -> None:
    member = await town.staff()
    for status in (REQUESTED, EXPIRED, COMPLETED):
        ride = await town.trip(status)
        with pytest.raises(IllegalTransition):
            await town.app.staff.complete_trip(member, trip_id=ride.trip_id, reason="")
    with pytest.raises(TripNotFound):
        await town.app.staff.complete_trip(member, trip_id=UUID(int=7), reason="")
    assert await town.app.database.fetch("SELECT id FROM staff_actions") == []


async def test_staff_cancel_with_the_code_staff_unless_they_choose_another(town: Town) -> None:
    member = await town.staff()
    for code, stored in ((None, CancelCode.STAFF), (CancelCode.SAFETY, CancelCode.SAFETY)):
        ride = await town.trip()
        trip = await town.app.staff.cancel_trip(member, trip_id=ride.trip_id, reason="", cancel_code=code)
        assert trip.cancel_code is stored
        await ride.can_be_deleted()
    with pytest.raises(BadInput):
        await town.app.staff.cancel_trip(
            member, trip_id=(await town.trip()).trip_id, reason="", cancel_code=CancelCode.ABANDONED
        )


@pytest.mark.parametrize("status", [STARTED, IN_PROGRESS])
async def test_a_trip_that_nobody_has_changed_for_too_long_is_abandoned(town: Town, status: TripStatus) -> None:
    old, young = await town.trip(status, age_s=MAX_S), await town.trip(status, age_s=MAX_S - 60)
    waiting = await town.trip(REQUESTED, age_s=MAX_S)

    assert sum(await asyncio.gather(*(town.app.services.trips.end_abandoned() for _ in range(3)))) == 1

    row = await old.row()
    assert (row["status"], row["version"], row["cancel_code"]) == ("CANCELLED", 2, "ABANDONED")
    (entry,) = await town.app.services.history.of(old.trip_id)
    assert (entry.changed_by, entry.user, entry.cancel_code) == (ChangedBy.SYSTEM, None, CancelCode.ABANDONED)
    assert (await young.row())["status"] == status
    assert (await waiting.row())["status"] == "REQUESTED"
    await old.can_be_deleted()


async def test_a_rider_in_the_car_ends_the_trip_of_a_silent_driver(town: Town) -> None:
    ride = await town.trip(age_s=SILENT_S)
    await ride.report(age_s=SILENT_S + 5)

    await ride.cancel()

    assert ((await ride.row())["status"], (await ride.row())["cancel_code"]) == ("CANCELLED", "OTHER")
    await ride.cancel()
    await ride.can_be_deleted()


@pytest.mark.attack("access")
async def test_a_position_or_a_change_of_the_trip_is_a_sign_of_life(town: Town) -> None:
    changed = await town.trip(age_s=SILENT_S - 60)
    with pytest.raises(TooEarly) as refusal:
        await changed.cancel()
    assert refusal.value.retry_after_s in (59, 60)

    reported = await town.trip(age_s=SILENT_S)
    await reported.report(age_s=SILENT_S - 100)
    with pytest.raises(TooEarly) as refusal:
        await reported.cancel(CancelCode.SAFETY)
    assert refusal.value.retry_after_s in (99, 100)
    assert (await reported.row())["version"] == 1


@pytest.mark.attack("access")
async def test_a_rider_does_not_get_out_of_the_ride_while_the_driver_is_heard_of(
    town: Town, attempts: Attack
) -> None:
    ride = await town.trip(age_s=SILENT_S + 60)
    await ride.report(age_s=30)
    codes = [None, *CancelCode]

    outcomes = await asyncio.gather(*(ride.cancel(code) for code in codes), return_exceptions=True)

    attempts.add(len(codes))
    # Codes that are not the rider's are bad input.
    assert {type(outcome) for outcome in outcomes} == {TooEarly, BadInput}
    row = await ride.row()
    assert (row["status"], row["version"], row["cancel_code"]) == ("IN_PROGRESS", 1, None)
    await ride.complete()


@pytest.mark.attack("access")
async def test_a_deletion_is_no_way_around_the_wait(town: Town) -> None:
    ride = await town.trip(age_s=SILENT_S)

    with pytest.raises(TripUnderWay):
        await ride.can_be_deleted()


@pytest.mark.attack("access")
async def test_after_a_restart_missing_positions_say_nothing_until_they_would_be_known(town: Town) -> None:
    ride = await town.trip(age_s=SILENT_S)
    has_run(town.app, -10 * TTL_S)

    with pytest.raises(TooEarly) as refusal:
        await ride.cancel()

    assert refusal.value.retry_after_s is not None
    assert SILENT_S - 30 < refusal.value.retry_after_s <= SILENT_S


@pytest.mark.attack("access")
async def test_while_positions_cannot_be_asked_nobody_counts_as_silent(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    ride = await town.trip(age_s=SILENT_S)
    monkeypatch.setattr(type(town.app.position_store), "whole_s", None)

    with pytest.raises(TooEarly) as refusal:
        await ride.cancel()

    assert (refusal.value.retryable, refusal.value.retry_after_s) == (True, None)


async def test_positions_that_are_kept_shorter_than_the_silence_count_for_their_lifetime(town: Town) -> None:
    positions, driver = town.app.services.positions, await add_driver(town.app.database)
    has_run(town.app, -10 * TTL_S + TTL_S - 100)

    left_s = await positions.silent_in_s(driver.id, after_s=10 * TTL_S)

    assert left_s is not None
    assert 60 < left_s <= 100, "a driver without a position has been silent for the lifetime, not for longer"


@pytest.mark.parametrize("rival", ["staff", "system"])
async def test_of_a_completion_and_its_rival_exactly_one_wins(town: Town, rival: str) -> None:
    member = await town.staff()
    for _ in range(ROUNDS):
        ride = await town.trip(age_s=MAX_S)
        other = (
            town.app.staff.complete_trip(member, trip_id=ride.trip_id, reason="")
            if rival == "staff"
            else town.app.services.trips.end_abandoned()
        )

        await asyncio.gather(ride.complete(), other, return_exceptions=True)

        assert (await ride.row())["version"] == 2
        assert len(await town.app.services.history.of(ride.trip_id)) == 1


async def test_abandoned_trips_are_found_by_an_index_of_the_active_ones(town: Town) -> None:
    sql = trip_rows.driven_sql("updated <= {now}", limit=200)
    if town.app.database.sql.writes_one_by_one:
        plan = await town.app.database.fetch(f"EXPLAIN QUERY PLAN {sql}")
        assert "USING INDEX trips_one_active_a_driver" in str([row["detail"] for row in plan])
    else:
        async with town.app.database.transaction() as transaction:
            await transaction.fetch("SET LOCAL enable_seqscan = off")
            plan = await transaction.fetch(f"EXPLAIN {sql}")
        # Each has the active trips alone; which is cheaper depends on the statistics.
        assert re.search("trips_(one_active_a_driver|active_of_rider|active) ", str([*map(dict, plan)]))
