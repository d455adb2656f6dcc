"""The drives of trips under way: few questions to the engine, and the time that is left."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from models.geo import GeoPoint, distance_m
from models.trip_life import TripStatus
from models.values import Role, TripValue, UserValue
from services.positions import polyline
from services.positions.routing import DETOUR
from services.positions.trip_drives import ASK_AGAIN_S, TripDrives
from tests.services.positions.test_routing import Engine, served
from tests.support.trips import trip_value

PICK_UP, TURN, DROP_OFF = GeoPoint(52.5, 13.4), GeoPoint(52.54, 13.4), GeoPoint(52.54, 13.45)
OFF = GeoPoint(52.52, 13.45)


def user(role: Role) -> UserValue:
    return UserValue(uuid4(), "x@example.com", "First", "Last", role, None)


def a_trip(**fields: Any) -> TripValue:
    points = {"pick_up": PICK_UP, "drop_off": DROP_OFF} | fields
    return trip_value(user(Role.RIDER), TripStatus.IN_PROGRESS, driver=user(Role.DRIVER), **points)


def answer(*line: GeoPoint, duration_s: float = 1000) -> dict[str, Any]:
    metres = sum(distance_m(one, other) for one, other in pairwise(line))
    route = {"duration": duration_s, "distance": metres, "geometry": polyline.encode(line)}
    return {"code": "Ok", "routes": [route]}


class City:
    """The drives, with an engine that answers, and a clock."""

    def __init__(self, drives: TripDrives, engine: Engine) -> None:
        self.drives = drives
        self.engine = engine
        self.now_s = 0.0


@pytest.fixture
async def city() -> AsyncIterator[City]:
    engine = Engine()
    engine.says(answer(PICK_UP, TURN, DROP_OFF))
    async with served(engine) as router:
        city = City(TripDrives(router, clock=lambda: city.now_s), engine)
        yield city


async def test_the_engine_is_asked_once_for_each_leg_however_many_read_and_report(city: City) -> None:
    trip = a_trip()
    routes = await asyncio.gather(*(city.drives.route(trip) for _ in range(50)))
    assert {route.encoded_polyline for route in routes if route} == {polyline.encode((PICK_UP, TURN, DROP_OFF))}
    told = []
    for step in range(41):
        city.now_s += ASK_AGAIN_S
        car = GeoPoint(PICK_UP.lat + step / 1000, PICK_UP.lng)
        told += await asyncio.gather(*(city.drives.to_drop_off_s(trip, car) for _ in range(5)))
    assert len(city.engine.asked) == 1
    north_m, east_m = distance_m(PICK_UP, TURN), distance_m(TURN, DROP_OFF)
    assert told[0] == pytest.approx(1000)
    assert told[-1] == pytest.approx(1000 * east_m / (north_m + east_m), rel=1e-3)
    assert told == sorted(told, reverse=True)
    assert await city.drives.to_drop_off_s(trip, DROP_OFF) == pytest.approx(0, abs=0.1)

    for step in range(10):
        await city.drives.to_pick_up_s(trip, GeoPoint(PICK_UP.lat + step / 1000, PICK_UP.lng))
    assert len(city.engine.asked) == 2
    # The next driver comes from elsewhere.
    await city.drives.to_pick_up_s(a_trip(id=trip.id), PICK_UP)
    assert len(city.engine.asked) == 3


async def test_a_car_off_the_route_asks_again_at_most_every_fifteen_seconds(city: City) -> None:
    trip = a_trip()
    route = await city.drives.route(trip)
    city.engine.says(answer(OFF, DROP_OFF, duration_s=200))
    # Right after the last question, the straight line has to do.
    straight_s = distance_m(OFF, DROP_OFF) * DETOUR / (25 / 3.6)
    assert await city.drives.to_drop_off_s(trip, OFF) == pytest.approx(straight_s)
    assert len(city.engine.asked) == 1
    city.now_s += ASK_AGAIN_S
    for _ in range(20):
        assert await city.drives.to_drop_off_s(trip, OFF) == pytest.approx(200)
    assert len(city.engine.asked) == 2
    assert await city.drives.route(trip) == route, "what is shown on the map stays"


async def test_without_an_answer_the_straight_line_counts_and_the_engine_is_asked_later(city: City) -> None:
    trip = a_trip()
    city.engine.says(b"oops")
    for _ in range(10):
        route = await city.drives.route(trip)
        assert route is not None
        assert route.is_estimated
        car = GeoPoint(52.51, 13.4)
        expected = distance_m(car, DROP_OFF) * DETOUR / (25 / 3.6)
        assert await city.drives.to_drop_off_s(trip, car) == pytest.approx(expected)
    assert len(city.engine.asked) == 1
    city.engine.says(answer(PICK_UP, TURN, DROP_OFF))
    city.now_s += ASK_AGAIN_S
    route = await city.drives.route(trip)
    assert route is not None
    assert not route.is_estimated
    assert await city.drives.to_drop_off_s(trip, PICK_UP) == pytest.approx(1000)
    assert len(city.engine.asked) == 2


async def test_without_coordinates_nothing_is_known_and_nobody_is_asked(city: City) -> None:
    for trip in (a_trip(pick_up=None), a_trip(drop_off=None)):
        assert await city.drives.route(trip) is None
        assert await city.drives.to_drop_off_s(trip, PICK_UP) is None
    assert await city.drives.to_pick_up_s(a_trip(pick_up=None), PICK_UP) is None
    assert city.engine.asked == []


async def test_a_route_of_one_point_is_over(city: City) -> None:
    city.engine.says(answer(PICK_UP, PICK_UP, duration_s=0))
    assert await city.drives.to_drop_off_s(a_trip(drop_off=PICK_UP), PICK_UP) == 0
