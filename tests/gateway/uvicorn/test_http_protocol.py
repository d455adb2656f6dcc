"""The limits of size and time of request heads."""

import asyncio
from contextlib import suppress

import pytest
import structlog

from application.settings import Settings
from gateway.uvicorn.http_protocol import MAX_FRAMING_BYTES
from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS
from tests.support.tcp import answer, connected
from tests.support.waiting import PATIENCE_S, until

pytestmark = [
    pytest.mark.attack("protocol"),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

CHUNKED = b"POST /graphql HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
PREFLIGHT = (
    b"OPTIONS /graphql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    b"Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n"
)
SOCKET = (
    b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n\r\n"
)


async def still_serves(server: LiveServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert await answer(reader) == (200, {"status": "ok"})


@pytest.mark.parametrize("beyond", [-200, 1], ids=["just below", "just above"])
async def test_an_address_without_end_is_414(live_server: LiveServer, beyond: int) -> None:
    async with connected(live_server) as (reader, writer):
        writer.write(b"GET /healthz?" + b"x" * (MAX_FRAMING_BYTES + beyond))
        writer.write(b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status, body = await answer(reader)
        assert status == (200 if beyond < 0 else 414)
        assert beyond < 0 or body["errors"][0]["extensions"] == {"code": "URI_TOO_LONG"}
    await still_serves(live_server)


@pytest.mark.parametrize("beyond", [-200, 1], ids=["just below", "just above"])
async def test_headers_without_end_are_431(live_server: LiveServer, beyond: int) -> None:
    async with connected(live_server) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-A: ")
        writer.write(b"x" * (MAX_FRAMING_BYTES + beyond) + b"\r\n\r\n")
        status, body = await answer(reader)
        assert status == (200 if beyond < 0 else 431)
        assert beyond < 0 or body["errors"][0]["extensions"] == {"code": "HEADERS_TOO_LARGE"}
    await still_serves(live_server)


async def send_for_ever(writer: asyncio.StreamWriter, more: bytes) -> None:
    """Send until the connection breaks, or much more was accepted than the buffers between the two can hold."""
    sent = 0
    while sent < 256 * MAX_FRAMING_BYTES:
        writer.write(more)
        await writer.drain()
        sent += len(more)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET /", b"x" * 10_000),
        (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n" * 1000),
        (b"GET / HTTP/1.1\r\nX-A: ", b"x" * 10_000),
        (b"GET / HTTP/1.1\r\n", b"x" * 10_000),
        # Trailers, which may follow a chunked body.
        (CHUNKED % b"localhost" + b"0\r\n", b"X-A: b\r\n" * 1000),
        (CHUNKED % b"localhost" + b"5;", b"x" * 10_000),
        # The body of a request that was answered without it: for another host name, and from another origin.
        (CHUNKED % b"evil.example", b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
        (PREFLIGHT, b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
        # The body of a WebSocket handshake, which must have none.
        (SOCKET % b"Transfer-Encoding: chunked", b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
        (SOCKET % b"Content-Length: 99999999999", b"x" * 10_000),
    ],
)
async def test_an_endless_request_is_cut_off_after_a_bounded_number_of_bytes(
    live_server: LiveServer, begin: bytes, more: bytes
) -> None:
    async with connected(live_server) as (_, writer):
        writer.write(begin)
        with pytest.raises(ConnectionError):
            await send_for_ever(writer, more)
    await still_serves(live_server)


@pytest.mark.parametrize(
    ("begin", "status"),
    [
        (b"GET /", 414),
        (b"GET / HTTP/1.1\r\nX-A: ", 431),
        (b"\0\r\n\r\n", 400),
        (SOCKET % b"Content-Length: 5", 400),
        # While the application waits for the body.
        (CHUNKED % b"localhost" + b"5;", 431),
        (CHUNKED % b"localhost" + b"no length", 400),
    ],
)
async def test_whoever_is_refused_while_it_sends_can_send_on_and_read_why(
    live_server: LiveServer, begin: bytes, status: int
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(begin)
        # More than the systems' buffers would be cut by a reset.
        for _ in range(100):
            writer.write(b"x" * 10_000)
            await writer.drain()
        received = await reader.read()
        # Nobody works for it any more.
        await until(lambda: live_server.application.admission.running == 0)
    assert (received.count(b"HTTP/1.1 "), int(received.split()[1])) == (1, status)
    await still_serves(live_server)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Short time-outs, and a listed origin, so that its layer exists too."""
    return settings.model_copy(
        update={"receive_timeout_s": 0.5, "keep_alive_s": 1.0, "allowed_origins": ("https://app.example",)}
    )


async def test_a_slow_head_and_a_missing_head_are_408(live_server: LiveServer) -> None:
    async with connected(live_server) as (slow, writer), connected(live_server) as (silent, _):
        writer.write(b"GET /healthz HTTP/1.1\r\nHo")
        for reader in (slow, silent):
            status, body = await answer(reader)
            assert (status, body["errors"][0]["extensions"]) == (408, {"code": "REQUEST_TIMEOUT"})
    await still_serves(live_server)


async def test_an_idle_connection_is_kept_for_a_while_and_then_closed(live_server: LiveServer) -> None:
    loop = asyncio.get_running_loop()
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b'{"status":"ok"}')
        answered = loop.time()
        assert await reader.read() == b""
        # Longer than the limit of a head, and shorter than uvicorn's own.
        assert loop.time() - answered > 0.9


async def test_a_request_that_is_being_answered_does_not_time_out(live_server: LiveServer, person: SignUp) -> None:
    rider = await person("RIDER")
    body, events = {"query": MY_TRIPS}, {"Accept": "text/event-stream"}
    async with (
        rider.socket() as socket,
        rider.http.stream("POST", "/graphql", json=body, headers=events) as stream,
        connected(live_server) as (silent, _),
    ):
        # When this one is closed, the others have been open as long.
        assert (await answer(silent))[0] == 408
        await rider.create_trip()
        lines = stream.aiter_lines()
        while "TripChanged" not in await anext(lines):
            pass
        await socket.ping()


@pytest.mark.parametrize(
    "field", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Content-Length: 5\r\nX: y"]
)
@pytest.mark.parametrize("path", [b"/graphql", b"/", b"/healthz"])
async def test_a_request_for_a_socket_with_a_body_is_400_and_logged(
    live_server: LiveServer, field: bytes, path: bytes
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with connected(live_server) as (reader, writer):
            writer.write((SOCKET % field).replace(b"/graphql", path))
            status, body = await answer(reader)
    assert (status, body["errors"][0]["extensions"]) == (400, {"code": "BAD_REQUEST"})
    assert [(log["event"], log["status"]) for log in logs] == [("request refused", 400)]


@pytest.mark.parametrize(
    "field",
    [b"X-A: " + b"x" * 9000, b"\r\n".join([b"X: y"] * 200)],
    ids=["a long line", "many lines"],
)
async def test_a_request_for_a_socket_with_a_long_head_is_431(live_server: LiveServer, field: bytes) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(SOCKET % field)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
    await still_serves(live_server)


@pytest.mark.parametrize(
    "begin",
    [CHUNKED % b"evil.example" + b"ffff\r\n", PREFLIGHT + b"ffff\r\n"],
    ids=["another name", "another origin"],
)
async def test_a_body_that_arrives_slowly_after_the_answer_does_not_keep_the_connection(
    live_server: LiveServer, begin: bytes
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(begin)
        assert b"HTTP/1.1 4" in await reader.readuntil(b"\r\n\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(65536), 0.05)
    await still_serves(live_server)


async def test_a_body_that_arrives_after_the_answer_is_read_and_the_connection_is_used_again(
    live_server: LiveServer,
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(b"POST /graphql HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 5\r\n\r\n")
        await reader.readuntil(b'"UNKNOWN_HOST"}}]}')
        writer.write(b"12345GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b'{"status":"ok"}')


@pytest.mark.parametrize("last", [b"\0\r\n\r\n", SOCKET % b"X: y"], ids=["malformed", "a socket"])
async def test_requests_before_a_refused_one_get_whole_answers_and_then_the_connection_is_closed(
    live_server: LiveServer, last: bytes
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2 + last)
        received = await reader.read()
    assert received.count(b"HTTP/1.1 ") == received.count(b'{"status":"ok"}') == 2
