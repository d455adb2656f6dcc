"""A server that has as much to do as it may: what waits, what is refused, and what is served all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect

from application.settings import Settings
from gateway.uvicorn.overload_answer import RETRY_AFTER_S
from services.runtime import admission
from tests.conftest import LiveServer, SignUp
from tests.support.api import CREATE_TRIP, MY_TRIPS, REPORT_LOCATION, TRIPS, Api
from tests.support.tcp import connected
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.parametrize("backend", ["production"], indirect=True)

PLACES = 3
TRIP = {"input": {"pickUpAddress": "Central Station", "dropOffAddress": "Airport"}}
HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nAccept: %s\r\n"
    b"GraphQL-Require-Preflight: 1\r\nContent-Length: %d\r\n\r\n"
)


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Few places and little patience."""
    monkeypatch.setattr(admission, "SHORT", 0)
    monkeypatch.setattr(admission, "BURST_S", 0.05)
    monkeypatch.setattr(admission, "PATIENCE_S", 0.05)
    monkeypatch.setattr(admission, "SOCKET_PATIENCE_S", 0.05)
    return settings.model_copy(
        update={"max_requests": PLACES, "allowed_origins": ("https://app.example",)}
        | {"database_pool_size": PLACES}
    )


@pytest.fixture
async def locked(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that keeps everybody from reading trips, until it is rolled back."""
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute("BEGIN")
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def all_places_taken(
    server: LiveServer, locked: asyncpg.Connection, api: Api
) -> AsyncIterator[list["asyncio.Task[httpx.Response]"]]:
    """Requests that wait in the database; afterwards they are answered."""
    await locked.execute("LOCK TABLE trips IN ACCESS EXCLUSIVE MODE")
    asking = [asyncio.create_task(api.http.post("/graphql", json={"query": TRIPS})) for _ in range(PLACES)]
    await until(lambda: server.application.admission.running == PLACES)
    yield asking
    await locked.execute("ROLLBACK")
    assert [(await request).status_code for request in asking] == [200] * PLACES
    await until(lambda: server.application.admission.running == 0)


async def test_the_next_request_gets_503_and_was_not_executed_and_afterwards_the_server_serves_again(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection
) -> None:
    rider = await person("RIDER")
    async with all_places_taken(live_server, locked, rider):
        refused = await rider.http.post("/graphql", json={"query": CREATE_TRIP, "variables": TRIP})
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/json"
        (error,) = refused.json()["errors"]
        assert error["extensions"]["code"] == "OVERLOADED"
        assert RETRY_AFTER_S[0] <= error["extensions"]["retryAfter"] <= RETRY_AFTER_S[1]
        assert refused.headers["retry-after"] == str(error["extensions"]["retryAfter"])
        assert refused.headers["x-content-type-options"] == "nosniff"
    assert (await rider.data(TRIPS))["nodes"] == []
    await rider.create_trip()


@pytest.mark.parametrize(
    ("content_type", "accept"),
    [
        (b"application/json", b"application/json"),
        (b"application/json", b"text/event-stream"),
        (b"multipart/form-data; boundary=x", b"*/*"),
    ],
)
async def test_a_request_is_refused_before_its_body_comes_and_the_client_can_send_it_to_its_end(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection, content_type: bytes, accept: bytes
) -> None:
    rider, size = await person("RIDER"), 200_000
    async with all_places_taken(live_server, locked, rider), connected(live_server) as (reader, writer):
        writer.write(HEAD % (content_type, accept, size))
        async with asyncio.timeout(PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 503 ")
            assert b"\r\nretry-after: " in head
            assert b"\r\nconnection: close\r\n" in head
            # More than the systems' buffers would be cut by a reset.
            writer.write(b"x" * size)
            await writer.drain()
            assert b'"OVERLOADED"' in await reader.read()


async def test_after_a_refusal_the_connection_can_be_used_again(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection
) -> None:
    rider = await person("RIDER")
    async with connected(live_server) as (reader, writer):
        async with all_places_taken(live_server, locked, rider), asyncio.timeout(PATIENCE_S):
            writer.write(b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
            await reader.readuntil(b"]}")
            # An answer to HEAD has no body.
            writer.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
            for _ in range(2):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
        async with asyncio.timeout(PATIENCE_S):
            writer.write(b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_pages_of_listed_origins_can_read_the_refusal_and_others_cannot(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection
) -> None:
    rider = await person("RIDER")
    async with all_places_taken(live_server, locked, rider):
        for origin, allowed in (("https://app.example", "https://app.example"), ("https://evil.example", None)):
            refused = await rider.http.post("/graphql", json={"query": TRIPS}, headers={"Origin": origin})
            assert (refused.status_code, refused.headers.get("access-control-allow-origin")) == (503, allowed)


async def test_health_and_metrics_are_answered_although_all_places_and_connections_are_taken(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection
) -> None:
    rider = await person("RIDER")
    async with all_places_taken(live_server, locked, rider):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(rider.http.post("/graphql", json={"query": TRIPS}))
        for path in ("/readyz", "/healthz", "/metrics"):
            response = await rider.http.get(path)
            assert response.status_code == 200, path
        assert "\ntaxirank_overloaded 1.0\n" in response.text
        assert f"\ntaxirank_requests_running {PLACES}.0\n" in response.text
        assert "\ntaxirank_refused_requests_total 5.0\n" in response.text


async def test_a_new_socket_is_closed_with_1013(
    live_server: LiveServer, person: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider = await person("RIDER")
    with monkeypatch.context() as patched:
        patched.setattr(admission, "MOST_SOCKETS", 0)
        url = live_server.url.replace("http", "ws", 1) + "/graphql"
        async with asyncio.timeout(PATIENCE_S), connect(url, subprotocols=["graphql-transport-ws"]) as socket:  # pyright: ignore[reportArgumentType]
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (1013, "Overloaded")
            assert socket.subprotocol == "graphql-transport-ws"
        assert live_server.application.counters.refused_sockets == 1
    async with rider.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()


async def test_handshakes_tell_how_long_they_have_waited(
    live_server: LiveServer, person: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_s = list[float]()
    monkeypatch.setattr(live_server.application.admission, "note_socket", waited_s.append)
    rider = await person("RIDER")
    async with rider.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()
    (seconds,) = waited_s
    assert seconds >= 0.0


async def test_an_operation_on_an_open_socket_gets_a_typed_error_and_a_subscription_ends_the_socket(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection
) -> None:
    rider = await person("RIDER")
    async with rider.socket() as socket, all_places_taken(live_server, locked, rider):
        assert await (await socket.start(CREATE_TRIP, **TRIP)).error_code() == "OVERLOADED"
        # One that its client gives up is neither executed nor answered.
        given_up = await socket.start(CREATE_TRIP, **TRIP)
        await given_up.stop()
        await socket.ping()
        await socket.start(MY_TRIPS)
        closed = await socket.closed()
        assert (closed.code, closed.reason) == (1013, "Overloaded")
    assert (await rider.data(TRIPS))["nodes"] == []


async def test_positions_are_stored_although_requests_wait_for_the_database(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, admitting = await person("DRIVER"), live_server.application.admission
    position = {"point": {"lat": 52.37, "lng": 4.9}, "recordedAt": datetime.now(UTC).isoformat()}
    async with driver.socket() as socket:
        await (await socket.start(REPORT_LOCATION, input=position)).next()
        monkeypatch.setattr(admitting, "_database_room", lambda: 0)
        operation = await socket.start("mutation { logOut { errors { code } } }")
        await until(lambda: admitting.waiting == 1)
        later = {**position, "recordedAt": datetime.now(UTC).isoformat()}
        assert (await (await socket.start(REPORT_LOCATION, input=later)).next())["errors"] == []
        assert await operation.error_code() == "OVERLOADED"


async def test_a_client_that_sends_slowly_takes_no_place(live_server: LiveServer, person: SignUp) -> None:
    rider = await person("RIDER")
    body = b'{"query":"{__typename}"}'
    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(connected(live_server)) for _ in range(PLACES)]
        for _, writer in slow:
            # With this header the server says when the application waits for the body.
            head = HEAD % (b"application/json", b"*/*", len(body))
            writer.write(head.replace(b"Content-Length", b"Expect: 100-continue\r\nContent-Length"))
        async with asyncio.timeout(PATIENCE_S):
            for reader, _ in slow:
                await reader.readuntil(b"100 Continue\r\n\r\n")
            assert live_server.application.admission.running == 0
            assert await rider.data("{ me { id } }") == {"id": rider.user["id"]}
            for reader, writer in slow:
                writer.write(body)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_an_event_stream_takes_no_place(live_server: LiveServer, person: SignUp) -> None:
    rider = await person("RIDER")
    events: dict[str, Any] = {"json": {"query": MY_TRIPS}, "headers": {"Accept": "text/event-stream"}}
    async with AsyncExitStack() as stack:
        for _ in range(PLACES):
            stream = await stack.enter_async_context(rider.http.stream("POST", "/graphql", **events))
            lines = stream.aiter_lines()
            while "MyTripsSnapshot" not in await anext(lines):
                pass
        assert await rider.data("{ me { id } }") == {"id": rider.user["id"]}
        await until(lambda: live_server.application.admission.running == 0)


async def test_a_flood_from_one_address_behind_a_proxy_pushes_out_only_its_own(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "SHORT", 100)
    rider = await person("RIDER")

    def ask(address: str) -> "asyncio.Task[httpx.Response]":
        headers = {"X-Forwarded-For": address}
        return asyncio.create_task(rider.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers))

    waiting = live_server.application.admission
    async with all_places_taken(live_server, locked, rider):
        flood = []
        for number in range(1, PLACES + 1):
            flood.append(ask("192.0.2.1"))
            await until(lambda number=number: waiting.waiting == number)
        honest = ask("192.0.2.2")
        await until(lambda: any(request.done() for request in flood))
        assert [request.done() for request in flood] == [False, False, True]
        assert (await flood[-1]).status_code == 503
    assert [(await request).status_code for request in (*flood[:-1], honest)] == [200] * PLACES


async def test_a_request_whose_client_leaves_while_it_waits_is_not_executed(
    live_server: LiveServer, person: SignUp, locked: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "SHORT", 100)
    rider, waiting = await person("RIDER"), live_server.application.admission
    async with all_places_taken(live_server, locked, rider):
        async with Api(live_server.url) as other:
            other.http.cookies = rider.http.cookies
            asking = asyncio.create_task(other.post(CREATE_TRIP, **TRIP))
            await until(lambda: waiting.waiting == 1)
            asking.cancel()
        await until(lambda: waiting.waiting == 0)
    assert (await rider.data(TRIPS))["nodes"] == []
