"""Before a server stops, load balancers see it coming, and its sockets leave one after another."""

import asyncio
import functools
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from application import uvicorn_server
from application.uvicorn_server import Drain, Server
from gateway.draining import Draining
from gateway.uvicorn.http_protocol import HttpProtocol
from gateway.uvicorn.socket_protocol import SocketProtocol
from services.runtime.fair_queue import FairQueue
from tests.support.api import Api
from tests.support.processes import server_process
from tests.support.waiting import PATIENCE_S, until


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


class Socket(SocketProtocol):
    """A socket that notes when it is sent away."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.left_s: float | None = None

    def shutdown(self) -> None:
        self.left_s = self.clock.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(uvicorn_server, "time", clock)
    return clock


def test_sockets_leave_evenly_and_in_random_order_after_the_delay(clock: Clock) -> None:
    sockets = [Socket(clock) for _ in range(100)]
    drain = Drain(Draining(5, 10), cast("set[Any]", set(sockets)))
    while not drain.step():
        clock.now_s += 0.1
    leaving = sorted(cast("float", socket.left_s) for socket in sockets)
    assert leaving[0] >= 1005
    assert leaving[-1] <= 1015.1
    for second in range(10):
        assert 9 <= sum(1005 + second <= left_s < 1006 + second for left_s in leaving) <= 12
    assert [socket.left_s for socket in sockets] != leaving


def test_a_socket_that_is_opened_meanwhile_leaves_too_and_without_sockets_the_drain_is_over(clock: Clock) -> None:
    connections: set[Any] = set()
    drain = Drain(Draining(1, 10), connections)
    assert not drain.step()
    connections.add(late := Socket(clock))
    clock.now_s += 1
    assert not drain.step()
    assert late.left_s == clock.now_s
    assert drain.step()


def test_without_settings_there_is_no_drain(clock: Clock) -> None:
    assert Drain(Draining(), cast("set[Any]", {Socket(clock)})).step()


async def test_a_draining_server_says_that_it_is_not_ready_serves_on_and_a_second_signal_hurries_it(
    tmp_path: Path,
) -> None:
    given = {"database_url": f"sqlite://{tmp_path}/taxi.sqlite3", "media_url": tmp_path}
    async with server_process(**given, drain_delay_s=60, drain_s=60) as server, AsyncExitStack() as stack:
        # The signal in the end would wait for the drain.
        stack.callback(server.kill)
        await server.ready()
        api = await stack.enter_async_context(Api(server.url))
        await api.sign_up("RIDER")
        first = await stack.enter_async_context(api.socket())
        os.kill(server.pid, signal.SIGTERM)
        await until(_says_no(api.http))
        ready = await api.http.get("/readyz")
        assert (ready.json()["status"], ready.headers["connection"]) == ("draining", "close")
        second = await stack.enter_async_context(api.socket())
        await first.ping()
        assert await api.create_trip()
        os.kill(server.pid, signal.SIGTERM)
        assert [(await socket.closed()).code for socket in (first, second)] == [1012, 1012]
        assert await server.ended() == 0


class BusyAtTheStop(Server):
    """A server whose event loop does not run from before a client connects until it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening, self.is_asked, self.is_busy, self.is_sent = (threading.Event() for _ in range(4))

    async def on_tick(self, counter: int) -> bool:
        self.is_listening.set()
        if self.is_asked.is_set():
            self.is_busy.set()
            assert self.is_sent.wait(PATIENCE_S)
            self.should_exit = True
        return await super().on_tick(counter)


async def says_ok(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def test_a_client_that_has_connected_just_before_the_stop_is_answered() -> None:
    http = functools.partial(HttpProtocol, timeout_s=10, handshakes=FairQueue())
    config = uvicorn.Config(says_ok, port=0, lifespan="off", log_config=None, http=cast("Any", http))
    server = BusyAtTheStop(config)
    running = threading.Thread(target=server.run)
    running.start()
    assert server.is_listening.wait(PATIENCE_S)
    address = server.servers[0].sockets[0].getsockname()
    server.is_asked.set()
    assert server.is_busy.wait(PATIENCE_S)
    with socket.create_connection(address, PATIENCE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.is_sent.set()
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    running.join(PATIENCE_S)


class Stages:
    """A drain whose stages a test sets."""

    is_delayed, is_over = True, False

    def step(self) -> bool:
        return self.is_over


def is_refused(address: tuple[str, int]) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(address, PATIENCE_S).close()
    except ConnectionRefusedError:
        return True
    return False


def test_after_the_delay_nobody_can_connect_and_requests_on_open_connections_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a balancer that looks for the fewest connections sends everybody back to it."""
    stages, is_listening = Stages(), threading.Event()
    monkeypatch.setattr(uvicorn_server, "Drain", lambda *_: stages)
    http = functools.partial(HttpProtocol, timeout_s=10, handshakes=FairQueue())
    config = uvicorn.Config(says_ok, lifespan="off", log_config=None, http=cast("Any", http))
    server = Server(config, on_ready=is_listening.set)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    running = threading.Thread(target=server.run, args=([listener],))
    running.start()
    assert is_listening.wait(PATIENCE_S)

    def answers(client: socket.socket) -> bool:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client.recv(1000).startswith(b"HTTP/1.1 200")

    with socket.create_connection(address, PATIENCE_S) as client:
        assert answers(client)
        server.should_exit = True
        for _ in range(3):
            with socket.create_connection(address, PATIENCE_S) as other:
                assert answers(other)
        stages.is_delayed = False
        until_s = time.monotonic() + PATIENCE_S
        while not is_refused(address):
            assert time.monotonic() < until_s
        assert answers(client)
    stages.is_over = True
    running.join(PATIENCE_S)
    assert not running.is_alive()


class LateConnection:
    """A connection that was accepted when the server had already told all others to go."""

    def __init__(self) -> None:
        self.is_told = threading.Event()

    def shutdown(self) -> None:
        self.is_told.set()


def test_a_connection_that_appears_while_the_server_stops_is_told_to_go_too() -> None:
    is_asked, may_end = threading.Event(), threading.Event()

    async def takes_long(scope: Scope, receive: Receive, send: Send) -> None:
        is_asked.set()
        await asyncio.to_thread(may_end.wait, PATIENCE_S)
        await says_ok(scope, receive, send)

    http = functools.partial(HttpProtocol, timeout_s=10, handshakes=FairQueue())
    config = uvicorn.Config(takes_long, port=0, lifespan="off", log_config=None, http=cast("Any", http))
    is_listening, is_stopping = threading.Event(), threading.Event()
    server = Server(config, on_ready=is_listening.set)
    running = threading.Thread(target=server.run)
    running.start()
    assert is_listening.wait(PATIENCE_S)
    with socket.create_connection(server.servers[0].sockets[0].getsockname(), PATIENCE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert is_asked.wait(PATIENCE_S)
        (asking,) = server.server_state.connections
        # An answer that has no end of its own would be told in this way.
        cast("HttpProtocol", asking).on_shutdown = is_stopping.set
        server.should_exit = True
        assert is_stopping.wait(PATIENCE_S)
        late = LateConnection()
        server.server_state.connections.add(cast("Any", late))
        assert late.is_told.wait(PATIENCE_S)
        server.server_state.connections.discard(cast("Any", late))
        may_end.set()
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    running.join(PATIENCE_S)
    assert not running.is_alive()


def _says_no(http: httpx.AsyncClient) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return (await http.get("/readyz")).status_code == 503

    return asked
