"""Two servers that cannot exchange events never use one database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from services.database.instance_lock import AnotherServer, InstanceLock
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S


@pytest.fixture
def embedded(settings: Settings) -> Settings:
    """The settings, on the in-process bus."""
    return settings.model_copy(update={"redis_url": None})


@pytest.fixture
def shared(settings: Settings) -> Settings:
    """The settings, on Redis."""
    return settings.model_copy(update={"redis_url": "redis://127.0.0.1:6379"})


@asynccontextmanager
async def holding(settings: Settings) -> AsyncIterator[InstanceLock]:
    lock = InstanceLock(settings)
    await lock.acquire()
    try:
        yield lock
    finally:
        await lock.release()


async def test_a_second_server_on_an_in_process_bus_is_refused(embedded: Settings) -> None:
    async with holding(embedded):
        with pytest.raises(AnotherServer, match="TAXIRANK_REDIS_URL"):
            await InstanceLock(embedded).acquire()
    async with holding(embedded):
        pass


async def test_servers_on_redis_share_a_database(shared: Settings) -> None:
    async with holding(shared), holding(shared):
        pass


async def test_a_server_on_redis_and_one_without_do_not_mix(embedded: Settings, shared: Settings) -> None:
    async with holding(shared):
        with pytest.raises(AnotherServer):
            await InstanceLock(embedded).acquire()
    async with holding(embedded):
        with pytest.raises(AnotherServer):
            await InstanceLock(shared).acquire()


async def test_a_refused_server_keeps_no_lock(embedded: Settings, shared: Settings) -> None:
    async with holding(shared):
        for _ in range(3):
            with pytest.raises(AnotherServer):
                await InstanceLock(embedded).acquire()
        async with holding(shared):
            pass


async def test_a_server_releases_the_database_when_it_stops(embedded: Settings) -> None:
    async with running(Application(embedded)):
        with pytest.raises(AnotherServer):
            async with running(Application(embedded)):
                pytest.fail("two servers run")
    async with running(Application(embedded)):
        pass


@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_the_lock_is_released_even_if_the_database_goes_away(embedded: Settings, postgres: Postgres) -> None:
    lock = InstanceLock(embedded)
    await lock.acquire()
    name = urlsplit(embedded.database_url).path[1:]
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    async with asyncio.timeout(PATIENCE_S):
        await lock.release()
    async with holding(embedded):
        pass
