"""Pings: a peer that answers stays, and one that does not is aborted."""

import asyncio
import contextlib
import functools
import gc
import socket
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request

from application.settings import Settings
from benchmarks.hostile_socket import frame
from gateway.uvicorn.http_protocol import HttpProtocol
from gateway.uvicorn.socket_protocol import PINGED_TOGETHER_S, SocketProtocol
from services.runtime.fair_queue import FairQueue
from tests.conftest import serving
from tests.support.api import MY_TRIPS, POOL, Api
from tests.support.in_process import listening
from tests.support.waiting import PATIENCE_S, until

# Four bytes of payload follow; the mask of zeros leaves them unchanged.
PING, PONG = b"\x89\x04", b"\x8a\x84\0\0\0\0"
# More than the system's buffers for a client that does not read.
LARGE = b"x" * (16 << 20)


class Echo:
    """An ASGI application that echoes its messages. ``protocols`` are the server's ends, in order."""

    def __init__(self) -> None:
        self.protocols: list[SocketProtocol] = []
        # While it is cleared, the application reads no message.
        self.takes = asyncio.Event()
        self.takes.set()
        # The iteration of the event loop in which each socket has ended.
        self.iteration = 0
        self.ended: list[int] = []

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        await receive()
        await send({"type": "websocket.accept"})
        protocol = getattr(send, "__self__", None)
        assert isinstance(protocol, SocketProtocol)
        self.protocols.append(protocol)
        await self.takes.wait()
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"]})
            await self.takes.wait()
        self.ended.append(self.iteration)


@asynccontextmanager
async def echoing(*, interval_s: float = 60.0, timeout_s: float = 60.0) -> AsyncIterator[tuple[Echo, int]]:
    """A server with only sockets that are kept alive; its application and its port."""
    echo = Echo()
    ws = functools.partial(SocketProtocol, pieces=FairQueue(), ends=FairQueue())
    options: dict[str, Any] = {"ws": ws, "ws_ping_interval": interval_s, "ws_ping_timeout": timeout_s}
    config = uvicorn.Config(
        echo, port=0, loop="none", lifespan="off", log_config=None, ws_max_size=None, **options
    )
    async with listening(config) as port:
        try:
            yield echo, port
        finally:
            echo.takes.set()


@asynccontextmanager
async def opened(echo: Echo, port: int) -> AsyncIterator[tuple[ClientConnection, SocketProtocol]]:
    """Both ends of a new socket."""
    count = len(echo.protocols)
    async with connect(
        f"ws://127.0.0.1:{port}", compression=None, max_size=None, open_timeout=PATIENCE_S
    ) as connection:
        await until(lambda: len(echo.protocols) > count)
        try:
            yield connection, echo.protocols[count]
        finally:
            # A client that does not read would wait long for the server's close frame.
            connection.transport.abort()


async def answers(connection: ClientConnection) -> bool:
    await connection.send(b"anybody there?")
    return await connection.recv() == b"anybody there?"


@pytest.mark.parametrize("backend", ["embedded"])
async def test_a_peer_that_answers_no_ping_is_aborted_and_leaves_nothing_behind_and_one_that_answers_stays(
    settings: Settings,
) -> None:
    settings = settings.model_copy(update={"ping_interval_s": 0.05, "pong_timeout_s": 0.2})
    async with serving(settings) as server, Api(server.url) as driver:
        hub, sockets = server.application.services.hub, server.asgi.sockets.sockets
        await driver.sign_up("DRIVER")
        async with driver.socket() as alive, driver.socket() as silent:
            pool = await alive.start(POOL)
            await pool.next()
            for query in (POOL, MY_TRIPS):
                await (await silent.start(query)).next()
            assert (hub.subscribers, len(sockets)) == (3, 2)
            # As if its network had failed: it sends and receives nothing.
            silent.connection.transport.pause_reading()
            await until(lambda: (hub.subscribers, len(sockets)) == (1, 1))
            silent.connection.transport.resume_reading()
            # A close frame would have been in the buffer.
            assert (await silent.closed()).code == 1006
            await alive.ping()
            await driver.data("{ __typename }")
        await until(lambda: server.application.live_sessions.count == 0)


@pytest.mark.parametrize("backend", ["embedded"])
@pytest.mark.parametrize("end", ["close", "abort", "bad request", "bad frame", "abort while it begins"])
async def test_a_closed_connection_leaves_nothing_to_the_garbage_collector(
    settings: Settings, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[weakref.ref[object]] = []
    for kind in (HttpProtocol, SocketProtocol):
        made = kind.__init__

        def note(protocol: Any, *args: Any, made: Any = made, **options: Any) -> None:
            held.append(weakref.ref(protocol))
            made(protocol, *args, **options)

        monkeypatch.setattr(kind, "__init__", note)
    async with serving(settings) as server, Api(server.url) as driver:
        await driver.sign_up("DRIVER")
        held.clear()
        gc.collect()
        gc.disable()
        try:
            async with driver.socket() as socket:
                pool = await socket.start(POOL)
                transport = socket.connection.transport
                if end != "abort while it begins":
                    await pool.next()
                if end == "bad request":
                    transport.write(frame(0x81, b'{"type":"obey"}'))
                elif end == "bad frame":
                    transport.write(frame(0x83, b""))
                elif end != "close":
                    transport.abort()
                if end.startswith("bad"):
                    await socket.closed()
            assert len(held) == 2
            await until(lambda: not any(ref() for ref in held))
        finally:
            gc.enable()


async def test_an_open_socket_keeps_nothing_of_its_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = list[weakref.ref[object]]()
    connected = WebSocketsSansIOProtocol.handle_connect

    def note(protocol: WebSocketsSansIOProtocol, head: Any) -> None:
        heads.append(weakref.ref(head))
        connected(protocol, head)

    monkeypatch.setattr(WebSocketsSansIOProtocol, "handle_connect", note)
    gc.disable()
    try:
        async with echoing() as (echo, port), opened(echo, port) as (connection, _):
            assert await answers(connection)
            assert [head() for head in heads] == [None]
    finally:
        gc.enable()


async def test_of_sockets_that_are_lost_together_one_ends_in_each_iteration_of_the_event_loop() -> None:
    async with echoing() as (echo, port), contextlib.AsyncExitStack() as stack:
        protocols = [(await stack.enter_async_context(opened(echo, port)))[1] for _ in range(20)]
        loop = asyncio.get_running_loop()

        def count() -> None:
            echo.iteration += 1
            loop.call_soon(count)

        count()
        for protocol in protocols:
            protocol.connection_lost(ConnectionResetError())
        await until(lambda: len(echo.ended) == 20)
        assert len(set(echo.ended)) == 20


async def test_pings_that_are_due_at_about_the_same_time_go_together() -> None:
    async with echoing(interval_s=20.0) as (echo, port), contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(opened(echo, port))
        due_s = {protocol.ping_timer.when() for protocol in echo.protocols if protocol.ping_timer is not None}
        assert all(abs(each / PINGED_TOGETHER_S - round(each / PINGED_TOGETHER_S)) < 1e-6 for each in due_s)
        assert max(due_s) <= asyncio.get_running_loop().time() + 20.0


def test_a_pong_that_came_while_the_process_stood_still_counts() -> None:
    timeout_s = 0.1

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with echoing(timeout_s=timeout_s) as (echo, port):
            with await _handshake(port) as client:
                (protocol,) = echo.protocols

                def answer_and_stand_still() -> None:
                    client.send(PONG + client.recv(4096).removeprefix(PING))
                    # Block the whole process until the pong that waits at the server's end is late.
                    time.sleep(timeout_s * 2)

                loop.add_reader(client, answer_and_stand_still)
                protocol.send_keepalive_ping()
                await until(lambda: protocol.pending_ping_payload is None)
                loop.remove_reader(client)
                assert not protocol.disconnected

    # uvloop, as in production: it runs due timers before it reads.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


async def test_a_peer_that_is_still_reading_earlier_data_has_more_time_for_its_pong() -> None:
    async with echoing() as (echo, port), opened(echo, port) as (connection, protocol):
        await connection.send(LARGE)
        connection.transport.pause_reading()
        await until(lambda: protocol.is_paused)
        protocol.send_keepalive_ping()
        first = protocol.pong_timer
        assert first is not None
        connection.transport.resume_reading()
        await until(lambda: not protocol.is_paused)
        assert first.cancelled()
        assert await connection.recv() == LARGE
        await until(lambda: protocol.pending_ping_payload is None)


async def test_a_peer_that_stops_reading_is_aborted_whatever_waits_for_it() -> None:
    async with echoing(interval_s=0.05, timeout_s=0.1) as (echo, port), opened(echo, port) as (silent, protocol):
        await silent.send(LARGE)
        silent.transport.pause_reading()
        await until(lambda: protocol.disconnected)


async def test_a_closing_socket_is_aborted_if_its_peer_does_not_read_earlier_data() -> None:
    async with echoing(interval_s=0.05) as (echo, port), opened(echo, port) as (silent, protocol):
        silent.transport.pause_reading()
        protocol.transport.write(LARGE)
        protocol.transport.close()
        await until(lambda: protocol.disconnected)


async def test_a_peer_whose_pong_is_not_read_because_the_application_is_busy_stays() -> None:
    async with echoing(interval_s=0.05, timeout_s=0.1) as (echo, port):
        echo.takes.clear()
        async with opened(echo, port) as (connection, protocol):
            await connection.send(b"what the server does not take")
            await until(lambda: protocol.read_paused)
            # The sentinel: its ping comes later, its pong would be read, and there is none.
            async with opened(echo, port) as (silent, cut):
                silent.transport.pause_reading()
                await until(lambda: cut.disconnected)
            assert not protocol.disconnected
            echo.takes.set()
            assert await connection.recv() == b"what the server does not take"
            assert await answers(connection)


async def _handshake(port: int) -> socket.socket:
    """A bare TCP connection after a WebSocket handshake; it answers nothing by itself."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(
        client,
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    assert (await loop.sock_recv(client, 4096)).endswith(b"\r\n\r\n")
    return client


async def test_a_socket_that_is_told_to_go_reads_1012_although_it_is_sending() -> None:
    async with echoing() as (echo, port), opened(echo, port) as (client, protocol):
        # The application takes one message; the next one keeps the server from reading.
        echo.takes.clear()
        for _ in range(2):
            await client.send(b"unread")
        await until(lambda: protocol.read_paused)
        protocol.shutdown()
        assert not protocol.write_ready(b"\x82\x00")
        with contextlib.suppress(ConnectionClosed):
            for _ in range(100):
                await client.send(b"more")
        echo.takes.set()
        await client.wait_closed()
        assert client.close_code == 1012


async def test_a_socket_that_is_told_to_go_and_does_not_answer_is_aborted_soon() -> None:
    async with echoing() as (echo, port), opened(echo, port) as (client, protocol):
        client.transport.pause_reading()
        protocol.shutdown()
        assert not protocol.transport.is_closing()
        await until(protocol.transport.is_closing)


async def test_a_handshake_that_is_under_way_at_the_stop_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    original = SocketProtocol.handle_connect

    def handle_connect(protocol: SocketProtocol, event: Request) -> None:
        original(protocol, event)
        protocol.shutdown()

    monkeypatch.setattr(SocketProtocol, "handle_connect", handle_connect)
    async with echoing() as (_, port):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{port}", open_timeout=PATIENCE_S)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "1"
