"""Migrations make the tables that the models describe, in both dialects, and do no harm twice."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextvars import Context
from pathlib import Path
from shutil import copytree
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest

from server import ROOT
from services import migrations
from services.config import Settings
from services.database import Database
from tests.support import servers

T = TypeVar("T")
NAMES = sorted(path.name for path in (ROOT / "migrations").rglob("sqlite/models/*.py"))

GENERATE = """
import asyncio, sys
from pathlib import Path
from services import migrations
import models
if sys.argv[3] == "changed":
    from tortoise import fields
    models.User._meta.add_field("nickname", fields.CharField(max_length=30, null=True))
print(asyncio.run(migrations.generate(sys.argv[1], "update", Path(sys.argv[2]))))
"""


def generate(dialect: str, folder: Path, state: str) -> subprocess.CompletedProcess[str]:
    # aerich keeps its state on a class, so that each dialect needs a process of its own.
    return subprocess.run(
        [sys.executable, "-c", GENERATE, dialect, str(folder), state],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("dialect", list(migrations.DIALECTS))
def test_the_migrations_are_what_the_models_say_and_a_change_would_be_noticed(
    dialect: str, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    copytree(ROOT / "migrations", folder)

    assert generate(dialect, folder, "as it is").stdout.split() == ["None"]
    assert len(list((folder / dialect / "models").glob("*.py"))) == len(NAMES)
    written = generate(dialect, folder, "changed").stdout.split()[-1]

    (file,) = [path for path in (folder / dialect / "models").glob(f"{len(NAMES)}_*.py") if path.name == written]
    assert '"nickname" VARCHAR(30)' in file.read_text()


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a database without a table."""
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
    """Run one of aerich's commands as if in a process of its own."""
    return await asyncio.create_task(work, context=Context())


async def tables(settings: Settings) -> dict[str, int]:
    """How many columns each table has."""
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
    assert await alone(migrations.pending(empty)) == NAMES

    assert await alone(migrations.apply(empty)) == NAMES
    made = await tables(empty)
    assert await alone(migrations.apply(empty)) == []
    assert await alone(migrations.pending(empty)) == []

    assert await tables(empty) == made
    assert set(made) == {"aerich", "outbox", "sessions", "trip_changes", "trips", "users"}


async def test_both_dialects_have_the_same_tables(tmp_path: Path, postgres: servers.Postgres) -> None:
    url = postgres.copy()
    file = f"sqlite://{tmp_path}/taxi.sqlite3"
    await alone(migrations.apply(Settings(_env_file=None, database_url=file)))  # pyright: ignore
    try:
        assert await tables(Settings(_env_file=None, database_url=file)) == await tables(  # pyright: ignore
            Settings(_env_file=None, database_url=url)  # pyright: ignore
        )
    finally:
        postgres.drop(url)


def test_a_server_on_an_empty_postgresql_says_what_to_do(postgres: servers.Postgres) -> None:
    name = f"empty_{uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    url = postgres.database_url(name)
    try:
        done = subprocess.run(
            [sys.executable, "server.py", "serve", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, "TAXIRANK_DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=30,
        )
    finally:
        postgres.drop(url)

    assert done.returncode == 1
    assert "server.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


async def test_who_migrates_waits_for_who_is_migrating(postgres: servers.Postgres) -> None:
    name = f"empty_{uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    url = postgres.database_url(name)
    settings = Settings(_env_file=None, database_url=url)  # pyright: ignore
    other = await asyncpg.connect(url)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", migrations.LOCK_KEY)
        work = asyncio.create_task(alone(migrations.apply(settings)))
        async with asyncio.timeout(10):
            while not await other.fetchval("SELECT COUNT(*) FROM pg_locks WHERE NOT granted"):
                assert not work.done()
        assert await other.fetchval("SELECT to_regclass('trips')") is None
        await other.close()
        assert await work == NAMES
    finally:
        await other.close()
        postgres.drop(url)
