"""A trip's life through the use cases: who may do what, and the errors otherwise."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from application.application import Application
from models.geo import GeoPoint
from models.trip_life import TRANSITIONS, Guard, Party, Transition, TripStatus
from models.values import Role, TripValue
from models.visibility import Actor
from services.database.connections import Database
from services.database.dialects import moment
from services.errors import BadInput
from services.trips.commands import Trips
from services.trips.faults import (
    DriverBusy,
    IllegalTransition,
    NotADriver,
    NotARider,
    TooEarly,
    TripCancelled,
    TripExpired,
    TripNotFound,
    TripTaken,
    VersionConflict,
)
from tests.support.database_rows import WITH_DRIVER, add_driver, add_rider, add_trip, noted_trips, notes, trip_row

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
COMPLETED, CANCELLED, EXPIRED = TripStatus.COMPLETED, TripStatus.CANCELLED, TripStatus.EXPIRED


@dataclass
class Town:
    """The use cases over a database in which only this test writes; notes stay."""

    trips: Trips
    database: Database

    async def rider(self) -> Actor:
        return await add_rider(self.database)

    async def driver(self) -> Actor:
        return await add_driver(self.database)

    async def request(self, rider: Actor | None = None) -> TripValue:
        rider = rider if rider is not None else await self.rider()
        return await self.trips.request(rider, pick_up_address="Here", drop_off_address="There")

    async def is_overdue(self, trip_id: UUID) -> None:
        """Set the trip's deadline to the past, as if it were later."""
        await self.database.fetch(
            f"UPDATE trips SET expires_at = {self.database.sql.ago(1)} WHERE id = $1", trip_id
        )


@pytest.fixture
async def town(application: Application) -> Town:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return Town(application.services.trips, application.database)


# Each kind of caller, and the parties that it acts as.
KINDS: dict[str, tuple[Role, frozenset[Party]]] = {
    "its rider": (Role.RIDER, frozenset({Party.RIDER})),
    "another rider": (Role.RIDER, frozenset()),
    "its driver": (Role.DRIVER, frozenset({Party.DRIVER})),
    "another driver": (Role.DRIVER, frozenset({Party.ANY_DRIVER})),
    "a driver who gave it back": (Role.DRIVER, frozenset()),
}
STEPS_OF_RIDERS = frozenset({Party.RIDER})
STEPS_OF_DRIVERS = frozenset({Party.ANY_DRIVER, Party.DRIVER})
# What these guards wait for has not happened in a new trip.
WAITING = (Guard.WAITED, Guard.DRIVER_SILENT)
TOO_LATE = {CANCELLED: TripCancelled, EXPIRED: TripExpired}


def expected(kind: str, status: TripStatus, target: TripStatus) -> Transition | type[Exception] | None:
    """The step that is taken, the error that is raised, or None if the caller has already made this change."""
    role, parties = KINDS[kind]
    mine = STEPS_OF_RIDERS if role is Role.RIDER else STEPS_OF_DRIVERS
    makers = {t.by for t in TRANSITIONS if t.target is target}
    if not makers & mine and makers & (STEPS_OF_RIDERS | STEPS_OF_DRIVERS):
        return NotADriver if role is Role.RIDER else NotARider
    for step in TRANSITIONS:
        if (step.source, step.target) == (status, target) and step.by in parties:
            return TooEarly if step.guard in WAITING else step
    has_done = {
        "its rider": {CANCELLED},
        "its driver": {STARTED, IN_PROGRESS, COMPLETED},
        "a driver who gave it back": {REQUESTED},
    }
    if status is target and status in has_done.get(kind, ()):
        return None
    if kind in ("its rider", "its driver") or (kind == "another driver" and status is REQUESTED):
        return IllegalTransition
    if kind == "another driver" and target is STARTED:
        return TOO_LATE.get(status, TripTaken)
    return TripNotFound


@pytest.mark.parametrize("kind", KINDS)
async def test_every_caller_makes_exactly_the_changes_of_the_table(town: Town, kind: str) -> None:
    role, _ = KINDS[kind]
    taken: set[Transition] = set()
    for status in TripStatus:
        if kind == "its driver" and status in (REQUESTED, EXPIRED):
            continue
        for target in TripStatus:
            case = f"{kind}: {status} to {target}"
            rider = await town.rider()
            caller = (
                rider if kind == "its rider" else await (town.rider() if role is Role.RIDER else town.driver())
            )
            driver = None
            if kind == "its driver":
                driver = caller
            elif status in WITH_DRIVER:
                driver = await town.driver()
            trip_id = await add_trip(
                town.database,
                rider,
                status=status,
                driver=driver,
                given_back_by=caller if kind == "a driver who gave it back" else None,
            )
            before = await trip_row(town.database, trip_id)
            await town.database.fetch("DELETE FROM outbox")

            outcome = expected(kind, status, target)
            if isinstance(outcome, type):
                with pytest.raises(outcome):
                    await town.trips.update(caller, trip_id=trip_id, status=target)
            else:
                trip = await town.trips.update(caller, trip_id=trip_id, status=target)
                assert (trip.id, trip.status) == (trip_id, target), case

            after = await trip_row(town.database, trip_id)
            if isinstance(outcome, Transition):
                taken.add(outcome)
                gives_back = target is REQUESTED
                assert (after["status"], after["version"]) == (target, 2), case
                assert await noted_trips(town.database) == [
                    (trip_id, outcome.pool_hears, caller.id if gives_back else None)
                ], case
            else:
                assert after == before, case
                assert await noted_trips(town.database) == [], case
    assert taken == {t for t in TRANSITIONS if t.by in KINDS[kind][1] and t.guard not in WAITING}


async def test_a_driver_cannot_go_from_requested_to_in_progress(town: Town) -> None:
    """The tutorial that this product replaces lets a driver skip the way to the rider."""
    trip = await town.request()

    with pytest.raises(IllegalTransition, match="from REQUESTED to IN_PROGRESS"):
        await town.trips.update(await town.driver(), trip_id=trip.id, status=IN_PROGRESS)


async def test_a_request_belongs_to_the_caller_and_is_open_and_is_noted_once_for_the_pool(town: Town) -> None:
    rider = await town.rider()

    trip = await town.trips.request(
        rider,
        pick_up_address="  1 Main Street ",
        drop_off_address="9 Side Street",
        pick_up=GeoPoint(52.5, -13.25),
        drop_off=GeoPoint(-90, 180),
    )

    assert (trip.rider, trip.driver, trip.status, trip.version) == (rider.user, None, REQUESTED, 1)
    assert (trip.pick_up_address, trip.drop_off_address) == ("1 Main Street", "9 Side Street")
    assert (trip.pick_up, trip.drop_off) == (GeoPoint(52.5, -13.25), GeoPoint(-90, 180))
    assert trip.expires_at is not None
    assert 599 <= (trip.expires_at - trip.created).total_seconds() <= 601
    assert await noted_trips(town.database) == [(trip.id, True, None)]


async def test_a_driver_cannot_request_a_trip(town: Town) -> None:
    with pytest.raises(NotARider):
        await town.request(await town.driver())


async def test_each_change_has_a_later_time(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    requested = await town.request(rider)
    accepted = await town.trips.update(driver, trip_id=requested.id, status=STARTED)
    cancelled = await town.trips.update(rider, trip_id=requested.id, status=CANCELLED)

    assert requested.created == accepted.created == cancelled.created
    assert requested.updated <= accepted.updated <= cancelled.updated
    assert (requested.version, accepted.version, cancelled.version) == (1, 2, 3)
    assert accepted.expires_at is None


async def test_a_driver_who_gave_a_trip_back_neither_sees_nor_accepts_it_but_others_may(town: Town) -> None:
    rider, first, second = await town.rider(), await town.driver(), await town.driver()
    trip_id = await add_trip(town.database, rider, expires_in_s=5)
    await town.trips.update(first, trip_id=trip_id, status=STARTED)

    given_back = await town.trips.update(first, trip_id=trip_id, status=REQUESTED)

    assert given_back.driver is None
    assert given_back.given_back_by == {first.id}
    assert given_back.expires_at is not None
    assert (given_back.expires_at - given_back.updated).total_seconds() > 590, "the deadline begins anew"
    assert await town.trips.find(first, trip_id=trip_id) is None
    assert (await town.trips.page(first)).trips == ()
    with pytest.raises(TripNotFound):
        await town.trips.update(first, trip_id=trip_id, status=STARTED)
    again = await town.trips.update(second, trip_id=trip_id, status=STARTED)
    assert again.driver == second.user
    twice = await town.trips.update(second, trip_id=trip_id, status=REQUESTED)
    assert twice.given_back_by == {first.id, second.id}
    assert [t.id for t in (await town.trips.page(await town.driver())).trips] == [trip_id]


async def test_a_repeated_change_by_the_same_actor_succeeds_and_sends_nothing(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip = await town.request(rider)

    async def twice(actor: Actor, status: TripStatus, trip_id: UUID = trip.id) -> None:
        first = await town.trips.update(actor, trip_id=trip_id, status=status)
        noted = await noted_trips(town.database)
        # Repetition is checked before the version: the retry of a change has the version from before it.
        assert (
            await town.trips.update(actor, trip_id=trip_id, status=status, if_version=first.version - 1) == first
        )
        assert await town.trips.update(actor, trip_id=trip_id, status=status) == first
        assert await noted_trips(town.database) == noted

    await twice(driver, STARTED)
    await twice(driver, REQUESTED)
    driver = await town.driver()
    await twice(driver, STARTED)
    await twice(driver, IN_PROGRESS)
    await twice(driver, COMPLETED)
    await twice(rider, CANCELLED, (await town.request(rider)).id)


async def test_a_rider_who_asks_for_expired_has_not_made_it_expire(town: Town) -> None:
    rider = await town.rider()
    trip_id = await add_trip(town.database, rider, status=EXPIRED)

    with pytest.raises(IllegalTransition):
        await town.trips.update(rider, trip_id=trip_id, status=EXPIRED)


async def test_the_version_guards_a_change(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip = await town.request(rider)
    with pytest.raises(VersionConflict):
        await town.trips.update(driver, trip_id=trip.id, status=STARTED, if_version=2)

    await town.trips.update(driver, trip_id=trip.id, status=STARTED, if_version=1)

    with pytest.raises(VersionConflict):
        await town.trips.update(rider, trip_id=trip.id, status=CANCELLED, if_version=1)
    assert (await town.trips.update(rider, trip_id=trip.id, status=CANCELLED, if_version=2)).version == 3


async def test_a_version_reveals_nothing_of_an_invisible_trip(town: Town) -> None:
    trip = await town.request()

    with pytest.raises(TripNotFound):
        await town.trips.update(await town.rider(), trip_id=trip.id, status=CANCELLED, if_version=7)
    with pytest.raises(TripNotFound):
        await town.trips.update(await town.rider(), trip_id=uuid4(), status=CANCELLED)


async def test_a_driver_who_accepts_too_late_learns_why(town: Town) -> None:
    rider, winner, loser = await town.rider(), await town.driver(), await town.driver()
    taken, cancelled, expired = [(await town.request(rider)).id for _ in range(3)]
    await town.trips.update(winner, trip_id=taken, status=STARTED)
    await town.trips.update(rider, trip_id=cancelled, status=CANCELLED)
    await town.is_overdue(expired)
    assert await town.trips.expire_overdue() == 1

    for trip_id, fault in ((taken, TripTaken), (cancelled, TripCancelled), (expired, TripExpired)):
        with pytest.raises(fault):
            await town.trips.update(loser, trip_id=trip_id, status=STARTED)


async def test_a_deadline_holds_even_before_a_sweep(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip = await town.request(rider)
    await town.is_overdue(trip.id)

    with pytest.raises(TripExpired):
        await town.trips.update(driver, trip_id=trip.id, status=STARTED)

    seen = await town.trips.find(rider, trip_id=trip.id)
    assert seen is not None
    assert (seen.status, seen.version, seen.expires_at) == (EXPIRED, 2, None)
    assert await noted_trips(town.database) == [(trip.id, True, None)] * 2


async def test_a_sweep_expires_overdue_trips_once_and_no_others(town: Town) -> None:
    trips = [(await town.request()).id for _ in range(3)]
    started = await add_trip(town.database, await town.rider(), status=STARTED, driver=await town.driver())
    for trip_id in trips[:2]:
        await town.is_overdue(trip_id)
    await town.database.fetch("DELETE FROM outbox")

    counts = await asyncio.gather(*(town.trips.expire_overdue() for _ in range(4)))

    assert sum(counts) == 2
    statuses = [(await trip_row(town.database, trip_id))["status"] for trip_id in (*trips, started)]
    assert statuses == [EXPIRED, EXPIRED, REQUESTED, STARTED]
    assert sorted(await noted_trips(town.database)) == sorted((trip_id, True, None) for trip_id in trips[:2])


async def test_a_driver_drives_one_trip_at_a_time(town: Town) -> None:
    driver = await town.driver()
    first, second = await town.request(), await town.request()
    await town.trips.update(driver, trip_id=first.id, status=STARTED)
    await town.database.fetch("DELETE FROM outbox")

    with pytest.raises(DriverBusy) as refusal:
        await town.trips.update(driver, trip_id=second.id, status=STARTED)

    assert refusal.value.retryable
    assert await notes(town.database) == []
    await town.trips.update(driver, trip_id=first.id, status=IN_PROGRESS)
    await town.trips.update(driver, trip_id=first.id, status=COMPLETED)
    assert (await town.trips.update(driver, trip_id=second.id, status=STARTED)).driver == driver.user


async def test_a_busy_driver_who_accepts_too_late_gets_trip_taken(town: Town) -> None:
    driver, other = await town.driver(), await town.driver()
    first, second = await town.request(), await town.request()
    await town.trips.update(driver, trip_id=first.id, status=STARTED)
    await town.trips.update(other, trip_id=second.id, status=STARTED)

    with pytest.raises(TripTaken):
        await town.trips.update(driver, trip_id=second.id, status=STARTED)


async def test_of_two_simultaneous_accepts_by_one_driver_one_is_refused(town: Town) -> None:
    for _ in range(10):
        driver = await town.driver()
        trips = [await town.request(), await town.request()]

        results = await asyncio.gather(
            *(town.trips.update(driver, trip_id=trip.id, status=STARTED) for trip in trips), return_exceptions=True
        )

        assert sorted(type(result).__name__ for result in results) == ["DriverBusy", "TripValue"]


async def test_only_a_cancellation_keeps_its_reason(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    cancelled = await town.request(rider)
    trip = await town.trips.update(rider, trip_id=cancelled.id, status=CANCELLED, reason="  Found a tram ")
    assert trip.cancel_reason == "Found a tram"

    driven = await add_trip(town.database, rider, status=IN_PROGRESS, driver=driver)
    trip = await town.trips.update(driver, trip_id=driven, status=COMPLETED, reason="Arrived")
    assert trip.cancel_reason is None


@pytest.mark.parametrize("reason", ["x" * 501, "a\x00b", "a\u202eb"])
async def test_a_reason_that_cannot_be_stored_is_refused(town: Town, reason: str) -> None:
    trip = await town.request(rider := await town.rider())

    with pytest.raises(BadInput) as refusal:
        await town.trips.update(rider, trip_id=trip.id, status=CANCELLED, reason=reason)

    assert refusal.value.field == ("reason",)
    await town.trips.update(rider, trip_id=trip.id, status=CANCELLED, reason="x" * 500)


BAD_ADDRESSES = [
    "",
    " \t\n\u3000 ",
    "x" * 256,
    "a\x00b",
    "a\u202eb",
    *"\u200b\ufeff\u2800\u3164\u00ad",
    "\u200b \u00ad\u2800",
]
NAN, INFINITY = float("nan"), float("inf")
BAD_POINTS = [
    (GeoPoint(91, 0), "lat"),
    (GeoPoint(-90.000001, 0), "lat"),
    (GeoPoint(NAN, 0), "lat"),
    (GeoPoint(INFINITY, 0), "lat"),
    (GeoPoint(-INFINITY, 0), "lat"),
    (GeoPoint(0, 180.5), "lng"),
    (GeoPoint(0, NAN), "lng"),
    (GeoPoint(0, -INFINITY), "lng"),
]


async def test_an_invalid_place_is_refused_and_nothing_is_written(town: Town) -> None:
    rider = await town.rider()

    async def refused(**changes: object) -> tuple[str, ...] | None:
        with pytest.raises(BadInput) as refusal:
            await town.trips.request(rider, **{"pick_up_address": "Here", "drop_off_address": "There", **changes})
        return refusal.value.field

    for address in BAD_ADDRESSES:
        assert await refused(pick_up_address=address) == ("pickUpAddress",)
        assert await refused(drop_off_address=address) == ("dropOffAddress",)
    for point, axis in BAD_POINTS:
        assert await refused(pick_up=point) == ("pickUp", axis)
        assert await refused(drop_off=point) == ("dropOff", axis)
    # The position of a device without a fix.
    for nowhere in (GeoPoint(0, 0), GeoPoint(-0.0, 0.0), GeoPoint(1e-7, -1e-7)):
        assert await refused(pick_up=nowhere) == ("pickUp",)
        assert await refused(drop_off=nowhere) == ("dropOff",)
    for key in ("", "x" * 129, "a\x00b"):
        assert await refused(idempotency_key=key) == ("idempotencyKey",)
    assert await town.database.fetch("SELECT id FROM trips") == []
    trip = await town.trips.request(rider, pick_up_address="é" * 255, drop_off_address=" \u202ax\u202c ")
    assert (len(trip.pick_up_address), trip.drop_off_address) == (255, "x")


async def test_times_are_aware_and_in_utc(town: Town) -> None:
    trip = await town.request()
    (row,) = await town.database.fetch("SELECT {now} AS moment")

    for time in (trip.created, trip.updated, trip.expires_at, moment(row["moment"])):
        assert time is not None
        assert time.utcoffset() is not None
        assert time.utcoffset().total_seconds() == 0  # pyright: ignore[reportOptionalMemberAccess]
    assert trip.created <= moment(row["moment"])
