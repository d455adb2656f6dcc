"""Two servers on one PostgreSQL and one Redis deliver to each other's subscribers."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.api import LOG_OUT, MY_TRIPS, POOL, TRIP_UPDATED, Api, Events
from tests.support.brokers import subscriptions
from tests.support.processes import ServerProcess, server_process
from tests.support.servers import Postgres
from tests.support.waiting import until


@asynccontextmanager
async def two_servers(
    postgres: Postgres, redis_url: str, media: Path
) -> AsyncGenerator[tuple[ServerProcess, ServerProcess, str]]:
    database_url, prefix = postgres.copy(), f"two-{uuid4().hex[:8]}"
    settings = {
        "database_url": database_url,
        "redis_url": redis_url,
        "redis_prefix": prefix,
        "media_url": media,
        "password_hash_memory_kib": 1024,
    }
    try:
        async with server_process(**settings) as one, server_process(**settings) as other:
            await one.ready()
            await other.ready()
            yield one, other, prefix
    finally:
        postgres.drop(database_url)


async def test_two_processes_serve_one_anothers_subscribers(
    postgres: Postgres, redis_url: str, tmp_path: Path
) -> None:
    async with (
        two_servers(postgres, redis_url, tmp_path) as (one, other, prefix),
        Api(one.url) as rider,
        Api(other.url) as driver,
    ):
        await rider.sign_up("RIDER")
        await driver.sign_up("DRIVER")
        idle = await subscriptions(redis_url, prefix)
        assert idle == {f"{prefix}:promotions": 2, f"{prefix}:sessions": 2}
        async with rider.socket() as rider_socket, driver.socket() as driver_socket:
            pool, mine = await driver_socket.start(POOL), await rider_socket.start(MY_TRIPS)
            drives = await driver_socket.start(MY_TRIPS)
            for events in (pool, mine, drives):
                await events.next()

            # A whole trip: requested on one, driven on the other, watched on both.
            trip = await rider.create_trip()
            assert (await pool.next())["trip"]["id"] == trip["id"]
            watched = await rider_socket.start(TRIP_UPDATED, id=trip["id"])
            assert (await watched.next())["version"] == 1
            for version, status in enumerate(("STARTED", "IN_PROGRESS", "COMPLETED"), start=2):
                await driver.update_trip(trip["id"], status)
                seen = await watched.next()
                assert (seen["status"], seen["version"]) == (status, version)
                assert (await drives.next())["trip"]["version"] == version
            await watched.completed()
            assert [(await mine.next())["trip"]["version"] for _ in range(4)] == [1, 2, 3, 4]

            # The other direction: a change of the rider on one ends the driver's view on the other.
            # The first trip was over fast, so the pool may make a snapshot for each of its changes, or for some.
            await _first(pool, lambda message: "paused" in message and message["paused"] is None)
            second = await rider.create_trip()
            await _first(pool, lambda message: second["id"] in _offered(message))
            await driver.update_trip(second["id"], "STARTED")
            await _first(pool, lambda message: message.get("paused") == "ON_TRIP")
            assert (await drives.next())["trip"]["status"] == "STARTED"
            await rider.update_trip(second["id"], "CANCELLED", reason="Found a bus.")
            cancelled = (await drives.next())["trip"]
            assert (cancelled["status"], cancelled["cancelReason"]) == ("CANCELLED", "Found a bus.")
        await until(lambda: _equals(subscriptions(redis_url, prefix), idle))

        # One session, sockets on both; the log-out on one closes them all.
        rider_elsewhere = Api(other.url)
        async with rider_elsewhere:
            rider_elsewhere.http.cookies = rider.http.cookies
            async with rider.socket() as here, rider_elsewhere.socket() as there:
                await rider.data(LOG_OUT)
                assert [(await each.closed()).code for each in (here, there)] == [4401, 4401]
        for server in (one, other):
            await server.stop()
            assert "Traceback" not in server.log(), server.log()


async def _first(events: Events, wanted: Callable[[Any], bool]) -> None:
    """Wait for the first of the messages that is wanted."""
    while not wanted(await events.next()):
        pass


def _offered(message: Any) -> set[str]:
    """The trips that a message of the pool offers."""
    trips = message["offers"] if "offers" in message else [message["trip"]] if "trip" in message else []
    return {trip["id"] for trip in trips}


async def _equals(found: object, wanted: object) -> bool:
    return await found == wanted  # type: ignore[misc]
