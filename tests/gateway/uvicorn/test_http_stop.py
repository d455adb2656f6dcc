"""What a server that stops does with its HTTP connections."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.uvicorn import http_protocol
from gateway.uvicorn.http_protocol import HttpProtocol
from tests.conftest import LiveServer
from tests.support.tcp import answer, connected, connections_made
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> list[HttpProtocol]:
    """The connections that servers in this process accept from now on."""
    return connections_made(HttpProtocol, monkeypatch)


@pytest.mark.parametrize("requests", [0, 1], ids=["first", "next"])
async def test_a_request_that_comes_just_when_the_server_stops_is_answered(
    live_server: LiveServer, accepted: list[HttpProtocol], requests: int
) -> None:
    async with connected(live_server) as (reader, writer):
        for _ in range(requests):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b'{"status":"ok"}')
        await until(lambda: accepted)
        accepted[0].shutdown()
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        # The answer ends the connection.
        assert await answer(reader) == (200, {"status": "ok"})


HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n%s\r\n"
)


@pytest.mark.parametrize("more", [b"", b"X-Odd: \x80\r\n"], ids=["ordinary", "left to uvicorn"])
async def test_a_handshake_that_comes_just_when_the_server_stops_is_503(
    live_server: LiveServer, accepted: list[HttpProtocol], more: bytes
) -> None:
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        await until(lambda: accepted)
        accepted[0].shutdown()
        writer.write(HANDSHAKE % more)
        received = (await reader.read()).lower()
    assert received.startswith(b"http/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in received


@pytest.mark.parametrize("is_sent_before", [True, False], ids=["before the stop", "after the stop"])
async def test_a_handshake_that_waits_for_its_turn_while_the_server_stops_is_503(
    live_server: LiveServer, accepted: list[HttpProtocol], is_sent_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[Callable[[], None]] = []
    monkeypatch.setattr(HttpProtocol, "queue_upgrade", lambda _, handshakes, upgrade: turns.append(upgrade))
    ends_of_idle = asyncio.Event()
    monkeypatch.setattr(HttpProtocol, "_end_idle", _noted(HttpProtocol._end_idle, ends_of_idle))  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(http_protocol, "FIRST_REQUEST_S", 0.2)
    async with connected(live_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        await until(lambda: accepted)
        if not is_sent_before:
            accepted[0].shutdown()
        writer.write(HANDSHAKE % b"")
        await until(lambda: turns)
        if is_sent_before:
            accepted[0].shutdown()
        else:
            await ends_of_idle.wait()
        turns[0]()
        received = (await reader.read()).lower()
    assert received.startswith(b"http/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in received


def _noted(end_idle: Callable[[HttpProtocol], None], done: asyncio.Event) -> Callable[[HttpProtocol], None]:
    def noted(protocol: HttpProtocol) -> None:
        end_idle(protocol)
        done.set()

    return noted


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\n"], ids=["nothing", "part of a head"])
async def test_a_connection_without_a_request_ends_soon_after_the_server_begins_to_stop(
    live_server: LiveServer, accepted: list[HttpProtocol], begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "FIRST_REQUEST_S", 0.2)
    async with connected(live_server) as (reader, writer):
        writer.write(begun)
        await until(lambda: accepted)
        accepted[0].shutdown()
        assert await reader.read() == b""
