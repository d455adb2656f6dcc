"""Schema migrations by aerich, one folder per dialect."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from aerich import Command
from aerich.ddl.sqlite import SqliteDDL
from aerich.migrate import Migrate
from aerich.models import Aerich
from aerich.utils import import_py_module
from tortoise import Model
from tortoise.exceptions import IntegrityError, OperationalError

from services.database.connections import APP, connect_alone, connection_name, direct_connector, tortoise_config
from services.database.migration_run import MigrationRun, TableInUse
from services.database.postgres import reason
from services.database.settings import DatabaseSettings, sqlite_path
from services.database.sqlite_file import check_file

_log = structlog.stdlib.get_logger(__name__)

ROOT = Path(__file__).resolve().parents[2] / "migrations"
DIALECTS = {"sqlite": "sqlite://:memory:", "postgres": "postgres://offline@localhost/offline"}
POLL_S = 0.5
# Overrides time limits of the database or the role.
_UNLIMITED = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0"}
LOCK_KEY = int.from_bytes(hashlib.sha256(b"taxirank migrations").digest()[:8], "big", signed=True)


class MigrationError(Exception):
    """The database schema is not the expected one, or a migration failed. The text is one line that says what
    to do."""


def _command(settings: DatabaseSettings) -> Command:
    connector = direct_connector(settings, options=_UNLIMITED) if settings.sqlite_path is None else None
    location = str(ROOT / connection_name(settings))
    return Command(tortoise_config(settings, connector), app=APP, location=location)


async def apply(settings: DatabaseSettings) -> list[str]:
    """Apply missing migrations and return their names. One call per process at a time.

    On PostgreSQL a migration may take as long as it needs, and nobody waits long for it (``MigrationRun``). One
    that was interrupted goes on.

    Raises:
        MigrationError: a migration failed, or the database is newer than this version.
        UnusableFile, DatabaseUnavailable
    """
    if settings.sqlite_path is not None:
        check_file(settings.sqlite_path)
    async with _command(settings) as command:
        if settings.sqlite_path is not None:
            return await _upgrade(command.upgrade)
        async with _only_migrator(settings) as connection:
            return await _upgrade(lambda: _upgrade_postgres(connection))


async def _upgrade(upgrade: Callable[[], Awaitable[list[str]]]) -> list[str]:
    _refuse_newer(await _applied())
    try:
        return await upgrade()
    except TableInUse as error:
        raise MigrationError(str(error)) from error
    except (OperationalError, IntegrityError, asyncpg.PostgresError, sqlite3.Error, OSError) as error:
        raise MigrationError(f"a migration was not applied: {reason(error)}") from error
    except asyncpg.InterfaceError as error:
        raise MigrationError(
            f"a migration was interrupted ({reason(error)}): run `server.py migrate` again"
        ) from error


async def _upgrade_postgres(connection: asyncpg.Connection) -> list[str]:
    applied = await _applied()
    missing = [module for module in Migrate.get_all_version_modules() if f"{module.name}.py" not in applied]
    run = MigrationRun(connection)
    for module in missing:
        await run.run(f"{module.name}.py", import_py_module(module))
    return [f"{module.name}.py" for module in missing]


async def check(settings: DatabaseSettings) -> None:
    """Raises: MigrationError unless the schema is the one of this version."""
    async with _command(settings):
        applied = await _applied()
        _refuse_newer(applied)
        needed = Migrate.get_all_version_files()
        if missing := [name for name in needed if name not in applied]:
            raise MigrationError(
                f"the database is not up to date (it is at {applied[-1] if applied else 'nothing'}, and needs "
                f"{missing[-1]}): run `server.py migrate` first"
            )


async def apply_or_check(settings: DatabaseSettings) -> None:
    """Prepare the database at the start: apply missing migrations on SQLite; on PostgreSQL, none may be missing.

    Raises:
        MigrationError, UnusableFile, DatabaseUnavailable: see ``apply`` and ``check``.
    """
    if settings.sqlite_path is not None:
        await apply(settings)
    else:
        await check(settings)


def _refuse_newer(applied: Sequence[str]) -> None:
    known = Migrate.get_all_version_files()
    if newer := [name for name in applied if name not in known]:
        # Only the newer version knows whether the schema still has everything that this one uses.
        raise MigrationError(
            f"the database is at {newer[-1]}, and this version knows only migrations up to {known[-1]}: run the "
            "version that applied it, or a newer one"
        )


async def _applied() -> list[str]:
    """The migrations that the database has, in order."""
    try:
        return [row.version for row in await Aerich.filter(app=APP).order_by("id").only("version")]
    except OperationalError:
        # The first migration creates the table of migrations.
        return []


@asynccontextmanager
async def _only_migrator(settings: DatabaseSettings) -> AsyncGenerator[asyncpg.Connection]:
    """The one connection that migrates a PostgreSQL database: several containers may start at once."""
    connection = await connect_alone(settings, options=_UNLIMITED)
    try:
        # If this process is killed, PostgreSQL ends its statement, and the lock, within a second.
        await connection.execute(_NOTICE_ITS_END)
        is_told = False
        # To wait in a statement is to hold a snapshot, and CREATE INDEX CONCURRENTLY waits for each of them.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
            if not is_told:
                _log.warning("another process migrates this database: waiting for it")
            is_told = True
            await asyncio.sleep(POLL_S)
        yield connection
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
    finally:
        connection.terminate()


_NOTICE_ITS_END = (
    "SELECT set_config(name, '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"
)


async def generate(dialect: str, name: str, root: Path = ROOT) -> str | None:
    """Write a migration for changes of the models, without a database. Returns its name; None if nothing changed.

    aerich keeps its state on a class: call it for one dialect a process.
    """
    setattr(SqliteDDL, "set_comment", _no_comment)  # noqa: B010 - the library says that it never returns
    setattr(SqliteDDL, "alter_column_null", _by_hand)  # noqa: B010 - as above
    command = Command(tortoise_config(_Offline(DIALECTS[dialect])), app=APP, location=str(root / dialect))
    try:
        await command.init(offline=True)
        return await command.migrate(name, no_input=True, offline=True) or None
    finally:
        await command.aclose()


def _no_comment(self: SqliteDDL, model: type[Model], field_describe: dict[str, Any]) -> Any:
    """Nothing: SQLite has no comments, and aerich fails there when the comment on an enumeration changes."""
    return ""


def _by_hand(self: SqliteDDL, model: type[Model], field_describe: dict[str, Any]) -> str:
    """A note in the migration: SQLite cannot change whether a column may be NULL, and aerich fails there."""
    column = f"{field_describe['db_column']} of {model.__name__}"
    return f"-- Write the table anew, by hand: {column} changes whether it may be NULL"


@dataclass(frozen=True, slots=True)
class _Offline:
    """Settings of a database that is never connected."""

    database_url: str
    database_direct_url: str | None = None
    database_replica_url: str | None = None
    database_replica_max_age_s: float = 0.0
    database_pool_size: int = 1
    redis_url: str | None = None

    @property
    def sqlite_path(self) -> Path | None:
        return sqlite_path(self.database_url)
