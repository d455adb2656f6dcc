"""Heads that a proxy and this server could read in two ways are refused; unusual ones are not."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.support.tcp import answer, connected

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("protocol")]

SOCKET = (
    b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n\r\n"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LiveServer]:
    """A running server."""
    folder = tmp_path_factory.mktemp("heads")
    shutil.copy(sqlite_template, folder / "taxirank.sqlite3")
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=f"sqlite://{folder / 'taxirank.sqlite3'}",
        media_url=str(folder / "media"),
        port=0,
    )
    async with serving(settings) as running:
        yield running


READ_IN_TWO_WAYS = {
    "no Host": b"GET /healthz HTTP/1.1\r\n",
    "two Hosts": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
    "two Hosts in 1.0": b"GET /healthz HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n",
    "two names in one Host": b"GET /healthz HTTP/1.1\r\nHost: localhost, evil.example\r\n",
    "a user in the Host": b"GET /healthz HTTP/1.1\r\nHost: localhost@evil.example\r\n",
    "a path in the Host": b"GET /healthz HTTP/1.1\r\nHost: localhost/x\r\n",
    "a space in the Host": b"GET /healthz HTTP/1.1\r\nHost: local host\r\n",
    "half an address": b"GET /healthz HTTP/1.1\r\nHost: [::1\r\n",
    "a port that is none": b"GET /healthz HTTP/1.1\r\nHost: localhost:x\r\n",
    "a space before the colon": b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n",
    "a space before the name": b"GET /healthz HTTP/1.1\r\n Host: localhost\r\n",
    "a folded field": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n",
    "a bare CR": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n",
    "a NUL": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n",
    "a name with a space": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX Y: a\r\n",
    "no name": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: a\r\n",
    "gzip, chunked": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n",
    "chunked twice": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n",
    "chunked in two fields": (
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\n"
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"
    ),
    "identity": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n",
    "xchunked": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n",
    "a tab in it": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\n",
    "chunked in 1.0": b"POST /graphql HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n",
    "chunked and a length": (
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n"
    ),
    "a length and chunked": (
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    ),
    "two lengths": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
    "a signed length": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n",
    "a list of lengths": b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5\r\n",
    "another version": b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n",
    "an old version": b"GET /healthz HTTP/0.9\r\nHost: localhost\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n",
    "a place to connect to": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n",
    "no slash": b"GET healthz HTTP/1.1\r\nHost: localhost\r\n",
    "no http": b"GET ftp://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n",
    "a user in the address": b"GET http://a@localhost/healthz HTTP/1.1\r\nHost: localhost\r\n",
    "a socket by POST": SOCKET.replace(b"GET", b"POST").removesuffix(b"%s\r\n\r\n"),
    "a socket in 1.0": SOCKET.replace(b"HTTP/1.1", b"HTTP/1.0").removesuffix(b"%s\r\n\r\n"),
}


@pytest.mark.parametrize("head", READ_IN_TWO_WAYS.values(), ids=READ_IN_TWO_WAYS.keys())
async def test_a_head_that_can_be_read_in_two_ways_is_400(server: LiveServer, head: bytes) -> None:
    async with connected(server) as (reader, writer):
        # A proxy could take this for the body of the first request, and this server for a second request.
        writer.write(head + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, body = await answer(reader)
    assert (status, body["errors"][0]["extensions"]) == (400, {"code": "BAD_REQUEST"})


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.0\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost:\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: a_b-c.local:65535\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n", 200),
        # The host of an absolute URL takes precedence over the header.
        (b"GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\n", 200),
        (b"GET http://[::1]:80/healthz?a=b HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n", 421),
    ],
)
async def test_an_unusual_head_is_accepted(server: LiveServer, head: bytes, status: int) -> None:
    async with connected(server) as (reader, writer):
        writer.write(head + b"Connection: close\r\n\r\n")
        assert (await answer(reader))[0] == status
