"""Who wins when many act at once. Every race is run on SQLite and on PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest

from models.trip_life import TripStatus
from models.visibility import Actor
from server import Application
from services.database import uuid
from services.trips import DriverBusy, IllegalTransition, TripCancelled, TripNotFound, Trips, TripTaken
from tests.support.rows import add_driver, add_rider, add_trip, noted_trips, trip_row

RACES = 200
DRIVERS = 20

Outcome = type[Exception] | TripStatus


@pytest.fixture
async def trips(application: Application) -> Trips:
    """The use cases, with nothing in the background: what is noted stays noted."""
    await application.outbox.stop()
    await application.housekeeping.stop()
    return application.services.trips


async def outcome(trips: Trips, actor: Actor, trip_id: UUID, status: TripStatus) -> Outcome:
    """The status that the actor got, or what it was refused with."""
    try:
        return (await trips.update(actor, trip_id=trip_id, status=status)).status
    except Exception as error:  # the test compares them all
        return type(error)


async def race(trips: Trips, entries: Sequence[tuple[Actor, TripStatus]], trip_id: UUID) -> list[Outcome]:
    return await asyncio.gather(*(outcome(trips, actor, trip_id, status) for actor, status in entries))


async def test_only_one_of_twenty_drivers_wins_each_of_200_races(application: Application, trips: Trips) -> None:
    database = application.database
    rider = await add_rider(database)
    drivers = [await add_driver(database) for _ in range(DRIVERS)]
    wins: Counter[UUID] = Counter()
    for number in range(RACES):
        trip_id = await add_trip(database, rider)
        # Each race has another driver first in the queue.
        entrants = drivers[number % DRIVERS :] + drivers[: number % DRIVERS]

        outcomes = await race(trips, [(driver, TripStatus.STARTED) for driver in entrants], trip_id)

        assert Counter(outcomes) == {TripStatus.STARTED: 1, TripTaken: DRIVERS - 1}
        row = await trip_row(database, trip_id)
        winner = entrants[outcomes.index(TripStatus.STARTED)]
        assert (row["status"], row["version"], uuid(row["driver_id"])) == ("STARTED", 2, winner.id)
        wins[winner.id] += 1
        await database.fetch("UPDATE trips SET status = 'COMPLETED' WHERE id = $1", trip_id)
    assert wins.total() == RACES
    assert len(await noted_trips(database)) == RACES, "one change each was noted, and no other"


async def test_of_a_cancelling_and_an_accepting_the_later_one_learns_of_the_other(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider = await add_rider(database)
    for number in range(40):
        drivers = [await add_driver(database) for _ in range(3)]
        trip_id = await add_trip(database, rider)
        entries = [(driver, TripStatus.STARTED) for driver in drivers]
        entries.insert(number % 4, (rider, TripStatus.CANCELLED))

        outcomes = await race(trips, entries, trip_id)

        # A rider may cancel before and after the acceptance: that always succeeds, whoever was first.
        assert outcomes.pop(number % 4) is TripStatus.CANCELLED
        row = await trip_row(database, trip_id)
        accepted = outcomes.count(TripStatus.STARTED)
        assert accepted in (0, 1)
        assert (row["status"], row["version"]) == ("CANCELLED", 2 + accepted)
        assert (row["driver_id"] is not None) == bool(accepted)
        assert set(outcomes) <= {TripStatus.STARTED, TripTaken, TripCancelled}
        if not accepted:
            assert set(outcomes) == {TripCancelled}


async def test_of_a_start_and_a_cancelling_exactly_one_happens(application: Application, trips: Trips) -> None:
    database = application.database
    rider = await add_rider(database)
    for number in range(40):
        driver = await add_driver(database)
        trip_id = await add_trip(database, rider, status=TripStatus.STARTED, driver=driver)
        entries = [(driver, TripStatus.IN_PROGRESS), (rider, TripStatus.CANCELLED)]

        outcomes = await race(trips, entries if number % 2 else entries[::-1], trip_id)

        row = await trip_row(database, trip_id)
        assert row["version"] == 2
        assert {TripStatus(str(row["status"])), IllegalTransition} == set(outcomes)


async def test_a_trip_given_back_while_others_accept_has_one_driver_or_none(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider = await add_rider(database)
    for number in range(40):
        drivers = [await add_driver(database) for _ in range(4)]
        first, others = drivers[0], drivers[1:]
        trip_id = await add_trip(database, rider, status=TripStatus.STARTED, driver=first)
        entries = [(driver, TripStatus.STARTED) for driver in others]
        entries.insert(number % 4, (first, TripStatus.REQUESTED))

        outcomes = await race(trips, entries, trip_id)

        assert outcomes.pop(number % 4) is TripStatus.REQUESTED
        row = await trip_row(database, trip_id)
        accepted = outcomes.count(TripStatus.STARTED)
        assert accepted in (0, 1)
        assert row["status"] == ("STARTED" if accepted else "REQUESTED")
        assert row["version"] == 2 + accepted
        assert str(row["given_back_by"]).split() == [str(first.id)]
        assert set(outcomes) <= {TripStatus.STARTED, TripTaken}
        if accepted:
            assert uuid(row["driver_id"]) == others[outcomes.index(TripStatus.STARTED)].id


async def test_two_giving_the_same_change_at_once_make_it_once(application: Application, trips: Trips) -> None:
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    trip_id = await add_trip(database, rider)
    for status in (TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.COMPLETED):
        before = len(await noted_trips(database))

        assert await race(trips, [(driver, status)] * 8, trip_id) == [status] * 8

        assert len(await noted_trips(database)) == before + 1
    assert (await trip_row(database, trip_id))["version"] == 4


async def test_one_driver_who_accepts_twenty_trips_at_once_gets_one(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    trip_ids = [await add_trip(database, rider) for _ in range(20)]

    outcomes = await asyncio.gather(*(outcome(trips, driver, each, TripStatus.STARTED) for each in trip_ids))

    assert Counter(outcomes) == {TripStatus.STARTED: 1, DriverBusy: 19}


async def test_a_driver_who_gives_back_and_accepts_at_once_never_has_it_again(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider = await add_rider(database)
    for _ in range(20):
        driver = await add_driver(database)
        trip_id = await add_trip(database, rider, status=TripStatus.STARTED, driver=driver)

        outcomes = await race(trips, [(driver, TripStatus.REQUESTED), (driver, TripStatus.STARTED)], trip_id)

        assert outcomes[0] is TripStatus.REQUESTED
        # Before the give-back it is a repetition of what is so already; after it, out of sight.
        assert outcomes[1] in (TripStatus.STARTED, TripNotFound)
        assert (await trip_row(database, trip_id))["status"] == "REQUESTED"
