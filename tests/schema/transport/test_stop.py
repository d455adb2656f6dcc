"""Endless streams do not delay a server that stops."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from application.application import Application
from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.support.api import MY_TRIPS, POOL, Api
from tests.support.database_rows import add_rider, add_trip
from tests.support.parts import DELIMITER, END, HEARTBEAT, PARTS
from tests.support.tcp import take_little
from tests.support.waiting import PATIENCE_S, until

EVENTS = {"Accept": "text/event-stream"}
# What each kind of stream begins with, before it has anything to say, and what its end would be.
BEGINNINGS = {"events": b":\n\n", "parts": HEARTBEAT}
ENDS = {"events": b"complete", "parts": DELIMITER + END}
both_kinds = pytest.mark.parametrize(("kind", "headers"), [("events", EVENTS), ("parts", PARTS)], ids=ENDS)
# A stop takes half a second of them; the rest is for a busy machine. Waiting for a request would take three times
# as long.
AT_ONCE_S = PATIENCE_S


@pytest.fixture
def backend() -> str:
    """One of the two, because no database is used."""
    return "embedded"


class Stopping:
    """A server that a test stops."""

    def __init__(self, server: LiveServer, stack: AsyncExitStack) -> None:
        self.url = server.url
        self.application = server.application
        self._stack = stack

    async def stop(self) -> float:
        """Stop it; returns the seconds that it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._stack.aclose()
        return loop.time() - began


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Stopping]:
    """A server that gives running requests longer than a stop takes on any machine."""
    settings = settings.model_copy(update={"shutdown_timeout_s": int(3 * AT_ONCE_S)})
    async with AsyncExitStack() as stack:
        yield Stopping(await stack.enter_async_context(serving(settings)), stack)


@both_kinds
async def test_a_stop_ends_a_stream_immediately_with_its_last_chunk_and_without_complete(
    server: Stopping, kind: str, headers: dict[str, str]
) -> None:
    async with Api(server.url) as api:
        await api.sign_up("RIDER")
        async with api.http.stream("POST", "/graphql", json={"query": MY_TRIPS}, headers=headers) as stream:
            chunks = stream.aiter_raw()
            received = b""
            while b"MyTripsSnapshot" not in received:
                received += await anext(chunks)
            took_s, rest = await asyncio.gather(server.stop(), _rest(chunks))
    assert took_s < AT_ONCE_S
    # A client that received the end would not reconnect. Without the last chunk httpx would have raised.
    assert ENDS[kind] not in received + rest


@both_kinds
async def test_a_stop_ends_a_stream_that_still_waits_for_its_snapshot(
    server: Stopping, monkeypatch: pytest.MonkeyPatch, kind: str, headers: dict[str, str]
) -> None:
    asked = asyncio.Event()

    async def never(*_: object) -> object:
        asked.set()
        return await asyncio.Event().wait()

    async with Api(server.url) as api:
        await api.sign_up("RIDER")
        monkeypatch.setattr(server.application.services.hub, "subscribe", never)
        async with api.http.stream("POST", "/graphql", json={"query": MY_TRIPS}, headers=headers) as stream:
            await asked.wait()
            took_s, rest = await asyncio.gather(server.stop(), _rest(stream.aiter_raw()))
    assert took_s < AT_ONCE_S
    assert rest == BEGINNINGS[kind]


async def test_an_event_stream_that_begins_during_a_stop_ends_immediately(
    server: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped, sessions = asyncio.Event(), server.application.services.sessions
    actor_of, asked = sessions.actor_of, asyncio.Event()

    async def slow(token: str) -> object:
        asked.set()
        await stopped.wait()
        return await actor_of(token)

    async with Api(server.url) as api:
        await api.sign_up("RIDER")
        monkeypatch.setattr(sessions, "actor_of", slow)
        asking = asyncio.create_task(api.http.post("/graphql", json={"query": MY_TRIPS}, headers=EVENTS))
        await asked.wait()
        stopping = asyncio.create_task(server.stop())
        # The listener is closed: the stop has begun.
        await until(lambda: not _accepts(server.url))
        stopped.set()
        assert (await asking).status_code == 200
        assert await stopping < AT_ONCE_S


@pytest.mark.parametrize("over", ["events", "parts", "socket"])
async def test_a_client_that_does_not_read_does_not_delay_a_stop(server: Stopping, over: str) -> None:
    async with Api(server.url) as api, AsyncExitStack() as stack:
        await api.sign_up("DRIVER")
        if over != "socket":
            headers = PARTS if over == "parts" else EVENTS
            response = await stack.enter_async_context(
                api.http.stream("POST", "/graphql", json={"query": POOL}, headers=headers)
            )
            ours = response.extensions["network_stream"].get_extra_info("client_addr")
        else:
            client = await stack.enter_async_context(api.socket())
            await (await client.start(POOL)).next()
            client.connection.transport.pause_reading()
            stack.callback(client.connection.transport.abort)
            ours = client.connection.local_address
        await until(lambda: server.application.services.hub.subscribers == 1)
        take_little(ours)
        await _fill_the_pool(server.application)
        server.application.services.hub.resync()
        await until(lambda: server.application.services.hub.counters.deliveries >= 2)
        assert await server.stop() < AT_ONCE_S


async def _rest(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def _accepts(url: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", httpx.URL(url).port or 0)) == 0


async def _fill_the_pool(application: Application) -> None:
    rider = await add_rider(application.database)
    for _ in range(200):
        await add_trip(application.database, rider)
    await application.database.fetch("UPDATE trips SET pick_up_address = $1", "x" * 300)
