"""Idempotency keys: a repeated request creates no second trip."""

import asyncio
from typing import Any

import pytest

from application.application import Application
from models.geo import GeoPoint
from models.trip_life import TripStatus
from services.trips.faults import IdempotencyConflict
from tests.support.database_rows import add_driver, add_rider, noted_trips

WANTED: dict[str, Any] = {
    "pick_up_address": "Here",
    "drop_off_address": "There",
    "pick_up": GeoPoint(52.1, 0.1 + 0.2),
    "idempotency_key": "my key",
}


@pytest.fixture(autouse=True)
async def nothing_is_published(application: Application) -> None:
    await application.outbox.stop()
    await application.periodic_jobs.stop()


async def test_a_repeated_request_is_the_same_trip_and_is_announced_once(application: Application) -> None:
    trips, rider = application.services.trips, await add_rider(application.database)

    first = await trips.request(rider, **WANTED)
    again = await trips.request(rider, **{**WANTED, "pick_up_address": " Here "})

    assert again == first
    assert await noted_trips(application.database) == [(first.id, True, None)]


async def test_a_repeated_request_shows_the_current_trip(application: Application) -> None:
    trips, rider = application.services.trips, await add_rider(application.database)
    first = await trips.request(rider, **WANTED)
    driver = await add_driver(application.database)
    accepted = await trips.update(driver, trip_id=first.id, status=TripStatus.STARTED)

    assert await trips.request(rider, **WANTED) == accepted


OTHER_CONTENTS: list[dict[str, Any]] = [
    {"pick_up_address": "Elsewhere"},
    {"drop_off_address": "Elsewhere"},
    {"pick_up": None},
    {"pick_up": GeoPoint(52.1, 0.3)},
    {"drop_off": GeoPoint(1, 2)},
]


async def test_the_same_key_with_other_contents_is_a_conflict(application: Application) -> None:
    trips, rider = application.services.trips, await add_rider(application.database)
    await trips.request(rider, **WANTED)

    for changes in OTHER_CONTENTS:
        with pytest.raises(IdempotencyConflict):
            await trips.request(rider, **{**WANTED, **changes})

    assert len(await application.database.fetch("SELECT id FROM trips")) == 1


async def test_equal_keys_of_two_riders_are_different_keys(application: Application) -> None:
    trips = application.services.trips
    first = await trips.request(await add_rider(application.database), **WANTED)
    second = await trips.request(
        await add_rider(application.database), **{**WANTED, "pick_up_address": "Elsewhere"}
    )

    assert first.id != second.id


async def test_without_a_key_equal_requests_are_two_trips(application: Application) -> None:
    trips, rider = application.services.trips, await add_rider(application.database)
    wanted = {**WANTED, "idempotency_key": None}

    assert (await trips.request(rider, **wanted)).id != (await trips.request(rider, **wanted)).id


async def test_twenty_simultaneous_equal_requests_are_one_trip(application: Application) -> None:
    trips, rider = application.services.trips, await add_rider(application.database)

    results = await asyncio.gather(*(trips.request(rider, **WANTED) for _ in range(20)))

    assert len({trip.id for trip in results}) == 1
    assert await noted_trips(application.database) == [(results[0].id, True, None)]


async def test_a_key_is_released_after_a_day_and_not_before(application: Application) -> None:
    trips, database = application.services.trips, application.database
    rider = await add_rider(database)
    first = await trips.request(rider, **WANTED)

    async def is_old(seconds: int) -> None:
        await database.fetch(f"UPDATE trips SET created = {database.sql.ago(seconds)} WHERE id = $1", first.id)

    await is_old(24 * 3600 - 60)
    assert (await trips.request(rider, **WANTED)).id == first.id
    await is_old(24 * 3600 + 1)
    # The released key serves a new trip with any contents, and then belongs to that trip.
    second = await trips.request(rider, **{**WANTED, "drop_off_address": "Elsewhere"})
    assert second.id != first.id
    with pytest.raises(IdempotencyConflict):
        await trips.request(rider, **WANTED)


@pytest.mark.parametrize("bound", [None, 1, 2])
async def test_twenty_equal_requests_with_an_expired_key_are_one_new_trip(
    application: Application, bound: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips, database = application.services.trips, application.database
    monkeypatch.setattr(trips._writes, "open_trips_per_rider", bound)
    rider = await add_rider(database)
    first = await trips.request(rider, **WANTED)
    await database.fetch(f"UPDATE trips SET created = {database.sql.ago(24 * 3600 + 1)}")
    await trips.update(rider, trip_id=first.id, status=TripStatus.CANCELLED)

    results = await asyncio.gather(*(trips.request(rider, **WANTED) for _ in range(20)))

    (new,) = {trip.id for trip in results}
    assert new != first.id
