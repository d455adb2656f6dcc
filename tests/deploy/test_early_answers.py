"""An answer that comes before the body reaches the client, also through a proxy that passes bodies on."""

import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.support.processes import ServerProcess, server_process
from tests.support.proxies import Proxy, before

pytestmark = [pytest.mark.timeout(120), pytest.mark.asyncio(loop_scope="module")]

LIMIT = 256 * 1024
# The proxies pass on as much, the server drops as much, and it is more than the buffers of a system take.
BODY_BYTES = 5 * 1024 * 1024
HEAD = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("early")
    database = folder / "taxirank.sqlite3"
    shutil.copy(sqlite_template, database)
    settings = {"database_url": f"sqlite://{database}", "media_url": folder / "media", "max_body_bytes": LIMIT}
    async with server_process(**settings) as process:
        await process.ready()
        yield process


@pytest.mark.parametrize("proxy", [Proxy.NGINX, Proxy.HAPROXY])
@pytest.mark.parametrize("has_length", [True, False], ids=["announced", "in chunks"])
@pytest.mark.parametrize(
    ("host", "status", "code"),
    [("localhost", 413, "PAYLOAD_TOO_LARGE"), ("evil.example", 421, "UNKNOWN_HOST")],
    ids=["too large", "unknown host"],
)
async def test_a_body_that_is_refused_gets_the_servers_code_through_a_plain_proxy(
    server: ServerProcess, proxy: Proxy, has_length: bool, host: str, status: int, code: str
) -> None:
    async with (
        before(proxy, [urlsplit(server.url).netloc]) as url,
        httpx.AsyncClient(base_url=url, timeout=30, headers={"Host": host}) as http,
    ):

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(BODY_BYTES // 65536):
                yield bytes(65536)

        # The race with the proxy's writing is lost now and then only.
        for _ in range(5):
            answer = await http.post(
                "/graphql",
                content=bytes(BODY_BYTES) if has_length else chunks(),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == status
            assert answer.json()["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize(
    ("host", "status", "code"),
    [("localhost", 413, "PAYLOAD_TOO_LARGE"), ("evil.example", 421, "UNKNOWN_HOST")],
    ids=["too large", "unknown host"],
)
async def test_a_client_that_sends_first_and_reads_then_gets_the_answer_and_the_end(
    server: ServerProcess, host: str, status: int, code: str
) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(HEAD.format(BODY_BYTES).replace("localhost", host).encode())
        client.sendall(bytes(BODY_BYTES))
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\nconnection: close\r\n" in received.lower()
    assert code.encode() in received


async def test_a_client_that_sends_without_end_is_cut_off(server: ServerProcess) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(HEAD.format(1 << 40).encode())
        with pytest.raises(ConnectionError):
            client.sendall(bytes(64 * 1024 * 1024))
