"""The files of `deploy/nginx/`, `deploy/haproxy/` and `deploy/caddy/`, with TLS, before two real servers."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from tests.support.api import LOG_IN, MY_TRIPS, PASSWORD, POOL, Api
from tests.support.pictures import picture, sign_up_with_photo
from tests.support.processes import ServerProcess, server_process
from tests.support.proxies import Ports, Proxy, open_folder, proxying
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S, until

# Each starts two servers and a proxy.
pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

# Of one rider, less than TAXIRANK_MAX_SOCKETS_PER_USER.
SOCKETS = 16
# The limit is the server's default.
MAX_BODY_BYTES = 6 * 1024 * 1024
NOT_CHECKED = ssl.create_default_context()
NOT_CHECKED.check_hostname = False
NOT_CHECKED.verify_mode = ssl.CERT_NONE


@dataclass
class Site:
    """The address of a proxy, and the servers behind it."""

    url: str
    plain_url: str
    servers: Sequence[ServerProcess]


@asynccontextmanager
async def client(site: Site, address: str = "127.0.0.2") -> AsyncIterator[Api]:
    """A client with an address of its own, which is no trusted proxy's."""
    async with Api(site.url) as api:
        own = httpx.AsyncHTTPTransport(verify=NOT_CHECKED, local_address=address)
        await api.http.aclose()
        api.http = httpx.AsyncClient(base_url=site.url, timeout=PATIENCE_S, transport=own, trust_env=False)
        yield api


@asynccontextmanager
async def behind(
    proxy: Proxy, postgres: Postgres, redis_url: str, *, drain_delay_s: float = 0
) -> AsyncIterator[Site]:
    """A proxy before two servers with a new database."""
    database_url, ports = postgres.copy(), Ports.free()
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, database_url)
        folder = stack.enter_context(open_folder())
        settings = {
            "database_url": database_url,
            "redis_url": redis_url,
            "redis_prefix": folder.name,
            "media_url": folder / "media",
            "mail_folder": folder / "mail",
            "public_url": ports.url,
            "trusted_proxies": "127.0.0.1",
            "password_hash_memory_kib": 1024,
            "log_in_rate": "3/hour",
            "drain_delay_s": drain_delay_s,
        }
        servers = [await stack.enter_async_context(server_process(**settings)) for _ in range(2)]
        for server in servers:
            await server.ready()
        addresses = [urlsplit(server.url).netloc for server in servers]
        await stack.enter_async_context(proxying(proxy, folder, ports, addresses))
        yield Site(ports.url, f"http://127.0.0.1:{ports.plain}", servers)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[*Proxy])
async def site(request: pytest.FixtureRequest, postgres: Postgres, redis_url: str) -> AsyncIterator[Site]:
    """One for all tests but the one that stops a server."""
    async with behind(request.param, postgres, redis_url) as standing:
        yield standing


async def test_a_trip_over_websockets(site: Site) -> None:
    async with client(site) as rider, client(site) as driver:
        await rider.sign_up("RIDER")
        await driver.sign_up("DRIVER")
        assert all(cookie.secure for cookie in rider.http.cookies.jar)
        async with rider.socket(ssl=NOT_CHECKED) as riders, driver.socket(ssl=NOT_CHECKED) as drivers:
            mine, pool = await riders.start(MY_TRIPS), await drivers.start(POOL)
            for events in (mine, pool):
                assert "Snapshot" in (await events.next())["__typename"]
            trip = await rider.create_trip()
            assert (await pool.next())["trip"]["id"] == trip["id"]
            for status in ("STARTED", "IN_PROGRESS", "COMPLETED"):
                await driver.update_trip(trip["id"], status)
            assert [(await mine.next())["trip"]["version"] for _ in range(4)] == [1, 2, 3, 4]


async def sockets_of(server: ServerProcess) -> int:
    async with httpx.AsyncClient(base_url=server.url) as http:
        (number,) = re.findall(r"(?m)^taxirank_sockets (\d+)", (await http.get("/metrics")).text)
        return int(number)


async def test_new_sockets_go_to_the_server_that_has_the_fewest(site: Site) -> None:
    async with client(site) as rider, AsyncExitStack() as staying:
        await rider.sign_up("RIDER")
        counts = [0, 0]

        async def is_counted() -> bool:
            counts[:] = [await sockets_of(server) for server in site.servers]
            return sum(counts) == expected

        expected = 0
        await until(is_counted, 30)

        async def open_one(stack: AsyncExitStack) -> int:
            """The number of its server."""
            nonlocal expected
            before, expected = list(counts), expected + 1
            await stack.enter_async_context(rider.socket(ssl=NOT_CHECKED))
            await until(is_counted, 30)
            return int(counts[1] > before[1])

        opened: list[tuple[int, AsyncExitStack]] = []
        for _ in range(SOCKETS):
            stack = await staying.enter_async_context(AsyncExitStack())
            opened.append((await open_one(stack), stack))
        assert min(counts) > 0
        # As after a restart: one server has lost its sockets, and the other has kept them.
        for server, stack in opened:
            if server == 0:
                await stack.aclose()
        expected = counts[1]
        await until(is_counted, 30)
        assert [await open_one(staying) for _ in range(SOCKETS // 4)] == [0] * (SOCKETS // 4)


async def test_an_event_stream_is_not_held_back(site: Site) -> None:
    async with client(site) as rider:
        await rider.sign_up("RIDER")
        events = {"Accept": "text/event-stream"}
        async with rider.http.stream("POST", "/graphql", json={"query": MY_TRIPS}, headers=events) as stream:
            messages = (json.loads(line[6:]) async for line in stream.aiter_lines() if line.startswith("data: {"))
            first = await anext(messages)
            assert first["data"]["myTripsUpdated"]["trips"] == []
            # It is small, and the stream goes on.
            trip = await rider.create_trip()
            assert (await anext(messages))["data"]["myTripsUpdated"]["trip"]["id"] == trip["id"]


async def test_photos_up_to_the_servers_limit_pass_and_larger_ones_get_its_code(site: Site) -> None:
    async with client(site) as api:
        # Bytes after the end of a picture count, and are dropped.
        large = picture() + bytes(5 * 1024 * 1024 - 10_000)
        signed_up = await sign_up_with_photo(api, picture())
        assert signed_up["errors"] == []
        photo = await api.http.get(signed_up["user"]["photo"])
        assert photo.headers["Content-Type"] == "image/webp"
        async with client(site) as other:
            answer = await sign_up_with_photo(other, large, username="other")
            assert [error["code"] for error in answer["errors"]] in ([], ["PHOTO_INVALID"])
        too_large = await api.http.post("/graphql", content=bytes(MAX_BODY_BYTES + 1), headers=_FORM)
        assert too_large.status_code == 413
        assert too_large.json()["errors"][0]["extensions"]["code"] == "PAYLOAD_TOO_LARGE"


_FORM = {"Content-Type": "multipart/form-data; boundary=b", "GraphQL-Require-Preflight": "1"}


async def test_limits_count_the_clients_address_whatever_the_client_writes_into_the_headers(site: Site) -> None:
    async with client(site, "127.0.0.2") as hostile, client(site, "127.0.0.3") as honest:
        await honest.sign_up("RIDER")
        codes: list[Any] = []
        for number in range(5):
            spoofed = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
            answer = await hostile.post(LOG_IN, spoofed, username=f"nobody{number}", password=PASSWORD)
            errors = answer.get("errors") or answer["data"]["logIn"]["errors"]
            codes.append(errors[0].get("code") or errors[0]["extensions"]["code"])
        assert codes == ["BAD_CREDENTIALS"] * 3 + ["RATE_LIMITED"] * 2
        payload = await honest.data(LOG_IN, username=honest.user["username"], password=PASSWORD)
        assert payload["errors"] == []


async def test_metrics_are_not_public_and_http_leads_to_https(site: Site) -> None:
    async with client(site) as api:
        assert (await api.http.get("/metrics")).status_code == 404
        assert (await api.http.get("/healthz")).status_code == 200
        plain = await api.http.get(f"{site.plain_url}/graphql?a=b")
        assert plain.status_code in (301, 308)
        location = urlsplit(plain.headers["Location"])
        assert (location.scheme, location.path, location.query) == ("https", "/graphql", "a=b")


@pytest.mark.parametrize("proxy", [*Proxy])
async def test_no_request_fails_while_a_server_stops(proxy: Proxy, postgres: Postgres, redis_url: str) -> None:
    # Longer than two of Caddy's checks, and of HAProxy's.
    async with behind(proxy, postgres, redis_url, drain_delay_s=4) as site, client(site) as rider:
        await rider.sign_up("RIDER")
        answered = set[str]()

        async def ask() -> None:
            answer = await rider.http.post("/graphql", json={"query": "{ me { id } }"})
            assert answer.json() == {"data": {"me": {"id": rider.user["id"]}}}
            # nginx tries one that is away again after a second, and names both.
            answered.add(answer.headers["X-Server"].rpartition(", ")[2])

        while len(answered) < 2:
            await ask()
        stopping = asyncio.create_task(site.servers[0].stop())
        while not stopping.done():
            await ask()
        answered.clear()
        for _ in range(10):
            await ask()
        assert answered == {urlsplit(site.servers[1].url).netloc}
        assert await stopping == 0
