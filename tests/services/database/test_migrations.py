"""Migrations create the tables of the models, in both dialects, and can be repeated."""

import asyncio
import importlib.util
import sqlite3
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextvars import Context
from pathlib import Path
from shutil import copy, copytree
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from application.paths import ROOT
from application.settings import Settings
from models.trip_life import ChangedBy, TripStatus
from services.accounts.lookalikes import fill_skeletons, skeleton
from services.database import migrations
from services.database.connections import Database
from services.database.failures import Conflict
from services.database.migrations import MigrationError
from services.trips.history import TripHistory
from services.trips.rows import find
from tests.support import servers
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.waiting import until

T = TypeVar("T")
NAMES = sorted(
    (path.name for path in (ROOT / "migrations").rglob("sqlite/models/*.py")),
    key=lambda name: int(name.partition("_")[0]),
)

# In a separate process for each dialect: aerich keeps its state on a class.
GENERATE = """
import asyncio, sys
from pathlib import Path
import models
from services.database import migrations
from tortoise import fields

def generate():
    print(asyncio.run(migrations.generate(sys.argv[1], "update", Path(sys.argv[2]))))

generate()
models.User._meta.add_field("nickname", fields.CharField(max_length=30, null=True))
generate()
"""


@pytest.mark.parametrize("dialect", list(migrations.DIALECTS))
def test_the_migrations_match_the_models_and_a_change_would_be_noticed(dialect: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    copytree(ROOT / "migrations", folder)

    program = [sys.executable, "-c", GENERATE, dialect, str(folder)]
    shown = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    as_it_is, changed = shown.splitlines()
    assert as_it_is == "None"
    (file,) = (folder / dialect / "models").glob(f"{len(NAMES)}_*.py")
    assert changed.endswith(file.name)
    assert '"nickname" VARCHAR(30)' in file.read_text()


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a database without tables."""
    if request.param == "sqlite":
        yield Settings(_env_file=None, database_url=f"sqlite://{tmp_path}/sub folder/taxi.sqlite3")  # pyright: ignore
        return
    postgres: servers.Postgres = request.getfixturevalue("postgres")
    name = f"empty_{uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    url = postgres.database_url(name)
    yield Settings(_env_file=None, database_url=url)  # pyright: ignore
    postgres.drop(url)


async def alone(work: Coroutine[Any, Any, T]) -> T:
    """Run one of aerich's commands as if in a separate process."""
    return await asyncio.create_task(work, context=Context())


async def tables(settings: Settings) -> dict[str, int]:
    """The number of columns of each table."""
    database = Database(settings)
    await database.connect()
    if database.is_sqlite:
        sql = (
            "SELECT m.name, COUNT(*) AS columns FROM sqlite_master m, pragma_table_info(m.name) "
            "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' GROUP BY m.name"
        )
    else:
        sql = (
            "SELECT table_name AS name, COUNT(*) AS columns FROM information_schema.columns "
            "WHERE table_schema = 'public' GROUP BY table_name"
        )
    rows = await database.fetch(sql)
    await database.disconnect()
    return {row["name"]: row["columns"] for row in rows}


async def test_an_empty_database_lacks_everything_and_migrating_twice_is_harmless(empty: Settings) -> None:
    if empty.sqlite_path is not None:
        empty.sqlite_path.parent.mkdir()
    with pytest.raises(MigrationError, match=r"not up to date \(it is at nothing, and needs .*server.py migrate"):
        await alone(migrations.check(empty))

    assert await alone(migrations.apply(empty)) == NAMES
    made = await tables(empty)
    assert await alone(migrations.apply(empty)) == []
    await alone(migrations.check(empty))

    assert await tables(empty) == made
    # Only PostgreSQL has several processes, which ask what has changed.
    on_postgres: set[str] = set() if empty.sqlite_path is not None else {"session_changes"}
    assert set(made) == on_postgres | {
        "aerich",
        "email_tokens",
        "letters",
        "outbox",
        "push_changes",
        "push_messages",
        "push_subscriptions",
        "ratings",
        "sessions",
        "staff_actions",
        "trip_changes",
        "trips",
        "unreferenced_photos",
        "users",
        "webhook_deliveries",
        "webhook_endpoints",
    }


async def test_both_dialects_have_the_same_tables(tmp_path: Path, postgres: servers.Postgres) -> None:
    url = postgres.copy()
    file = f"sqlite://{tmp_path}/taxi.sqlite3"
    await alone(migrations.apply(Settings(_env_file=None, database_url=file)))  # pyright: ignore
    try:
        on_sqlite = await tables(Settings(_env_file=None, database_url=file))  # pyright: ignore
        on_postgres = await tables(Settings(_env_file=None, database_url=url))  # pyright: ignore
        assert on_sqlite == {name: n for name, n in on_postgres.items() if name != "session_changes"}
    finally:
        postgres.drop(url)


async def test_a_process_that_migrates_waits_for_another_that_is_migrating(
    postgres: servers.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "POLL_S", 0.01)
    name = f"empty_{uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    url = postgres.database_url(name)
    settings = Settings(_env_file=None, database_url=url)  # pyright: ignore
    other = await asyncpg.connect(url)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", migrations.LOCK_KEY)
        with capture_logs() as logs:
            work = asyncio.create_task(alone(migrations.apply(settings)))
            await until(lambda: logs)
        assert logs[0]["event"] == "another process migrates this database: waiting for it"
        assert await other.fetchval("SELECT to_regclass('trips')") is None
        await other.close()
        assert await work == NAMES
    finally:
        await other.close()
        postgres.drop(url)


async def test_a_database_of_a_newer_version_is_refused_with_both_versions_named(empty: Settings) -> None:
    await alone(migrations.apply(empty))
    database = Database(empty)
    await database.connect()
    await database.fetch("INSERT INTO aerich (version, app, content) VALUES ('99_newer.py', 'models', '{}')")
    await database.disconnect()

    for command in (migrations.apply, migrations.check):
        with pytest.raises(MigrationError, match=rf"at 99_newer.py, .* up to {NAMES[-1]}"):
            await alone(command(empty))


@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
async def test_a_migration_takes_longer_than_any_statement_of_a_request_may(
    empty: Settings, only_first: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, postgres: servers.Postgres
) -> None:
    # Even if the database has a limit of its own.
    name = empty.database_url.partition("?")[0].rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET statement_timeout = '1ms'")
    monkeypatch.setattr("services.database.connections.COMMAND_TIMEOUT_S", 0.000001)

    assert await alone(migrations.apply(empty)) == [FIRST]


# The second migration meets a database with trips.

FIRST, SECOND = NAMES[:2]


@pytest.fixture
def only_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As if the second migration did not exist yet, until it is undone."""
    folder = tmp_path / "before"
    for dialect in migrations.DIALECTS:
        (folder / dialect / "models").mkdir(parents=True)
        copy(ROOT / "migrations" / dialect / "models" / FIRST, folder / dialect / "models")
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "ROOT", folder)
        yield patched


async def with_trips(settings: Settings) -> dict[str, Any]:
    """Fill a database of the first schema: two trips of one rider; returns the expected first entries."""
    database = Database(settings)
    await database.connect()
    rider, driver = await add_rider(database), await add_driver(database)
    for status, its_driver in ((TripStatus.REQUESTED, None), (TripStatus.STARTED, driver)):
        await add_trip(database, rider, status=status, driver=its_driver, age_s=60)
    trips = await database.fetch("SELECT id, created FROM trips")
    await database.disconnect()
    return {"rider": rider.user, "created": {str(trip["id"]): trip["created"] for trip in trips}}


async def test_two_users_whose_names_look_alike_already_keep_them(
    empty: Settings, only_first: pytest.MonkeyPatch
) -> None:
    await alone(migrations.apply(empty))
    database = Database(empty)
    await database.connect()
    names = {"capa", "\u0441\u0430\u0440\u0430"}
    for name in names:
        user_id = (await add_rider(database)).id
        await database.fetch("UPDATE users SET username = $2, username_key = $2 WHERE id = $1", user_id, name)
    only_first.undo()
    await alone(migrations.apply(empty))
    await fill_skeletons(database)
    rows = await database.fetch("SELECT username, username_skeleton FROM users")
    await database.disconnect()
    assert {row["username"] for row in rows} == names
    assert {row["username_skeleton"] for row in rows} == {None, skeleton("capa")}


async def check_histories(settings: Settings, expected: dict[str, Any]) -> None:
    """Every trip has its first entry, once, and can be read."""
    database = Database(settings)
    await database.connect()
    try:
        rows = await database.fetch("SELECT * FROM trip_changes")
        assert {str(row["trip_id"]): row["at"] for row in rows} == expected["created"]
        assert len(rows) == len(expected["created"])
        for row in rows:
            (change,) = await TripHistory(database).of(UUID(str(row["trip_id"])))
            assert (change.version, change.status, change.changed_by, change.user) == (
                1,
                TripStatus.REQUESTED,
                ChangedBy.RIDER,
                expected["rider"],
            )
            assert await find(database, UUID(str(row["trip_id"]))) is not None
    finally:
        await database.disconnect()


async def test_older_trips_get_the_first_entry_of_their_history(
    empty: Settings, only_first: pytest.MonkeyPatch
) -> None:
    assert await alone(migrations.apply(empty)) == [FIRST]
    expected = await with_trips(empty)
    only_first.undo()

    assert await alone(migrations.apply(empty)) == NAMES[1:]

    await check_histories(empty, expected)


async def test_older_entries_of_the_trail_get_the_kind_that_their_words_tell(
    empty: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "before"
    for dialect in migrations.DIALECTS:
        (folder / dialect / "models").mkdir(parents=True)
        for name in NAMES:
            if int(name.partition("_")[0]) < 10:
                copy(ROOT / "migrations" / dialect / "models" / name, folder / dialect / "models")
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "ROOT", folder)
        await alone(migrations.apply(empty))
    database = Database(empty)
    await database.connect()
    user, other = (await add_rider(database)).id, (await add_rider(database)).id
    before = [
        ("DEACTIVATE_USER", "stella", "only sessions ended: all 2 sessions; the account stays active", user),
        ("DEACTIVATE_USER", "stella", "", user),
        ("SEND_PASSWORD_RESET", "ops (command line)", "a new password was set, and no letter sent", user),
        ("SEND_PASSWORD_RESET", "stella", "", user),
        ("REFUSE_DRIVER", "stella", "no photo", user),
        ("APPROVE_DRIVER", "stella", "", user),
        ("REFUSE_DRIVER", "stella", "not this one", other),
        ("REFUSE_DRIVER", "stella", "complaints", user),
        ("REFUSE_DRIVER", "stella", "another reason", user),
    ]
    for action, author, detail, about in before:
        await database.fetch(
            "INSERT INTO staff_actions (at, action, staff_username, detail, staff_id, user_id) "
            "VALUES ({now}, $1, $2, $3, $4, $4)",
            action,
            author,
            detail,
            about,
        )
    trail = "SELECT action, detail, staff_id FROM staff_actions ORDER BY id"
    await database.disconnect()

    await alone(migrations.apply(empty))
    await database.connect()
    rows = await database.fetch(trail)
    assert [row["action"] for row in rows] == [
        *("END_SESSIONS", "DEACTIVATE_USER", "SET_PASSWORD", "SEND_PASSWORD_RESET"),
        *("REFUSE_DRIVER", "APPROVE_DRIVER", "REFUSE_DRIVER", "REVOKE_APPROVAL", "REFUSE_DRIVER"),
    ]
    assert [row["staff_id"] is None for row in rows] == [
        author == "ops (command line)" for _, author, *_ in before
    ]
    assert rows[7]["detail"] == "complaints"
    # Only the command line may lack an account.
    with pytest.raises(Conflict):
        await database.fetch(
            "INSERT INTO staff_actions (at, action, staff_username, detail) VALUES ({now}, 'EXPORT', 'x', '')"
        )
    await database.disconnect()


async def statements_of(name: str) -> list[str]:
    """The statements of a migration of SQLite."""
    spec = importlib.util.spec_from_file_location("migration", ROOT / "migrations" / "sqlite" / "models" / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    async def nothing(_: str) -> list[Any]:
        return []

    statements: list[str] = [""]
    for part in (await module.upgrade(SimpleNamespace(execute_query_dict=nothing))).split(";")[:-1]:
        statements[-1] += part + ";"
        if sqlite3.complete_statement(statements[-1]):
            statements.append("")
    return statements[:-1]


async def test_an_interrupted_migration_of_sqlite_is_completed_by_the_next_attempt(
    tmp_path: Path, only_first: pytest.MonkeyPatch
) -> None:
    steps = await statements_of(SECOND)
    assert len(steps) == 4
    begun = Settings(_env_file=None, database_url=f"sqlite://{tmp_path}/begun.sqlite3")  # pyright: ignore
    await alone(migrations.apply(begun))
    expected = await with_trips(begun)
    only_first.undo()
    assert begun.sqlite_path is not None
    for count in range(len(steps) + 1):
        path = tmp_path / f"{count}.sqlite3"
        copy(begun.sqlite_path, path)
        with sqlite3.connect(path) as torn:
            for step in steps[:count]:
                torn.execute(step)
        torn.close()
        settings = Settings(_env_file=None, database_url=f"sqlite://{path}")  # pyright: ignore

        assert await alone(migrations.apply(settings)) == NAMES[1:]

        await check_histories(settings, expected)
