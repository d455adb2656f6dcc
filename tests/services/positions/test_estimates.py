"""Estimates before a request: the drive, and how many drivers are near, without where they are."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from application.application import Application
from application.settings import Settings
from models.geo import GeoPoint, distance_m
from models.trip_life import TripStatus
from models.visibility import Actor
from services.errors import BadInput
from services.limits.rates import RateLimited
from services.positions import store
from services.positions.cells import blurred
from services.positions.estimates import MAX_NEARBY, Estimate
from services.positions.polyline import decode
from tests.support.database_rows import add_driver, add_rider, add_trip

HERE, FAR = GeoPoint(52.52, 13.405), GeoPoint(53.52, 13.405)
DROP_OFF = GeoPoint(52.53, 13.45)
RADIUS_M = 3000.0


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"location_rate": "off"})


async def add_car(application: Application, point: GeoPoint, *, age_s: float = 0) -> Actor:
    driver = await add_driver(application.database)
    await report(application, driver, point, age_s=age_s)
    return driver


async def report(application: Application, driver: Actor, point: GeoPoint, *, age_s: float = 0) -> None:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    await application.services.positions.report(driver, point=point, recorded_at=at)


async def ask(application: Application, rider: Actor, pick_up: GeoPoint = HERE) -> Estimate:
    return await application.services.estimates.estimate(rider, pick_up=pick_up, drop_off=DROP_OFF)


def around(point: GeoPoint, metres: float) -> GeoPoint:
    return GeoPoint(point.lat + metres / 111_195, point.lng)


async def test_the_drive_is_the_straight_line_without_an_engine(application: Application) -> None:
    estimate = await ask(application, await add_rider(application.database))
    assert estimate.drive.is_estimated
    assert estimate.drive.distance_m == pytest.approx(distance_m(HERE, DROP_OFF) * 1.3)
    assert decode(estimate.drive.encoded_polyline) == [HERE, DROP_OFF]
    assert (estimate.drivers_nearby, estimate.pick_up_eta_s) == (0, None)


async def test_drivers_count_who_are_near_have_no_trip_and_a_live_position(application: Application) -> None:
    database, rider = application.database, await add_rider(application.database)
    near = await add_car(application, around(HERE, 1500))
    await add_car(application, FAR)
    await add_car(application, around(HERE, RADIUS_M + 800))
    await add_car(application, HERE, age_s=application.settings.location_stale_s + 1)
    busy = await add_driver(database)
    await add_trip(database, rider, status=TripStatus.STARTED, driver=busy)
    await report(application, busy, HERE)

    first = await ask(application, rider)
    assert first.drivers_nearby == 1
    assert first.pick_up_eta_s == pytest.approx(1500 * 1.3 / (25 / 3.6), rel=0.5)
    # Whoever drives away, or comes, is counted where they are now.
    await report(application, near, FAR)
    assert (await ask(application, rider)).drivers_nearby == 0
    assert (await ask(application, rider, FAR)).drivers_nearby == 2
    await report(application, near, HERE)
    assert (await ask(application, rider)).drivers_nearby == 1


async def test_a_driver_who_takes_a_trip_no_longer_counts_after_the_next_report(application: Application) -> None:
    database, rider = application.database, await add_rider(application.database)
    driver = await add_car(application, HERE)
    assert (await ask(application, rider)).drivers_nearby == 1
    trip = await application.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
    await application.services.trips.update(driver, trip_id=trip.id, status=TripStatus.STARTED)
    await report(application, driver, HERE)
    assert (await ask(application, rider)).drivers_nearby == 0
    assert await database.fetch("SELECT 1 FROM trips")


async def test_many_drivers_are_counted_up_to_twenty(application: Application) -> None:
    rider = await add_rider(application.database)
    for number in range(MAX_NEARBY + 3):
        await add_car(application, around(HERE, number * 10))
    assert (await ask(application, rider)).drivers_nearby == MAX_NEARBY


async def test_drivers_who_are_silent_hide_nobody_who_is_farther(application: Application) -> None:
    rider = await add_rider(application.database)
    for _ in range(store.MAX_NEAR + 5):
        await add_car(application, HERE, age_s=application.settings.location_stale_s + 1)
    await add_car(application, around(HERE, 1000))

    assert (await ask(application, rider)).drivers_nearby == 1


@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_expired_positions_are_swept_where_nobody_asks_by_one_process_at_a_time(
    application: Application,
) -> None:
    assert application.redis is not None
    client, topics = (
        application.redis.clients(timeout_s=2, max_connections=1).at(None),
        application.services.topics,
    )
    gone, here = [await add_car(application, FAR) for _ in range(3)], await add_car(application, FAR)
    await client.delete(*(topics.last_location(driver.id) for driver in gone))

    await application.position_store.remove_expired()

    assert await client.zrange(topics.free_drivers[0], 0, -1) == [here.id.bytes]
    await client.delete(topics.last_location(here.id))
    await application.position_store.remove_expired()
    assert await client.zcard(topics.free_drivers[0]) == 1, "swept a moment ago"
    await client.delete(topics.free_drivers_sweep)
    await application.position_store.remove_expired()
    assert await client.zcard(topics.free_drivers[0]) == 0


async def test_positions_that_have_expired_make_room(application: Application, is_shared: bool) -> None:
    rider = await add_rider(application.database)
    ttl_s = application.settings.location_ttl_s
    gone = [await add_car(application, HERE) for _ in range(store.MAX_NEAR + 5)]
    await add_car(application, around(HERE, 1000))
    if is_shared:
        assert application.redis is not None
        client = application.redis.clients(timeout_s=2, max_connections=1).at(None)
        topics = application.services.topics
        await client.delete(*(topics.last_location(driver.id) for driver in gone))
        assert (await ask(application, rider)).drivers_nearby == 1
        assert await client.zcard(topics.free_drivers[0]) == 1
    else:
        kept = application.position_store
        assert isinstance(kept, store.MemoryPositions)
        now_s = kept._clock()
        kept._clock = lambda: now_s + ttl_s + 1
        assert (await ask(application, rider)).drivers_nearby == 0
        await add_car(application, HERE)
        assert len(kept._index) == 1, "the index forgets with the positions"


@pytest.fixture
def is_shared(backend: str) -> bool:
    return backend == "production"


@pytest.mark.attack("access")
async def test_no_number_of_questions_tells_where_in_a_hexagon_a_driver_is(application: Application) -> None:
    rider, random = await add_rider(application.database), Random(7)
    driver = await add_car(application, HERE)
    questions = [around(HERE, random.uniform(-4500, 4500)) for _ in range(60)]
    told = [await ask(application, rider, question) for question in questions]
    # Anywhere else in the same hexagon the answers are the same.
    for _ in range(3):
        other = GeoPoint(HERE.lat + random.uniform(-0.002, 0.002), HERE.lng + random.uniform(-0.002, 0.002))
        if blurred(other) == blurred(HERE):
            await report(application, driver, other)
            assert [await ask(application, rider, question) for question in questions] == told
    assert {each.drivers_nearby for each in told} == {0, 1}


@pytest.mark.attack("access")
async def test_questions_are_limited_and_points_are_checked(settings: Settings) -> None:
    application = Application(settings.model_copy(update={"estimate_rate": "2/hour"}))
    await application.database.connect()
    try:
        rider = await add_rider(application.database)
        with pytest.raises(BadInput):
            await ask(application, rider, GeoPoint(91, 0))
        await ask(application, rider)
        with pytest.raises(RateLimited):
            await ask(application, rider)
    finally:
        await application.database.disconnect()
