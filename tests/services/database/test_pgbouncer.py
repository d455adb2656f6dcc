"""A server behind PgBouncer in transaction mode, where each transaction may have another session."""

import asyncio
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from uuid import uuid4

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from services.database import migrations
from services.database.connections import Database, WrongDatabase
from services.database.instance_lock import AnotherServer, InstanceLock
from tests.support.database_rows import add_rider, add_trip
from tests.support.pgbouncer import PORT, pgbouncer
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S


@pytest.fixture
def backend() -> str:
    """SQLite has no pooler."""
    return "production"


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[Path]:
    """A PgBouncer as the documentation describes it."""
    with pgbouncer(postgres.url) as folder:
        yield folder


def through(settings: Settings, folder: Path, *, direct: str | None = None) -> Settings:
    """The settings, with the pooler's address."""
    pooled = f"{settings.database_url.partition('?')[0]}?host={folder}&port={PORT}"
    return settings.model_copy(
        update={"database_url": pooled, "database_direct_url": direct, "redis_url": None, "database_pool_size": 10}
    )


async def test_a_server_works_in_transaction_mode_and_keeps_its_lock(pooler: Path, settings: Settings) -> None:
    pooled = through(settings, pooler, direct=settings.database_url)
    application = Application(pooled)
    async with running(application):
        database = application.database
        rider = await add_rider(database)

        async def write() -> None:
            trip = await add_trip(database, rider)
            async with database.transaction() as transaction:
                await transaction.fetch("UPDATE trips SET version = version + 1 WHERE id = $1", trip)
                await transaction.fetch("SELECT $1::uuid AS id", uuid4())

        # Ten connections, whose statements use two sessions in any order.
        await asyncio.gather(*(write() for _ in range(60)))
        (row,) = await database.fetch("SELECT count(*) AS trips FROM trips WHERE version = 2")
        assert row["trips"] == 60
        with pytest.raises(AnotherServer):
            await InstanceLock(pooled).acquire()
    async with running(Application(pooled)):
        pass


async def test_migrations_end_and_keep_no_lock_beside_a_pooler(
    pooler: Path, settings: Settings, postgres: Postgres
) -> None:
    name = f"empty_{uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    direct = postgres.database_url(name)
    pooled = through(settings.model_copy(update={"database_url": direct}), pooler, direct=direct)
    try:
        for _ in range(2):
            await asyncio.create_task(migrations.apply(pooled), context=Context())
        await asyncio.create_task(migrations.check(pooled), context=Context())
    finally:
        postgres.drop(direct)


async def test_without_a_direct_address_the_start_requires_it(pooler: Path, settings: Settings) -> None:
    says = r"^TAXIRANK_DATABASE_URL: .*TAXIRANK_DATABASE_DIRECT_URL"
    with pytest.raises(WrongDatabase, match=says):
        await InstanceLock(through(settings, pooler)).acquire()
    with pytest.raises(WrongDatabase, match=says):
        await Database(through(settings, pooler)).connect()


async def test_a_pooler_that_drops_options_is_found_out(settings: Settings, postgres: Postgres) -> None:
    ignored = "jit,default_transaction_isolation,tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count"
    with (
        pgbouncer(postgres.url, ignored=ignored) as folder,
        pytest.raises(WrongDatabase, match="TAXIRANK_DATABASE_DIRECT_URL"),
    ):
        await InstanceLock(through(settings, folder)).acquire()


async def test_a_pooler_that_forgets_prepared_statements_stops_the_start(
    settings: Settings, postgres: Postgres
) -> None:
    with (
        pgbouncer(postgres.url, max_prepared_statements=0) as folder,
        pytest.raises(WrongDatabase, match="forgets prepared statements"),
    ):
        async with asyncio.timeout(PATIENCE_S):
            await Database(through(settings, folder, direct=settings.database_url)).connect()


async def test_a_direct_address_of_another_database_stops_the_start(
    pooler: Path, settings: Settings, postgres: Postgres
) -> None:
    other = through(settings, pooler, direct=postgres.url)
    with pytest.raises(WrongDatabase, match=r"^TAXIRANK_DATABASE_DIRECT_URL: it leads to another database"):
        async with running(Application(other)):
            pytest.fail("it runs")
