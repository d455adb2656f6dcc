"""The database: one clock, one spelling for two dialects, and its behaviour when it goes away."""

import asyncio
import itertools
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from application.settings import Settings
from models import Session
from models.values import Role
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.database.failures import Conflict
from services.errors import DatabaseUnavailable
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S, until

on_sqlite = pytest.mark.parametrize("backend", ["embedded"], indirect=True)
on_postgres = pytest.mark.parametrize("backend", ["production"], indirect=True)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A database that only this test uses."""
    database = Database(settings)
    await database.connect()
    yield database
    with suppress(DatabaseUnavailable):
        await database.disconnect()


def assert_nothing_is_held(database: Database) -> None:
    """No lock of SQLite and no connection of the pool is held."""
    client: Any = database._context.db(database._name)
    if database.is_sqlite:
        assert not client._lock.locked()
        assert not client._connection.in_transaction
    else:
        assert client._pool.get_idle_size() == client._pool.get_size()


async def assert_answers(database: Database) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await database.ping()
        async with database.transaction() as transaction:
            assert [dict(row) for row in await transaction.fetch("SELECT 1 AS one")] == [{"one": 1}]
    assert_nothing_is_held(database)


async def test_a_time_comes_back_as_it_was_written_in_any_zone_and_to_the_microsecond(database: Database) -> None:
    rider = await add_rider(database)
    trip_id = await add_trip(database, rider)
    for time in (
        datetime(2026, 11, 23, 12, 0, 0, 0, tzinfo=UTC),
        datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 11, 23, 1, 2, 3, 999_999, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ):
        await database.fetch("UPDATE trips SET created = $1 WHERE id = $2", time, trip_id)
        (row,) = await database.fetch("SELECT created FROM trips WHERE created = $1", time)
        assert moment(row["created"]) == time
        assert moment(row["created"]).utcoffset() == timedelta(0)


async def test_times_of_every_writer_are_ordered_as_they_are_in_time(database: Database) -> None:
    """SQLite compares times as text: ours, Tortoise's (which drops microseconds of zero), and its own clock's."""
    rider = await add_rider(database)
    base = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    times = [base + timedelta(microseconds=n) for n in (-1_000_000, -1, 0, 1, 10, 999_999, 1_000_000)]
    for number, time in enumerate(times):
        async with database.transaction() as transaction:
            session = Session(id=uuid4(), token_hash=f"tortoise {number}", user_id=rider.id)
            await session.save(using_db=transaction.connection)
            session.used = time
            await session.save(using_db=transaction.connection, update_fields=["used"], force_update=True)
        await database.fetch(
            "INSERT INTO sessions (id, token_hash, created, used, user_id) VALUES ($1, $2, $3, $3, $4)",
            uuid4(),
            f"sql {number}",
            time,
            rider.id,
        )
    # The rider's own.
    await database.fetch("DELETE FROM sessions WHERE id = $1", rider.session_id)
    rows = await database.fetch("SELECT token_hash FROM sessions ORDER BY used")
    assert [row["token_hash"].split()[1] for row in rows] == [str(n // 2) for n in range(2 * len(times))]
    for number, time in enumerate(times):
        rows = await database.fetch("SELECT token_hash FROM sessions WHERE used > $1", time)
        assert len(rows) == 2 * (len(times) - number - 1), "of what was written at that very time nothing is later"


async def test_a_time_written_by_tortoise_lies_between_the_databases_clock_before_and_after(
    database: Database,
) -> None:
    rider = await add_rider(database)

    async def clock() -> datetime:
        (row,) = await database.fetch("SELECT {now} AS clock")
        return moment(row["clock"])

    for _ in range(20):
        before = await clock()
        async with database.transaction() as transaction:
            session = await Session.create(
                id=uuid4(), token_hash=uuid4().hex, user_id=rider.id, using_db=transaction.connection
            )
        after = await clock()
        # SQLite's clock has milliseconds.
        assert before <= session.used <= after + timedelta(milliseconds=1)
        sql = database.sql
        assert await database.fetch(
            f"SELECT id FROM sessions WHERE id = $1 AND used > {sql.ago(2)} AND used < {sql.ago(-2)}",
            session.id,
        )


async def test_the_clock_goes_back_and_forth_by_seconds(database: Database) -> None:
    (row,) = await database.fetch(
        f"SELECT {{begun}} AS begun, {database.sql.ago(90)} AS past, {database.sql.ago(-90)} AS future"
    )

    assert abs((moment(row["begun"]) - moment(row["past"])).total_seconds() - 90) < 0.01
    assert abs((moment(row["future"]) - moment(row["begun"])).total_seconds() - 90) < 0.01
    assert abs((moment(row["begun"]) - datetime.now(UTC)).total_seconds()) < 5


async def test_begun_stands_still_in_a_transaction_and_now_does_not(database: Database) -> None:
    async with database.transaction() as transaction:
        (first,) = await transaction.fetch("SELECT {begun} AS begun, {now} AS now")
        (second,) = await transaction.fetch("SELECT {begun} AS begun, {now} AS now")

    if not database.is_sqlite:
        assert first["begun"] == second["begun"]
        assert moment(first["now"]) < moment(second["now"])
    assert moment(first["begun"]) <= moment(second["now"])


async def test_ids_come_back_as_uuids(database: Database) -> None:
    rider = await add_rider(database)
    trip_id = await add_trip(database, rider)

    (row,) = await database.fetch("SELECT id, rider_id, driver_id FROM trips WHERE id = $1", trip_id)

    assert (uuid(row["id"]), uuid(row["rider_id"]), row["driver_id"]) == (trip_id, rider.id, None)
    assert isinstance(uuid(row["id"]), UUID)
    assert uuid(row["id"]) in {trip_id}


async def test_text_comes_back_as_it_was_and_is_never_sql(database: Database) -> None:
    rider, text = await add_rider(database), "'; DROP TABLE trips; -- $1 {now} ?1 % \\ \" ü 🚕"
    trip_id = await add_trip(database, rider)

    await database.fetch("UPDATE trips SET pick_up_address = $1 WHERE id = $2", text, trip_id)

    (row,) = await database.fetch("SELECT pick_up_address FROM trips WHERE pick_up_address = $1", text)
    assert row["pick_up_address"] == text


async def test_a_block_that_raises_writes_nothing(database: Database) -> None:
    rider = await add_rider(database)

    class Stop(Exception):
        pass

    async def stopped() -> None:
        async with database.transaction() as transaction:
            await transaction.fetch("UPDATE users SET first_name = 'Other' WHERE id = $1", rider.id)
            raise Stop

    with pytest.raises(Stop):
        await stopped()

    (row,) = await database.fetch("SELECT first_name FROM users WHERE id = $1", rider.id)
    assert row["first_name"] == rider.user.first_name
    assert_nothing_is_held(database)


async def test_a_refused_write_is_a_conflict_that_names_the_constraint(database: Database) -> None:
    rider = await add_rider(database)
    copy = "UPDATE users SET username_key = $1 WHERE id = $2"
    other = await add_rider(database)

    with pytest.raises(Conflict, match="username_key"):
        await database.fetch(copy, rider.user.username, other.id)
    with pytest.raises(Conflict, match="username_key"):
        async with database.transaction() as transaction:
            await transaction.fetch(copy, rider.user.username, other.id)
    await assert_answers(database)


async def test_an_error_in_a_statement_is_raised_unchanged(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_column") as failure:
        await database.fetch("SELECT no_such_column FROM trips")

    assert not isinstance(failure.value, DatabaseUnavailable | Conflict)


class Interrupted:
    """Awaits ``work``, and cancels the awaiting task at its ``at``-th suspension."""

    def __init__(self, work: Any, at: int) -> None:
        self.work = work
        self.at = at
        self.suspensions = 0

    def __await__(self) -> Any:
        task = asyncio.current_task()
        assert task is not None
        steps = self.work.__await__()
        send, value = steps.send, None
        while True:
            try:
                waits_for = send(value)
            except StopIteration as end:
                return end.value
            self.suspensions += 1
            if self.suspensions == self.at:
                task.cancel()
            try:
                value, send = (yield waits_for), steps.send
            except BaseException as error:  # goes on where it belongs
                value, send = error, steps.throw


async def test_a_transaction_cancelled_at_any_await_holds_no_connection_and_is_complete_or_absent(
    database: Database,
) -> None:
    rider = await add_rider(database)

    async def write(version: int) -> None:
        async with database.transaction() as transaction:
            await transaction.fetch("UPDATE users SET first_name = $1 WHERE id = $2", str(version), rider.id)
            await transaction.fetch("UPDATE users SET last_name = $1 WHERE id = $2", str(version), rider.id)

    async def interrupted(at: int) -> bool:
        work = Interrupted(write(at), at)

        async def wait() -> None:
            await work

        task = asyncio.create_task(wait())
        with suppress(asyncio.CancelledError):
            await task
        return work.suspensions >= at

    at = 1
    while await interrupted(at):
        # A later statement is not written into a transaction that was left open.
        async with asyncio.timeout(PATIENCE_S):
            (row,) = await database.fetch("SELECT first_name, last_name FROM users WHERE id = $1", rider.id)
        assert row["first_name"] == row["last_name"] or row["first_name"] == rider.user.first_name
        await assert_answers(database)
        at += 1
    assert at > 4, "there were several awaits to be cancelled at"
    (row,) = await database.fetch("SELECT first_name, last_name FROM users WHERE id = $1", rider.id)
    assert row["first_name"] == row["last_name"] == str(at)


async def test_a_query_cancelled_at_any_await_holds_nothing(database: Database) -> None:
    at = 1
    while True:
        work = Interrupted(database.fetch("SELECT 1 AS one"), at)

        async def wait(work: Interrupted = work) -> None:
            await work

        with suppress(asyncio.CancelledError):
            await asyncio.create_task(wait())
        await assert_answers(database)
        if work.suspensions < at:
            break
        at += 1
    assert at > 1


@on_sqlite
async def test_a_file_that_another_process_has_locked_is_temporarily_unavailable(
    database: Database, settings: Settings
) -> None:
    rider = await add_rider(database)
    await database.fetch("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(str(settings.sqlite_path), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            await add_trip(database, rider)
        with pytest.raises(DatabaseUnavailable, match="locked"):
            async with database.transaction() as transaction:
                await transaction.fetch("UPDATE users SET first_name = 'Other'")
    finally:
        other.close()
    await assert_answers(database)


@on_sqlite
async def test_a_file_that_cannot_be_opened_is_unavailable(settings: Settings) -> None:
    assert settings.sqlite_path is not None
    settings.sqlite_path.unlink()
    settings.sqlite_path.mkdir()

    threads = threading.active_count()
    with pytest.raises(DatabaseUnavailable):
        await Database(settings).connect()
    # aiosqlite's thread ends silently, and answers into this loop.
    await until(lambda: threading.active_count() <= threads)


@on_sqlite
async def test_the_file_is_in_wal_mode_with_foreign_keys(database: Database) -> None:
    assert await database.fetch("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    assert await database.fetch("PRAGMA foreign_keys") == [{"foreign_keys": 1}]
    assert await database.fetch("PRAGMA busy_timeout") == [{"timeout": 5000}]


async def recovers(database: Database) -> None:
    """Return when the pool has noticed its dead connections."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(DatabaseUnavailable):
                return await database.ping()


def kill_connections(postgres: Postgres, settings: Settings) -> None:
    """End every session in the test's database. Blocks: this process does not notice before it continues."""
    name = urlsplit(settings.database_url).path[1:]
    postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@on_postgres
async def test_without_postgresql_everything_is_unavailable(settings: Settings) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        away = settings.model_copy(update={"database_url": f"postgresql://postgres:x@127.0.0.1:{port}/postgres"})
        database = Database(away)
        with pytest.raises(DatabaseUnavailable):
            await database.connect()


@on_postgres
async def test_a_connection_lost_in_a_transaction_is_unavailable_and_writes_nothing(
    database: Database, settings: Settings, postgres: Postgres
) -> None:
    rider = await add_rider(database)

    async def cut_off() -> None:
        async with database.transaction() as transaction:
            await transaction.fetch("UPDATE users SET first_name = 'Other' WHERE id = $1", rider.id)
            kill_connections(postgres, settings)
            await transaction.fetch("SELECT 1 AS one")

    with pytest.raises(DatabaseUnavailable):
        await cut_off()

    (row,) = await database.fetch("SELECT first_name FROM users WHERE id = $1", rider.id)
    assert row["first_name"] == rider.user.first_name
    await assert_answers(database)


@on_postgres
async def test_a_connection_lost_before_the_commit_is_unavailable_and_writes_nothing(
    database: Database, settings: Settings, postgres: Postgres
) -> None:
    rider = await add_rider(database)

    async def cut_off() -> None:
        async with database.transaction() as transaction:
            await transaction.fetch("UPDATE users SET first_name = 'Other' WHERE id = $1", rider.id)
            kill_connections(postgres, settings)

    with pytest.raises(DatabaseUnavailable):
        await cut_off()
    (row,) = await database.fetch("SELECT first_name FROM users WHERE id = $1", rider.id)
    assert row["first_name"] == rider.user.first_name
    await assert_answers(database)


@on_postgres
async def test_connections_lost_at_begin_return_to_the_pool(
    database: Database, settings: Settings, postgres: Postgres
) -> None:
    for _ in range(settings.database_pool_size + 1):
        await recovers(database)
        kill_connections(postgres, settings)
        with pytest.raises(DatabaseUnavailable):
            async with asyncio.timeout(PATIENCE_S), database.transaction():
                pytest.fail("nobody began a transaction")
    await recovers(database)
    await assert_answers(database)


@pytest.mark.parametrize("unit", ["statement", "transaction"])
async def test_nobody_who_asks_later_gets_the_connection_first(settings: Settings, unit: str) -> None:
    database = Database(settings.model_copy(update={"database_pool_size": 1}))
    await database.connect()
    asked, ran = itertools.count(), list[int]()

    async def run(number: int) -> None:
        if unit == "statement":
            await database.fetch("SELECT 1 AS one")
        else:
            async with database.transaction() as transaction:
                await transaction.fetch("SELECT 1 AS one")
        ran.append(number)

    try:
        async with asyncio.TaskGroup() as tasks:
            # One at each turn of the loop, so that one asks just when a connection is released.
            while len(ran) < 5:
                tasks.create_task(run(next(asked)))
                await asyncio.sleep(0)
        assert ran == sorted(ran)
    finally:
        await database.disconnect()


@on_postgres
async def test_a_postgresql_without_a_free_connection_is_unavailable(
    database: Database, settings: Settings, postgres: Postgres
) -> None:
    name = urlsplit(settings.database_url).path[1:]
    postgres.execute(
        f"CREATE ROLE crowd_{name} LOGIN PASSWORD 'x' CONNECTION LIMIT 0",
        f"GRANT ALL ON DATABASE {name} TO crowd_{name}",
    )
    url = urlsplit(settings.database_url)
    host = url.netloc.rpartition("@")[2]
    crowded = settings.model_copy(update={"database_url": url._replace(netloc=f"crowd_{name}:x@{host}").geturl()})
    try:
        with pytest.raises(DatabaseUnavailable, match="too many connections"):
            await Database(crowded).connect()
    finally:
        postgres.execute(f"REVOKE ALL ON DATABASE {name} FROM crowd_{name}", f"DROP ROLE crowd_{name}")


@on_postgres
async def test_a_migration_under_a_prepared_statement_costs_one_attempt(
    database: Database, settings: Settings
) -> None:
    async def read() -> None:
        async with database.transaction() as transaction:
            await transaction.fetch("SELECT photo FROM users")

    await read()
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute("ALTER TABLE users ALTER COLUMN photo TYPE text")
    await connection.close()

    with pytest.raises(DatabaseUnavailable):
        await read()
    await read()
    assert await database.fetch("SELECT photo FROM users") == []


@on_postgres
async def test_a_stricter_default_of_the_database_does_not_change_who_wins(
    database: Database, settings: Settings, postgres: Postgres
) -> None:
    name = urlsplit(settings.database_url).path[1:]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    strict = Database(settings)
    await strict.connect()

    (row,) = await strict.fetch("SELECT current_setting('transaction_isolation') AS level")

    assert row["level"] == "read committed"
    await strict.disconnect()


async def test_two_databases_of_one_process_are_separate(database: Database, settings: Settings) -> None:
    twin = Database(settings)
    await twin.connect()
    try:
        async with database.transaction() as transaction:
            rider = await add_person_in(transaction)
            assert await twin.fetch("SELECT id FROM users") == [], "not committed yet"
        assert [uuid(row["id"]) for row in await twin.fetch("SELECT id FROM users")] == [rider]
        await add_driver(twin)
        assert len(await database.fetch("SELECT id FROM users")) == 2
    finally:
        await twin.disconnect()


async def add_person_in(transaction: Any) -> UUID:
    user_id = uuid4()
    await transaction.fetch(
        "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, "
        "is_active, created) VALUES ($1, 'a', 'a', '', 'A', 'B', $2, $3, $4, {now})",
        user_id,
        Role.RIDER,
        False,
        True,
    )
    return user_id
