"""Two servers behind a load balancer are replaced one after the other, while people use them.

``python -m benchmarks.rolling`` does the same with 1,000 sockets, and measures.
"""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.live.faults.load import Load, Person, people
from tests.live.faults.stage import Stage
from tests.support.checking_clients import CheckingClient, MyTripsView, PoolView, Truth
from tests.support.processes import ServerProcess, server_process
from tests.support.proxies import Proxy, before, open_folder
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.timeout(240)

RIDERS, DRIVERS = 3, 3
SOCKETS_EACH = 10
# The second is the time in which clients come back.
DRAIN_DELAY_S, DRAIN_S = 4, 2
GOING_AWAY = 1012


class StrictPerson(Person):
    """A person whose requests must all be answered."""

    async def ask(self, query: str, /, **variables: Any) -> Any:
        body = await self.home.post(query, **variables)
        assert "errors" not in body, body
        (value,) = body["data"].values()
        return value


@dataclass
class Site:
    """A load balancer before two servers, each of which can be replaced."""

    url: str
    settings: dict[str, Any]
    servers: list[ServerProcess]
    stacks: list[AsyncExitStack]

    async def replace(self, number: int) -> None:
        """Stop a server by SIGTERM, start another one at its address, and wait until the balancer uses it."""
        port = urlsplit(self.servers[number].url).port
        assert await self.servers[number].stop() == 0
        await self.stacks[number].aclose()
        self.servers[number] = await self.stacks[number].enter_async_context(
            server_process(**self.settings, port=port)
        )
        await self.servers[number].ready()
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_S) as http:

            async def is_used() -> bool:
                answer = await http.post("/graphql", json={"query": "{ __typename }"})
                return answer.headers["X-Server"].endswith(f"127.0.0.1:{port}")

            await until(is_used)


@asynccontextmanager
async def balanced(proxy: Proxy, postgres: Postgres, redis_url: str) -> AsyncIterator[tuple[Site, str]]:
    """Two servers behind the proxy, and the address of their database."""
    database_url = postgres.copy()
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, database_url)
        folder = stack.enter_context(open_folder())
        settings: dict[str, Any] = {
            "database_url": database_url,
            "redis_url": redis_url,
            "redis_prefix": folder.name,
            "media_url": folder / "media",
            "password_hash_memory_kib": 1024,
            "drain_delay_s": DRAIN_DELAY_S,
            "drain_s": DRAIN_S,
            "max_sockets_per_user": 200,
            "max_pools_per_user": 200,
        }
        stacks = [await stack.enter_async_context(AsyncExitStack()) for _ in range(2)]
        servers = [await each.enter_async_context(server_process(**settings)) for each in stacks]
        for server in servers:
            await server.ready()
        url = await stack.enter_async_context(before(proxy, [urlsplit(server.url).netloc for server in servers]))
        yield Site(url, settings, servers, stacks), database_url


@pytest.mark.parametrize("proxy", [Proxy.NGINX, Proxy.HAPROXY])
async def test_no_request_fails_and_no_subscriber_misses_a_change_or_sees_it_twice(
    proxy: Proxy, postgres: Postgres, redis_url: str
) -> None:
    async with AsyncExitStack() as stack:
        site, database_url = await stack.enter_async_context(balanced(proxy, postgres, redis_url))
        roles = ["RIDER"] * RIDERS + ["DRIVER"] * DRIVERS
        signed_up = await stack.enter_async_context(people([site.url], roles))
        everybody = [StrictPerson(person.apis, person.rng) for person in signed_up]
        truth = Truth(database_url)
        stack.push_async_callback(truth.close)
        load, rng = Load(everybody[:RIDERS], everybody[RIDERS:]), random.Random(1)
        stage = Stage(site.servers, None, truth, load, rng)
        for person in everybody:
            is_driver = person.home.user["role"] == "DRIVER"
            for _ in range(SOCKETS_EACH):
                views = [MyTripsView(person.id), *([PoolView(person.id)] if is_driver else [])]
                checker = CheckingClient(person.home, [site.url], *views, rng=rng)
                stage.checkers.append(checker)
                checker.start()
                stack.push_async_callback(checker.stop)
        await stage.settled(PATIENCE_S)
        async with load.running():
            for number in range(2):
                await site.replace(number)
                await stage.changes_again()
        await stage.settled(PATIENCE_S)
        assert load.acknowledged <= await truth.changes()
        codes = [checker.close_codes for checker in stage.checkers]
        # Each was sent away at least once, unless both of its servers were new already; none was lost.
        assert sum(map(len, codes)) >= len(codes)
        assert {code for each in codes for code in each} == {GOING_AWAY}
        # No proxy goes on sending them back to a server that is about to stop: nginx does so at most over
        # connections that it has kept.
        assert sum(map(len, codes)) <= len(site.servers) * len(codes)
