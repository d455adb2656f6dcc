"""Heads of requests without an end: how much of them is gathered, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from gateway.http_protocol import MAX_FRAMING_BYTES
from services.config import Settings
from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS

pytestmark = [
    pytest.mark.attack("protocol"),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(server: LiveServer) -> AsyncIterator[Connection]:
    """A connection on which nothing has been said."""
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    """The status and the JSON of an answer after which the connection is closed."""
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body)


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
    """Send, until the connection breaks or far more has been taken than the buffers between the two can hold."""
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
        (b"POST /graphql HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 1000),
        (b"POST /graphql HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x" * 10_000),
    ],
)
async def test_what_goes_on_for_ever_is_cut_after_a_bounded_number_of_bytes(
    live_server: LiveServer, begin: bytes, more: bytes
) -> None:
    async with connected(live_server) as (_, writer):
        writer.write(begin)
        with pytest.raises(ConnectionError):
            await send_for_ever(writer, more)
    await still_serves(live_server)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With little patience."""
    return settings.model_copy(update={"receive_timeout_s": 0.5, "keep_alive_s": 1.0})


async def test_a_slow_head_and_none_at_all_are_408(live_server: LiveServer) -> None:
    async with connected(live_server) as (slow, writer), connected(live_server) as (silent, _):
        writer.write(b"GET /healthz HTTP/1.1\r\nHo")
        for reader in (slow, silent):
            status, body = await answer(reader)
            assert (status, body["errors"][0]["extensions"]) == (408, {"code": "REQUEST_TIMEOUT"})
    await still_serves(live_server)


async def test_an_idle_connection_is_kept_for_a_while_and_then_closed(live_server: LiveServer) -> None:
    loop = asyncio.get_running_loop()
    async with connected(live_server) as (reader, writer), asyncio.timeout(4):
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b'{"status":"ok"}')
        answered = loop.time()
        assert await reader.read() == b""
        # Longer than a head may take, and not as long as uvicorn would by itself.
        assert loop.time() - answered > 0.9


async def test_what_is_being_answered_is_not_slow(live_server: LiveServer, person: SignUp) -> None:
    rider = await person("RIDER")
    body, events = {"query": MY_TRIPS}, {"Accept": "text/event-stream"}
    async with (
        rider.socket() as socket,
        rider.http.stream("POST", "/graphql", json=body, headers=events) as stream,
        connected(live_server) as (silent, _),
    ):
        # By the time that this one is given up, the others have been open as long.
        assert (await answer(silent))[0] == 408
        await rider.create_trip()
        lines = stream.aiter_lines()
        while "TripChanged" not in await anext(lines):
            pass
        await socket.ping()
