"""Clients that request much and read nothing."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from application.settings import Settings
from tests.conftest import LiveServer
from tests.support.waiting import until

pytestmark = [
    pytest.mark.attack("protocol"),
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

# From the system's TCP_INFO.
TCP_CLOSED = 7
LARGE = b"x" * (8 * 1024 * 1024)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Short time-outs."""
    return settings.model_copy(update={"receive_timeout_s": 0.5})


def is_cut(sock: socket.socket) -> bool:
    """Whether the server has reset the connection, although nobody reads what it has sent."""
    state: int = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == TCP_CLOSED


@asynccontextmanager
async def narrow(server: LiveServer, request: bytes) -> AsyncGenerator[socket.socket]:
    """A connection with small buffers, on which a request was sent."""
    parts = urlsplit(server.url)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (parts.hostname, parts.port))
        await loop.sock_sendall(sock, request)
        yield sock


@pytest.fixture
def large_photo(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each photo is larger than the system's buffers of a connection."""

    async def read(_: str) -> bytes:
        return LARGE

    monkeypatch.setattr(live_server.application.photo_store, "get", read)


@pytest.mark.usefixtures("large_photo")
@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
async def test_a_client_that_reads_nothing_of_an_answer_is_aborted(
    live_server: LiveServer, connection: bytes
) -> None:
    request = b"GET /media/a.webp HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n" % connection
    async with narrow(live_server, request) as sock:
        await until(lambda: is_cut(sock))


@pytest.mark.usefixtures("large_photo")
async def test_a_client_that_reads_an_answer_slowly_gets_all_of_it(live_server: LiveServer) -> None:
    loop = asyncio.get_running_loop()
    request = b"GET /media/a.webp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with narrow(live_server, request) as sock:
        began, pauses, received = loop.time(), 0, 0
        while piece := await loop.sock_recv(sock, 65536):
            received += len(piece)
            if received > pauses * 1024 * 1024:
                pauses += 1
                # The server measures the time: there is no event to wait for.
                await asyncio.sleep(0.2)
    assert received > len(LARGE)
    assert loop.time() - began > 3 * live_server.application.settings.receive_timeout_s
