"""TCP connections to a server, for arbitrary bytes."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
import psutil
import pytest

from tests.conftest import LiveServer
from tests.support.waiting import PATIENCE_S

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
P = TypeVar("P", bound=asyncio.Protocol)


@asynccontextmanager
async def connected(server: LiveServer) -> AsyncGenerator[Connection]:
    """A connection on which nothing was sent."""
    parts = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def connections_made(protocol_class: type[P], monkeypatch: pytest.MonkeyPatch) -> list[P]:
    """The connections of this kind that servers in this process have from now on."""
    made: list[P] = []
    original = protocol_class.connection_made

    def connection_made(protocol: P, transport: asyncio.BaseTransport) -> None:
        made.append(protocol)
        original(protocol, transport)

    monkeypatch.setattr(protocol_class, "connection_made", connection_made)
    return made


async def answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    """The status and the JSON of an answer after which the connection is closed."""
    async with asyncio.timeout(PATIENCE_S):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body)


def take_little(client: tuple[str, int], buffer_bytes: int = 1) -> None:
    """Make the system buffer little of what a server in this process sends to this client.

    Its minimum is a few kilobytes, which makes all later reads slow.
    """
    for connection in psutil.Process().net_connections("tcp"):
        if client in (connection.raddr, connection.laddr):
            with socket.socket(fileno=os.dup(connection.fd)) as side:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
                side.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
