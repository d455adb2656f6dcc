"""After any kind of disconnect nothing is left behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from application.settings import Settings
from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_OUT, MY_TRIPS, POOL, TRIP_UPDATED, Api, open_socket
from tests.support.brokers import subscriptions
from tests.support.waiting import until

# What every process listens to.
OF_THE_PROCESS = {"sessions", "promotions"}

pytestmark = pytest.mark.usefixtures("topics_do_not_linger_long")


@asynccontextmanager
async def leaving_nothing(server: LiveServer, settings: Settings) -> AsyncGenerator[None]:
    """The block leaves the hub, the sessions, the sockets, the tasks and Redis unchanged."""
    application = server.application

    async def counts() -> tuple[object, ...]:
        hub = application.services.hub
        return (
            hub.topics,
            hub.subscribers,
            application.live_sessions.count,
            len(server.asgi.sockets.sockets),
            await subscriptions(settings.redis_url, settings.redis_prefix) if settings.redis_url else None,
        )

    before, tasks = await counts(), _tasks()
    assert before[:4] == (0, 0, 0, 0)
    yield

    async def is_as_before() -> bool:
        return await counts() == before and _tasks() <= tasks

    try:
        await until(is_as_before)
    except TimeoutError:
        left = [str(task) for task in asyncio.all_tasks() if _name(task) not in tasks]
        pytest.fail(f"left: {await counts()} instead of {before}, {left}")


def _tasks() -> set[str]:
    """Our running tasks: by name, because the periodic jobs renew theirs."""
    return {_name(task) for task in asyncio.all_tasks()}


def _name(task: "asyncio.Task[object]") -> str:
    return getattr(task.get_coro(), "__qualname__", "")


async def test_after_a_normal_close(live_server: LiveServer, settings: Settings, driver: Api) -> None:
    async with leaving_nothing(live_server, settings), driver.socket() as socket:
        for query in (POOL, MY_TRIPS, POOL):
            await (await socket.start(query)).next()
        assert live_server.application.services.hub.subscribers == 3


async def test_after_the_connection_is_cut(
    live_server: LiveServer, settings: Settings, rider: Api, driver: Api
) -> None:
    async with leaving_nothing(live_server, settings):
        async with driver.socket() as socket:
            await (await socket.start(POOL)).next()
            socket.connection.transport.abort()
            # A change at this moment must cause no error.
            await rider.create_trip()
        async with driver.socket() as socket:
            assert len((await (await socket.start(POOL)).next())["offers"]) == 1


async def test_after_complete(live_server: LiveServer, settings: Settings, driver: Api) -> None:
    async with driver.socket() as socket:
        hub = live_server.application.services.hub
        for _ in range(3):
            events = await socket.start(POOL)
            await events.next()
            await events.stop()
            await socket.ping()
            assert hub.subscribers == 0
        await until(lambda: hub.topics == 0)
        if settings.redis_url:
            await until(lambda: _only_those_of_the_process(settings))


async def _only_those_of_the_process(settings: Settings) -> bool:
    found = await subscriptions(settings.redis_url or "", settings.redis_prefix)
    return found.keys() == {f"{settings.redis_prefix}:{name}" for name in OF_THE_PROCESS}


async def test_after_a_trip_that_ended(live_server: LiveServer, settings: Settings, rider: Api) -> None:
    trip = await rider.create_trip()
    async with rider.socket() as socket:
        watched = await socket.start(TRIP_UPDATED, id=trip["id"])
        await watched.next()
        await rider.update_trip(trip["id"], "CANCELLED")
        await watched.next()
        await watched.completed()
        await until(lambda: live_server.application.services.hub.topics == 0)


async def test_after_subscriptions_that_end_while_they_are_set_up(
    live_server: LiveServer, settings: Settings, driver: Api
) -> None:
    async with leaving_nothing(live_server, settings), driver.socket() as socket:
        for _ in range(30):
            await (await socket.start(POOL)).stop()
            await (await socket.start(MY_TRIPS)).stop()
        # A subscription that is set up afterwards works, on the same topics.
        events = await socket.start(POOL)
        assert (await events.next())["__typename"] == "PoolSnapshot"
        wanted = {"pool:all", f"location:{driver.user['id']}", *OF_THE_PROCESS}

        async def only_these() -> bool:
            found = await subscriptions(settings.redis_url or "", settings.redis_prefix)
            return found == {f"{settings.redis_prefix}:{name}": 1 for name in wanted}

        if settings.redis_url:
            await until(only_these)


async def test_after_sockets_that_are_cut_while_they_subscribe(
    live_server: LiveServer, settings: Settings, driver: Api
) -> None:
    async with leaving_nothing(live_server, settings):
        for _ in range(10):
            async with driver.socket() as socket:
                await socket.start(POOL)
                await socket.start(MY_TRIPS)
                socket.connection.transport.abort()


async def test_after_a_hundred_sockets_at_once(
    live_server: LiveServer, settings: Settings, person: SignUp
) -> None:
    drivers = [await person("DRIVER") for _ in range(100 // settings.max_sockets_per_user)]

    async def come_and_go(number: int) -> None:
        async with drivers[number % len(drivers)].socket() as socket:
            events = await socket.start(POOL)
            await events.next()
            if number % 2:
                socket.connection.transport.abort()

    async with leaving_nothing(live_server, settings):
        await asyncio.gather(*(come_and_go(number) for number in range(100)))


async def test_after_sockets_that_never_send_connection_init(
    live_server: LiveServer, settings: Settings, driver: Api
) -> None:
    async with leaving_nothing(live_server, settings):
        async with open_socket(live_server.url, headers=driver.cookie_header()):
            pass
        async with open_socket(live_server.url) as socket:
            await socket.send(type="connection_init")
            assert (await socket.closed()).code == 4403


async def test_after_a_log_out(live_server: LiveServer, settings: Settings, driver: Api) -> None:
    async with leaving_nothing(live_server, settings), driver.socket() as socket:
        await (await socket.start(POOL)).next()
        await driver.data(LOG_OUT)
        assert (await socket.closed()).code == 4401


async def test_after_an_event_stream_is_cut(live_server: LiveServer, settings: Settings, driver: Api) -> None:
    async with leaving_nothing(live_server, settings):
        request = driver.http.build_request(
            "POST", "/graphql", json={"query": POOL}, headers={"Accept": "text/event-stream"}
        )
        response = await driver.http.send(request, stream=True)
        assert response.status_code == 200
        lines = response.aiter_lines()
        # A comment comes before the first event.
        assert [await anext(lines) for _ in range(3)] == [":", "", "event: next"]
        await response.aclose()
