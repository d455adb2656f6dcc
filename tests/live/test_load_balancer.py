"""Two servers behind nginx, which alternates between them for each request and socket: no sticky sessions are
needed.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.api import LOG_IN, LOG_OUT, MY_TRIPS, PASSWORD, POOL, TRIP_UPDATED, Api
from tests.support.processes import ServerProcess, server_process
from tests.support.proxies import Proxy, before
from tests.support.servers import Postgres


@dataclass
class Balanced:
    """The address of nginx, and the servers behind it."""

    url: str
    servers: Sequence[ServerProcess]

    @property
    def addresses(self) -> set[str]:
        """The servers as nginx names them."""
        return {urlsplit(server.url).netloc for server in self.servers}


@pytest.fixture
async def balanced(postgres: Postgres, redis_url: str, tmp_path: Path) -> AsyncIterator[Balanced]:
    database_url = postgres.copy()
    settings = {
        "database_url": database_url,
        "redis_url": redis_url,
        "redis_prefix": f"balanced-{tmp_path.name[-20:]}",
        "media_url": tmp_path / "media",
        "password_hash_memory_kib": 1024,
    }
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, database_url)
        servers = [await stack.enter_async_context(server_process(**settings)) for _ in range(2)]
        for server in servers:
            await server.ready()
        addresses = [urlsplit(server.url).netloc for server in servers]
        yield Balanced(await stack.enter_async_context(before(Proxy.NGINX, addresses)), servers)


async def test_a_whole_trip_works_behind_a_load_balancer_without_sticky_sessions(balanced: Balanced) -> None:
    answered: list[str] = []

    async def remember(response: httpx.Response) -> None:
        answered.append(response.headers["x-server"])

    async with AsyncExitStack() as stack:
        rider, driver = [await stack.enter_async_context(Api(balanced.url)) for _ in range(2)]
        for api in (rider, driver):
            api.http.event_hooks["response"].append(remember)
        await rider.sign_up("RIDER")
        await driver.sign_up("DRIVER")

        # Logged in at one, known at the other.
        answered.clear()
        payload = await rider.data(LOG_IN, username=rider.user["username"], password=PASSWORD)
        assert payload["errors"] == []
        for _ in range(3):
            assert (await rider.data("{ me { id } }"))["id"] == rider.user["id"]
        assert set(answered) == balanced.addresses

        sockets = [await stack.enter_async_context(api.socket()) for api in (rider, rider, driver, driver)]
        # In turn: each person has a socket at each of the two.
        places = [socket.connection.response.headers["x-server"] for socket in sockets]
        assert set(places[:2]) == set(places[2:]) == balanced.addresses
        mine = [await socket.start(MY_TRIPS) for socket in sockets[:2]]
        pools = [await socket.start(POOL) for socket in sockets[2:]]
        for events in (*mine, *pools):
            assert "Snapshot" in (await events.next())["__typename"]

        answered.clear()
        trip = await rider.create_trip()
        watched = [await socket.start(TRIP_UPDATED, id=trip["id"]) for socket in sockets[:2]]
        for events in watched:
            assert (await events.next())["version"] == 1
        for status in ("STARTED", "IN_PROGRESS", "COMPLETED"):
            await driver.update_trip(trip["id"], status)
        assert set(answered) == balanced.addresses

        for events in pools:
            assert (await events.next())["trip"]["id"] == trip["id"]
            # A server that reads late finds the end of the trip alone.
            paused = [(await events.next())["paused"]]
            while paused[-1] is not None:
                paused.append((await events.next())["paused"])
            assert paused in ([None], ["ON_TRIP", None])
        for events in mine:
            assert [(await events.next())["trip"]["version"] for _ in range(4)] == [1, 2, 3, 4]
        for events in watched:
            assert [(await events.next())["version"] for _ in range(3)] == [2, 3, 4]
            await events.completed()

        # Logged out at one, closed at both.
        await rider.data(LOG_OUT)
        assert [(await socket.closed()).code for socket in sockets[:2]] == [4401, 4401]
        assert await rider.data("{ me { id } }") is None
        assert (await driver.data("{ me { id } }"))["id"] == driver.user["id"]
