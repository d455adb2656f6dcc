"""A valid handshake is answered as uvicorn and websockets would, without being read twice."""

import asyncio
import base64
import functools
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
import uvicorn
import uvloop
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from application.uvicorn_server import Server
from gateway.uvicorn import http_protocol
from gateway.uvicorn.handshake import MAX_BYTES, MAX_FIELDS, accept_of
from gateway.uvicorn.http_protocol import HttpProtocol
from gateway.uvicorn.request_head import Fields
from gateway.uvicorn.socket_protocol import SocketProtocol
from services.runtime.fair_queue import FairQueue
from tests.support.in_process import listening

# The example of RFC 6455, section 1.3.
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
VALID: dict[bytes, bytes] = {
    b"host": b"localhost",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
}


def test_the_example_of_the_specification() -> None:
    assert accept_of(b"/graphql", list(VALID.items())) == ACCEPT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"upgrade", b"h2c"),
        (b"upgrade", b"websocket, h2c"),
        (b"connection", b"keep-alive"),
        (b"connection", b"upgraded"),
        (b"sec-websocket-version", b"8"),
        (b"sec-websocket-version", b""),
        (b"sec-websocket-key", b""),
        (b"sec-websocket-key", b"dG9vIHNob3J0"),
        (b"sec-websocket-key", KEY + b"\n"),
        (b"sec-websocket-key", b"*" * 22 + b"=="),
        # Its last bits belong to no byte.
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZR=="),
    ],
)
def test_a_handshake_that_is_not_certainly_valid_is_left_to_uvicorn(name: bytes, value: bytes) -> None:
    assert accept_of(b"/", [*(VALID | {name: value}).items()]) is None


@pytest.mark.parametrize("name", sorted(VALID.keys() - {b"host"}))
def test_so_is_one_without_a_field_or_with_two(name: bytes) -> None:
    assert accept_of(b"/", [(each, value) for each, value in VALID.items() if each != name]) is None
    assert accept_of(b"/", [*VALID.items(), (name, VALID[name])]) is None


@pytest.mark.parametrize(
    ("url", "more"),
    [
        (b"/" + b"a" * MAX_BYTES, []),
        (b"/", [(b"cookie", b"a" * MAX_BYTES)]),
        (b"/", [(b"x", b"")] * MAX_FIELDS),
        (b"/", [(b"origin", b"http://a"), (b"origin", b"http://b")]),
        (b"/\xc3\xa9", []),
    ],
)
def test_so_is_a_long_one_and_one_with_two_origins_or_other_characters(url: bytes, more: Fields) -> None:
    assert accept_of(url, [*VALID.items(), *more]) is None


TOKENS = st.sampled_from([b"Upgrade", b"upgrade", b"UPGRADE", b"keep-alive", b"close", b"h2c", b"websocket", b""])
LISTS = st.lists(TOKENS, max_size=3).flatmap(
    lambda tokens: st.sampled_from([b",", b", ", b" ,\t"]).map(lambda comma: comma.join(tokens))
)
KEYS = st.one_of(st.binary(max_size=20).map(base64.b64encode), st.text("AQgw=+/z0", max_size=26).map(str.encode))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        b"connection": LISTS,
        b"upgrade": LISTS,
        b"sec-websocket-key": KEYS,
        b"sec-websocket-version": st.sampled_from([b"13", b"8", b"13, 8", b""]),
        b"origin": st.sampled_from([b"http://localhost", b"null"]),
        b"sec-websocket-protocol": st.sampled_from([b"graphql-transport-ws", b"a, b"]),
        b"sec-websocket-extensions": st.just(b"permessage-deflate; client_max_window_bits"),
    },
)


@given(FIELDS)
@example(VALID)
def test_what_is_accepted_websockets_accepts_with_the_same_answer(fields: dict[bytes, bytes]) -> None:
    """And not the reverse: the rest goes its way."""
    accept = accept_of(b"/", list(fields.items()))
    headers = Headers([(name.decode(), value.decode()) for name, value in fields.items()])
    response = ServerProtocol(extensions=None).accept(Request("/", headers))
    if accept is not None:
        assert response.status_code == 101
        assert response.headers["Sec-WebSocket-Accept"] == accept.decode()


class Seen:
    """An application that notes the scope of each socket and accepts it."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        self.scopes.append({**scope, "client": None})
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-request-id", b"7")]})
        await receive()


@asynccontextmanager
async def seeing() -> AsyncIterator[tuple[Seen, int]]:
    """A server of sockets, its application and its port."""
    seen = Seen()
    options: dict[str, Any] = {
        "ws": functools.partial(SocketProtocol, pieces=FairQueue(), ends=FairQueue()),
        "http": functools.partial(HttpProtocol, timeout_s=10.0, handshakes=FairQueue()),
        "headers": [("x-default", "1")],
        "root_path": "/root",
    }
    config = uvicorn.Config(seen, port=0, loop="none", lifespan="off", log_config=None, **options)
    async with listening(config) as port:
        yield seen, port


async def test_the_application_sees_the_same_and_so_does_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    head = (
        b"GET /a%20b?c=d%20e HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n"
        b"Cookie: session=\xe9\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
    )
    answers: list[set[bytes]] = []

    async def ask(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        status, *fields = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        assert status == b"HTTP/1.1 101 Switching Protocols"
        # Each second has its date.
        answers.append({field.lower() for field in fields if not field.lower().startswith(b"date:")})
        writer.close()

    async with seeing() as (seen, port):
        await ask(port)
        monkeypatch.setattr(http_protocol, "accept_of", lambda *_: None)
        await ask(port)
    ours, uvicorns = seen.scopes
    assert ours == uvicorns
    assert answers[0] == answers[1]
    assert b"sec-websocket-protocol: b" in answers[0]
    assert b"x-default: 1" in answers[0]


@asynccontextmanager
async def started(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[Server]:
    """The server of a process, on a listener that was made before it."""
    server = Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        yield server
    finally:
        await server.shutdown([listener])


def test_connections_that_wait_are_accepted_many_at_once() -> None:
    # asyncio's own loop accepts many anyway.
    uvloop.run(accept_twelve())


async def accept_twelve() -> None:
    async def application(_: Scope, receive: Receive, __: Send) -> None:
        await receive()

    http = functools.partial(HttpProtocol, timeout_s=10.0, handshakes=FairQueue())
    config = uvicorn.Config(application, lifespan="off", log_config=None, http=http)  # pyright: ignore[reportArgumentType]
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        async with started(config, listener) as server:
            clients = [socket.create_connection(listener.getsockname()) for _ in range(12)]
            try:
                for _ in range(4):
                    await asyncio.sleep(0)
                assert len(server.server_state.connections) == len(clients)
            finally:
                for client in clients:
                    client.close()


def test_a_worker_that_starts_lets_no_other_one_wait_for_a_connection() -> None:
    """The mode of a listener is one for all processes that have it."""
    uvloop.run(start_beside_another())


async def start_beside_another() -> None:
    modes: list[bool] = []

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        # While it starts, the other worker accepts.
        modes.append(os.get_blocking(listener.fileno()))
        for part in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{part}.complete"})

    config = uvicorn.Config(application, lifespan="on", log_config=None)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, closing(listener.dup()) as of_another:
        of_another.setblocking(False)
        async with started(config, listener):
            pass
    assert modes == [False]
