"""Connections that wait in the system's queue are accepted together."""

import asyncio
import socket
from contextlib import ExitStack
from typing import cast

import uvloop

from gateway.uvicorn.accepting import MOST_AT_ONCE, Accepting
from tests.support.waiting import until

PIECES = 3


class Echo(asyncio.Protocol):
    """Answers with the same."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's does not inherit from asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def test_many_are_accepted_at_once_but_not_without_limit() -> None:
    uvloop.run(accept_many())


async def accept_many() -> None:
    made: list[Echo] = []

    def protocol() -> Echo:
        made.append(Echo())
        return made[-1]

    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2 * MOST_AT_ONCE))
        listener.setblocking(False)
        accepting = Accepting([listener], protocol)
        accepting.accept()
        for _ in range(MOST_AT_ONCE + PIECES):
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        accepting.accept()
        await until(lambda: len(made) == MOST_AT_ONCE, 30)
        accepting.accept()
        await until(lambda: len(made) == MOST_AT_ONCE + PIECES + 1, 30)
        client.setblocking(False)
        await loop.sock_sendall(client, b"hello")
        assert await loop.sock_recv(client, 5) == b"hello"
        listener.close()
        # The server stops.
        accepting.accept()
        for each in made:
            each.transport.abort()
        await asyncio.sleep(0)
