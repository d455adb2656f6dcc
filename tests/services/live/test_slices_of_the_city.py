"""A city of 5,000 drivers never holds the event loop, and its messages never pile up.

Not time but calls of Python functions are counted, between two turns of the event loop.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import FrameType
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.application import Application
from models.geo import GeoPoint
from models.values import Location
from services.live.city import MAX_DRIVERS
from tests.conftest import LiveServer, SignUp
from tests.support.api import PASSWORD, Api, Events
from tests.support.staff import make_staff
from tests.support.waiting import until

WATCHERS = 3
# A few milliseconds.
CALLS = 10_000
CITY = """subscription { city { __typename
    ... on CitySnapshot { ...Now drivers { ...Driver } trips { ...Trip } }
    ... on CityChange { ...News drivers { ...Driver } removedDriverIds trips { ...Trip } removedTripIds } } }
fragment Now on CitySnapshot { at truncated outages counts { open underWay available silent } }
fragment News on CityChange { at truncated outages counts { open underWay available silent } }
fragment Driver on CityDriver {
    id username firstName lastName point { lat lng } heading recordedAt isStale availability tripId }
fragment Trip on CityTrip {
    id version status created updated pickUpAddress dropOffAddress pickUp { lat lng } dropOff { lat lng }
    expiresAt arrivedAt rider { id username firstName lastName } driver { id username firstName lastName } }"""
LOG_IN = """mutation ($name: String!, $password: String!) {
    logIn(username: $name, password: $password) { errors { code } } }"""
LOG_OUT = "mutation { logOut { errors { code } } }"


class Calls:
    """Counts the calls of Python functions between two turns of the event loop."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._look)
        sys.setprofile(self._count)

    def reset(self) -> int:
        """The most so far; begins anew."""
        most, self.most = self.most, 0
        return most

    def stop(self) -> None:
        sys.setprofile(None)
        self._next.cancel()

    def _count(self, _: FrameType, event: str, __: object) -> None:
        if event == "call":
            self._now += 1

    def _look(self) -> None:
        self.most, self._now = max(self.most, self._now), 0
        self._next = self._loop.call_soon(self._look)


@pytest.fixture
async def calls() -> Any:
    counting = Calls()
    yield counting
    counting.stop()


async def populate(application: Application) -> list[UUID]:
    """Drivers at the limit, each with a position, and as many requests; the drivers."""
    database, ids = application.database, [uuid4() for _ in range(MAX_DRIVERS)]
    await database.fetch(
        "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, "
        "is_active, created) SELECT id, CAST(id AS text), CAST(id AS text), '', 'Dana', 'Ünal', 'DRIVER', $2, $3, "
        f"{{now}} FROM {database.sql.ids(1)} asked",
        ids,
        False,
        True,
    )
    await database.fetch(
        "INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, expires_at, "
        f"given_back_by, rider_id) SELECT id, {{now}}, {{now}}, 1, 'REQUESTED', 'Here', 'There', "
        f"{database.sql.ago(-600)}, '', id FROM {database.sql.ids(1)} asked",
        ids,
    )
    await move(application, ids, 52.5)
    return ids


async def move(application: Application, drivers: list[UUID], lat: float) -> None:
    """All report that they are at this latitude."""
    now, point = datetime.now(UTC), GeoPoint(lat, 13.4)
    put = application.position_store.put
    await asyncio.gather(*(put(Location(each, None, point, None, now, now), (), ttl_s=600) for each in drivers))


async def staff(server: LiveServer, person: SignUp) -> Api:
    """A member of staff who is logged in."""
    api = await person()
    name = await make_staff(server.application, f"{uuid4()}@taxi.example")
    assert await api.data(LOG_IN, name=name, password=PASSWORD) == {"errors": []}
    return api


async def all_of(events: Events, name: str, count: int) -> int:
    """Take changes until their lists of that name have so many items; the number of changes."""
    found = number = 0
    while found < count:
        found += len((await events.next())[name])
        number += 1
    return number


async def test_no_city_holds_the_event_loop(
    live_server: LiveServer, person: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = live_server.application
    city = application.services.city
    monkeypatch.setattr(city, "_interval_s", 0.02)
    watchers = [await staff(live_server, person) for _ in range(WATCHERS)]
    monkeypatch.setattr(application.services.hub._topics, "_linger_s", 0.0)
    async with watchers[0].socket() as socket:
        # Compiles the operation, which costs as much in any city.
        await (await socket.start(CITY)).next()
    await until(lambda: application.services.hub.topics == 0)
    drivers = await populate(application)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(each.socket(max_size=None)) for each in watchers]
        calls = Calls()
        stack.callback(calls.stop)
        followed = [await socket.start(CITY) for socket in sockets]
        most: dict[str, int] = {}
        for events in followed:
            snapshot = await events.next()
            if not snapshot["drivers"]:
                # The city was read too late for the first message, which told an outage.
                snapshot = await events.next()
            assert (len(snapshot["drivers"]), len(snapshot["trips"])) == (MAX_DRIVERS, MAX_DRIVERS)
        most["a snapshot for new watchers"] = calls.reset()
        moving = asyncio.create_task(move(application, drivers, 52.6))
        for events in followed:
            await all_of(events, "drivers", MAX_DRIVERS)
        await moving
        calls.reset()
        await application.database.fetch("UPDATE trips SET version = 2, updated = {now}")
        for events in followed:
            await all_of(events, "trips", MAX_DRIVERS)
        most["all trips change"] = calls.reset()
        # As when all have been silent for too long.
        monkeypatch.setattr(city, "_lifetime", type(city._lifetime)(stale_s=0.0, ttl_s=0.0))
        await application.database.fetch("UPDATE trips SET status = 'CANCELLED', expires_at = NULL")
        for events in followed:
            await all_of(events, "removedDriverIds", MAX_DRIVERS)
        most["all disappear"] = calls.reset()
        assert {what: count for what, count in most.items() if count >= CALLS} == {}, most
