"""Offers by area, through the database and the bus, compared with a model that knows only distances."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import h3.api.basic_int as h3
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import TripStatus, WithdrawReason, is_driving, is_open
from models.values import TripValue
from models.visibility import Actor
from services.live.messages import Message, PoolSnapshot, TripOffered, TripWithdrawn
from services.live.offer_area import KEPT
from services.live.pool_feed import PoolFeed
from services.live.subscriber import Subscriber
from services.positions.cells import COARSE, FINE, cell_of
from tests.support.database_rows import add_driver, add_rider
from tests.support.globe import destination, vector_distance_m
from tests.support.processes import WITHOUT_LIMITS
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)


class Screen:
    """The state of a driver's screen, and every message that did not fit it."""

    def __init__(self) -> None:
        self.offers: dict[UUID, TripValue] = {}
        self.snapshots = 0
        self.is_paused = False
        self.withdrawn: dict[UUID, WithdrawReason] = {}
        self.faults: list[str] = []

    def deliver(self, message: Message) -> None:
        """Apply a message. Part of Sink."""
        match message.content:
            case PoolSnapshot(offers, _, paused):
                # Those that a trip of the driver explains are not counted.
                self.snapshots += paused is None and not self.is_paused
                self.is_paused = paused is not None
                self.offers = {trip.id: trip for trip in offers}
            case TripOffered(trip):
                shown = self.offers.get(trip.id)
                if shown is not None and shown.version >= trip.version:
                    self.faults.append(f"offered again: {trip.id}")
                self.offers[trip.id] = trip
            case TripWithdrawn(trip_id, _, reason):
                if self.offers.pop(trip_id, None) is None:
                    self.faults.append(f"withdrawn ({reason}), and was not offered: {trip_id}")
                self.withdrawn[trip_id] = reason
            case other:
                self.faults.append(f"unexpected: {other}")

    def end(self, error: Exception | None) -> None:
        """The subscription must not end. Part of Sink."""
        self.faults.append(f"ended: {error}")


async def follow(
    application: Application, actor: Actor, *, radius_m: float, near: GeoPoint | None = None
) -> tuple[Screen, Subscriber]:
    screen = Screen()
    feed = PoolFeed(actor, application.services.topics, radius_m=radius_m, near=near)
    return screen, await application.services.hub.subscribe(feed, screen)


async def request(application: Application, rider: Actor, at: GeoPoint | None) -> TripValue:
    return await application.services.trips.request(
        rider, pick_up_address="Here", drop_off_address="There", pick_up=at
    )


def embedded(template: Path, folder: Path) -> Settings:
    path = folder / "taxirank.sqlite3"
    path.write_bytes(template.read_bytes())
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=f"sqlite://{path}",
        media_url=str(folder / "media"),
        location_rate="off",
        location_ttl_s=3600,
        **WITHOUT_LIMITS,  # pyright: ignore[reportArgumentType]
    )


# Exactly the trips within the radius

PENTAGON = GeoPoint(*h3.cell_to_latlng(h3.get_pentagons(FINE)[3]))
CORNER = GeoPoint(*h3.cell_to_boundary(h3.latlng_to_cell(52.4, 4.9, COARSE))[2])

places = st.sampled_from(
    [
        GeoPoint(52.37, 4.9),
        GeoPoint(0, 180),
        GeoPoint(-16.8, -179.999),
        GeoPoint(90, 0),
        GeoPoint(-89.99, 50),
        PENTAGON,
        CORNER,
    ]
) | st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
radii = st.sampled_from([300.0, 3_000.0, 5_000.0, 12_000.0, 50_000.0]) | st.floats(1, 50_000)
# A bearing, and the distance in radii: many of them just within or just out of reach.
somewhere = st.tuples(st.floats(0, 360), st.floats(0, 2.5) | st.floats(0.99, 1.01))


def test_exactly_the_drivers_within_the_radius_are_offered_a_request(
    sqlite_template: Path, tmp_path: Path
) -> None:
    """And those without a position; whether they were there before the request or come after it."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        application = Application(embedded(sqlite_template, tmp_path))
        runner.run(stack.enter_async_context(running(application)))
        rider = runner.run(add_rider(application.database))

        @hypothesis_settings(
            max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(places, radii, st.lists(somewhere, min_size=6, max_size=12))
        def check(pick_up: GeoPoint, radius_m: float, drivers: list[tuple[float, float]]) -> None:
            positions = [destination(pick_up, bearing, part * radius_m) for bearing, part in drivers]
            # The value for "no position" is refused.
            assume(all(abs(place.lat) > 0.001 or abs(place.lng) > 0.001 for place in [pick_up, *positions]))
            runner.run(_check(application, rider, pick_up, radius_m, positions))

        try:
            check()
        finally:
            runner.run(stack.aclose())


async def _check(
    application: Application, rider: Actor, pick_up: GeoPoint, radius_m: float, positions: Sequence[GeoPoint]
) -> None:
    trip: TripValue | None = None
    screens: list[tuple[Screen, GeoPoint | None]] = []
    subscriptions: list[Subscriber] = []
    everybody: list[GeoPoint | None] = [*positions, None]
    for number, position in enumerate([*everybody, *everybody]):
        if number == len(everybody):
            trip = await request(application, rider, pick_up)
        actor = await add_driver(application.database)
        pinned = position if number % 2 else None
        if position is not None and pinned is None:
            await application.services.positions.report(actor, point=position, recorded_at=datetime.now(UTC))
        screen, subscription = await follow(application, actor, radius_m=radius_m, near=pinned)
        screens.append((screen, position))
        subscriptions.append(subscription)
    assert trip is not None
    sentinel = await request(application, rider, None)
    await until(lambda: all(sentinel.id in screen.offers for screen, _ in screens))
    for screen, position in screens:
        assert not screen.faults
        if position is None:
            assert trip.id in screen.offers
            continue
        distance_m = vector_distance_m(position, pick_up)
        if abs(distance_m - radius_m) > 1e-6 * radius_m + 1e-3:
            assert (trip.id in screen.offers) == (distance_m < radius_m), (position, distance_m)
    for open_trip in (trip, sentinel):
        await application.services.trips.update(rider, trip_id=open_trip.id, status=TripStatus.CANCELLED)
    await until(lambda: not any(screen.offers for screen, _ in screens))
    assert {screen.withdrawn.get(trip.id) for screen, _ in screens} <= {WithdrawReason.CANCELLED, None}
    for subscription in subscriptions:
        subscription.end()


# A driver who moves


@pytest.fixture
async def application(settings: Settings) -> AsyncIterator[Application]:
    """The application with time that may pass faster than reports are allowed."""
    application = Application(settings.model_copy(update={"location_rate": "off", "location_ttl_s": 3600}))
    async with running(application):
        yield application


STEP_S, STEPS = 4, 150
SPEED_M_PER_S = 25
RADIUS_M = 2_000.0


class Drive:
    """A driver who crosses a city for ten minutes, reporting every four seconds."""

    def __init__(self, application: Application, actor: Actor, start: GeoPoint, rng: random.Random) -> None:
        self.application = application
        self.actor = actor
        self.at = start
        self.rng = rng
        self.bearing = rng.uniform(0, 360)
        self.screen = Screen()
        self.accepted = 0
        self.subscription: Subscriber | None = None

    async def step(self, recorded_at: datetime) -> None:
        """Drive for four seconds, and report."""
        self.bearing += self.rng.uniform(-15, 15)
        self.at = destination(self.at, self.bearing, SPEED_M_PER_S * STEP_S)
        await self.application.services.positions.report(self.actor, point=self.at, recorded_at=recorded_at)
        if self.subscription is None:
            self.screen, self.subscription = await follow(self.application, self.actor, radius_m=RADIUS_M)

    def differences(self, trips: dict[UUID, TripValue]) -> dict[UUID, int | None]:
        """The differences between the screen and a search of all open trips."""
        shown = {trip.id: trip.version for trip in self.screen.offers.values()}
        drivers = {
            trip.driver.id for trip in trips.values() if trip.driver is not None and is_driving(trip.status)
        }
        if self.subscription is not None and self.screen.is_paused != (self.actor.id in drivers):
            return {UUID(int=0): None}
        if self.screen.is_paused:
            return dict.fromkeys(shown, None)
        wanted = {
            trip.id: trip.version
            for trip in trips.values()
            if is_open(trip.status)
            and self.actor.id not in trip.given_back_by
            and (
                trip.pick_up is None
                or (distance_m := vector_distance_m(self.at, trip.pick_up)) <= RADIUS_M
                # Shown trips are kept a little beyond the radius.
                or (trip.id in shown and distance_m <= RADIUS_M * KEPT)
            )
        }
        return {key: shown.get(key) for key in wanted.keys() | shown.keys() if wanted.get(key) != shown.get(key)}


@pytest.mark.parametrize("walk", range(2))
async def test_a_driver_who_crosses_cells_misses_nothing_and_is_offered_nothing_twice(
    application: Application, walk: int
) -> None:
    """Ten minutes of simulated time, compared with a brute-force model, while requests appear and disappear all
    around.
    """
    rng = random.Random(walk)
    start = rng.choice([GeoPoint(52.37, 4.9), GeoPoint(-16.8, 179.99), CORNER])
    rider = await add_rider(application.database)
    drives = [Drive(application, await add_driver(application.database), start, rng) for _ in range(3)]
    trips: dict[UUID, TripValue] = {}
    began = datetime.now(UTC) - timedelta(seconds=STEPS * STEP_S)
    cells: set[int] = set()
    for number in range(STEPS):
        await _change_something(application, rider, drives, trips, rng)
        recorded_at = began + timedelta(seconds=number * STEP_S)
        # Simultaneously, so that movements and changes overlap.
        await asyncio.gather(
            *(drive.step(recorded_at) for drive in drives),
            _change_something(application, rider, drives, trips, rng),
        )
        cells |= {cell_of(drive.at) for drive in drives}
        try:
            await until(lambda: not any(drive.differences(trips) for drive in drives))
        except TimeoutError:
            found = [drive.differences(trips) for drive in drives]
            raise AssertionError(f"step {number}: {found}") from None
    assert not [fault for drive in drives for fault in drive.screen.faults]
    # A trip that is accepted and given back at once may be over when the driver's standing is read.
    for drive in drives:
        assert 1 <= drive.screen.snapshots <= 1 + drive.accepted, "moving is told by offers and withdrawals"
    assert len(cells) > 5
    reasons = {reason for drive in drives for reason in drive.screen.withdrawn.values()}
    assert reasons == {WithdrawReason.OUT_OF_RANGE, WithdrawReason.TAKEN, WithdrawReason.CANCELLED}


async def _change_something(
    application: Application,
    rider: Actor,
    drives: Sequence[Drive],
    trips: dict[UUID, TripValue],
    rng: random.Random,
) -> None:
    """A request around one of the drivers, or a change of an open or accepted one."""
    use = application.services.trips
    around = rng.choice(drives)
    open_trips = [trip for trip in trips.values() if is_open(trip.status)]
    driven = [trip for trip in trips.values() if trip.status is TripStatus.STARTED]
    choice = rng.random()
    if choice < 0.6 or not open_trips:
        pick_up = destination(around.at, rng.uniform(0, 360), RADIUS_M * 2 * rng.random() ** 0.5)
        trip = await request(application, rider, pick_up if rng.random() < 0.97 else None)
    elif choice < 0.75:
        trip = await use.update(rider, trip_id=rng.choice(open_trips).id, status=TripStatus.CANCELLED)
    elif driven:
        accepted = driven[0]
        assert accepted.driver is not None
        driver = next(drive.actor for drive in drives if drive.actor.id == accepted.driver.id)
        trip = await use.update(driver, trip_id=accepted.id, status=TripStatus.REQUESTED)
    else:
        able = [trip for trip in open_trips if around.actor.id not in trip.given_back_by]
        if not able:
            return
        trip = await use.update(around.actor, trip_id=rng.choice(able).id, status=TripStatus.STARTED)
        around.accepted += 1
    trips[trip.id] = trip
