"""An answer that comes before the body reaches the client, also through a proxy that passes bodies on."""

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.support import haproxy, nginx
from tests.support.processes import ServerProcess, server_process
from tests.support.proxies import Ports, Proxy, need_haproxy, need_nginx, open_folder, running

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
async def test_a_body_that_is_too_large_gets_the_servers_code_through_a_plain_proxy(
    server: ServerProcess, proxy: Proxy, has_length: bool
) -> None:
    async with AsyncExitStack() as stack:
        folder, ports = stack.enter_context(open_folder()), Ports.free()
        servers, at = [urlsplit(server.url).netloc], {"port": ports.secure, "plain_port": ports.plain}
        if proxy is Proxy.NGINX:
            need_nginx()
            command = nginx.command(folder, servers=servers, certificate=None, **at)
        else:
            need_haproxy()
            command = haproxy.command(folder, servers=servers, certificate=None, **at)
        url = f"http://127.0.0.1:{ports.secure}"
        await stack.enter_async_context(running(command, url, folder))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))

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
            assert answer.status_code == 413
            assert answer.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


async def test_a_client_that_sends_first_and_reads_then_gets_the_answer_and_the_end(server: ServerProcess) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(HEAD.format(BODY_BYTES).encode())
        client.sendall(bytes(BODY_BYTES))
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"PAYLOAD_TOO_LARGE" in received


async def test_a_client_that_sends_without_end_is_cut_off(server: ServerProcess) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(HEAD.format(1 << 40).encode())
        with pytest.raises(ConnectionError):
            client.sendall(bytes(64 * 1024 * 1024))
