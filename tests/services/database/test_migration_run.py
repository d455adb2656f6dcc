"""Migrations of PostgreSQL beside running servers: nobody waits long, and an interrupted one goes on."""

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import copy
from types import ModuleType
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from application.settings import Settings
from services.database import migration_run, migrations
from services.database.connections import Database
from services.database.migration_sql import split
from services.database.migrations import MigrationError
from tests.services.database.test_migrations import FIRST, NAMES, alone, check_histories, with_trips
from tests.support import forked, servers
from tests.support.catalogue import described
from tests.support.waiting import until


@pytest.fixture
def settings(postgres: servers.Postgres) -> Iterator[Settings]:
    """Settings of a PostgreSQL database without tables."""
    name = f"empty_{uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    url = postgres.database_url(name)
    yield Settings(_env_file=None, database_url=url)  # pyright: ignore
    postgres.drop(url)


@pytest.fixture
def until_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As if only the first migration existed, until it is undone."""
    (tmp_path / "postgres" / "models").mkdir(parents=True)
    copy(migrations.ROOT / "postgres" / "models" / FIRST, tmp_path / "postgres" / "models")
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "ROOT", tmp_path)
        yield patched


@pytest.fixture
async def session(settings: Settings, until_first: pytest.MonkeyPatch) -> AsyncIterator[asyncpg.Connection]:
    """A session beside the migrations, in a database that has the first one."""
    await alone(migrations.apply(settings))
    until_first.undo()
    connection = await asyncpg.connect(settings.database_url)
    yield connection
    await connection.close()


async def test_a_migration_that_cannot_lock_a_table_lets_others_pass_tries_again_and_tells_what_waits(
    settings: Settings, session: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_run, "LOCK_WAIT_S", 0.05)
    monkeypatch.setattr(migration_run, "PAUSE_S", 0.01)
    monkeypatch.setattr(migration_run, "GIVE_UP_S", 0.1)
    begun = session.transaction()
    await begun.start()
    await session.execute("LOCK TABLE trips IN ACCESS SHARE MODE")
    says = r"1_.*lock timeout.*ALTER TABLE.*trips.*pg_stat_activity"
    with capture_logs() as logs, pytest.raises(MigrationError, match=says):
        await alone(migrations.apply(settings))
    assert logs[0]["event"] == "a migration waits until its table is free"
    assert logs[0]["statement"].startswith('ALTER TABLE "trips" ADD COLUMN IF NOT EXISTS "pick_up_cell"')
    assert logs[0]["longest_transaction"]["pid"] == session.get_server_pid()

    monkeypatch.setattr(migration_run, "GIVE_UP_S", 60)
    with capture_logs() as logs:
        work = asyncio.create_task(alone(migrations.apply(settings)))
        await until(lambda: logs)
        # The table is free for others although the migration waits for it.
        other = await asyncpg.connect(settings.database_url)
        await other.execute("UPDATE trips SET version = 2", timeout=5)
        await other.close()
        await begun.rollback()
        assert await work == NAMES[1:]


async def test_an_index_is_made_while_a_transaction_that_began_earlier_writes(
    settings: Settings, session: asyncpg.Connection
) -> None:
    """CREATE INDEX CONCURRENTLY waits for it; nobody waits for CREATE INDEX."""
    begun = session.transaction()
    await begun.start()
    # Not a lock that ALTER TABLE waits for, only a snapshot.
    await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    await session.execute("SELECT 1 FROM outbox")
    work = asyncio.create_task(alone(migrations.apply(settings)))
    other = await asyncpg.connect(settings.database_url)
    await until(lambda: other.fetchval("SELECT true FROM pg_index WHERE NOT indisvalid"))
    await other.execute("UPDATE trips SET version = 2", timeout=5)
    await other.close()
    await begun.rollback()
    assert await work == NAMES[1:]


async def test_a_killed_migration_goes_on_and_its_unfinished_index_is_made_again(
    settings: Settings, session: asyncpg.Connection, tmp_path: Path
) -> None:
    expected = await with_trips(settings)
    begun = session.transaction()
    await begun.start()
    await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    await session.execute("SELECT 1 FROM outbox")
    environment = {**os.environ, "TAXIRANK_DATABASE_URL": settings.database_url}
    process = forked.start(["migrate"], environment, tmp_path / "log")
    other = await asyncpg.connect(settings.database_url)
    await until(lambda: other.fetchval("SELECT true FROM pg_index WHERE NOT indisvalid"))
    process.kill()
    await asyncio.to_thread(process.join)
    # Only the server's process of the killed migration could end it now, or notice that it is alone.
    await until(
        lambda: other.fetchval("SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CON%'")
    )
    assert await other.fetchval("SELECT true FROM pg_index WHERE NOT indisvalid")
    await other.close()
    await begun.rollback()

    with capture_logs() as logs:
        assert await alone(migrations.apply(settings)) == NAMES[1:]

    assert [log["index"] for log in logs if "left unfinished" in log["event"]] == ["trips_open_by_cell"]
    assert not await session.fetchval("SELECT count(*) FROM pg_index WHERE NOT indisvalid")
    await check_histories(settings, expected)


async def test_a_migration_that_is_killed_after_any_statement_goes_on(
    settings: Settings, postgres: servers.Postgres
) -> None:
    async def content_of(url: str) -> list[str]:
        database = Database(settings.model_copy(update={"database_url": url}))
        await database.connect()
        lines = await described(database)
        await database.disconnect()
        return lines

    connection = await asyncpg.connect(settings.database_url)
    for name in NAMES:
        migration = importlib.import_module(f"migrations.postgres.models.{name.removesuffix('.py')}")
        statements = split(await migration.upgrade(None))
        for count in [] if migration.RUN_IN_TRANSACTION else range(1, len(statements)):
            for statement in statements[:count]:
                await connection.execute(statement)
        for statement in statements:
            await connection.execute(statement)
    await connection.close()
    url = postgres.copy()
    try:
        assert await content_of(settings.database_url) == await content_of(url)
    finally:
        postgres.drop(url)


async def test_more_trips_than_fit_into_one_batch_get_the_first_entry_of_their_history(
    settings: Settings, session: asyncpg.Connection
) -> None:
    await with_trips(settings)
    await session.execute(COPIES_OF_A_TRIP, 2500)

    assert await alone(migrations.apply(settings)) == NAMES[1:]

    assert await session.fetchval("SELECT count(*) FROM trip_changes") == 2502


COPIES_OF_A_TRIP = """
    INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, expires_at,
        given_back_by, rider_id)
    SELECT gen_random_uuid(), created, updated, version, status, pick_up_address, drop_off_address, expires_at,
        given_back_by, rider_id
    FROM (SELECT * FROM trips WHERE status = 'REQUESTED' LIMIT 1) AS trip, generate_series(1, $1)
"""


# What servers of the previous version write.


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"migrations.postgres.models.{name.removesuffix('.py')}")


async def test_servers_of_the_previous_version_find_all_their_columns_and_fill_all_that_must_be_filled(
    settings: Settings,
) -> None:
    connection = await asyncpg.connect(settings.database_url)
    before: dict[str, dict[str, Any]] = {}
    for name in NAMES:
        for statement in split(await module_of(name).upgrade(None)):
            await connection.execute(statement)
        after: dict[str, dict[str, Any]] = {}
        for row in await connection.fetch(COLUMNS):
            after.setdefault(row["tab"], {})[row["col"]] = row
        for table, columns in before.items():
            for column, row in columns.items():
                assert after[table][column]["kind"] == row["kind"], (name, table, column)
            for column, row in after[table].items():
                assert column in columns or not row["must_be_given"], (name, table, column)
        before = after
    await connection.close()


COLUMNS = """
    SELECT relname AS tab, attname AS col, format_type(atttypid, atttypmod) AS kind,
        attnotnull AND NOT atthasdef AS must_be_given
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
"""
