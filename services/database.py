"""The database of one application: its own connections, SQL in one spelling for both dialects."""

import re
import sqlite3
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import asyncpg
import orjson
from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper
from tortoise.connection import ConnectionHandler
from tortoise.context import (
    TortoiseContext,
    _current_context,  # pyright: ignore[reportPrivateUsage]
)
from tortoise.exceptions import DBConnectionError, IntegrityError, OperationalError

from services.config import Settings

Row = Mapping[str, Any]

APP = "models"
_OF_THE_POOL = ("minsize", "maxsize", "command_timeout", "reset")
_PARAMETER = re.compile(r"\$(\d+)")
# Microseconds are always written, so that times compare as text.
_SQLITE_TIME = "%Y-%m-%d %H:%M:%f000+00:00"


class Conflict(Exception):
    """A constraint of the database refused a write. ``detail`` names it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or cannot work now. Trying again later may help."""


# What the drivers raise when the server is not there, goes away under a statement, or has no room for it.
_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What it calls a link that broke between two statements.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    # It is starting, stopping, or was told to end this session.
    asyncpg.OperatorInterventionError,
    # Too many connections, a full disk.
    asyncpg.InsufficientResourcesError,
    # A deadlock: one of the two transactions has to be asked again.
    asyncpg.TransactionRollbackError,
    # A migration changed a column under a prepared statement, which asyncpg has forgotten by now.
    asyncpg.InvalidCachedStatementError,
    DBConnectionError,
)


def connection_name(settings: Settings) -> str:
    """What Tortoise calls the connection: the dialect, since it keeps the SQL that it makes under that name."""
    return "postgres" if settings.sqlite_path is None else "sqlite"


async def _leave_as_it_is(_: object) -> None:
    """In place of asyncpg's reset, a round trip each time a connection is given back: nothing here changes one."""


def tortoise_config(settings: Settings) -> dict[str, Any]:
    """The configuration that Tortoise and aerich take."""
    name, path = connection_name(settings), settings.sqlite_path
    if path is not None:
        connection: dict[str, Any] = {
            "engine": "tortoise.backends.sqlite",
            # WAL lets the command line read while a server writes; NORMAL is safe with it.
            "credentials": {"file_path": str(path), "synchronous": "NORMAL", "busy_timeout": 5000},
        }
    else:
        url = urlsplit(settings.database_url)
        options = dict(parse_qsl(url.query))
        connection = {
            "engine": "tortoise.backends.asyncpg",
            "credentials": {
                "host": options.pop("host", None) or url.hostname,
                "port": int(options.pop("port", 0)) or url.port or 5432,
                "user": unquote(url.username or "postgres"),
                "password": unquote(url.password) if url.password else None,
                "database": unquote(url.path.lstrip("/")) or "postgres",
                "minsize": 1,
                "maxsize": settings.database_pool_size,
                "command_timeout": 30,
                "reset": _leave_as_it_is,
                "timeout": 5,
                **({"ssl": options["sslmode"]} if "sslmode" in options else {}),
                # Planning a trip page with the just-in-time compiler costs more than running it.
                "server_settings": {
                    "jit": "off",
                    "application_name": "taxirank",
                    # One UPDATE decides who wins: the others must wait for it and find no row, not fail.
                    "default_transaction_isolation": "read committed",
                },
            },
        }
    return {
        "connections": {name: connection},
        "apps": {APP: {"models": ["models", "aerich.models"], "default_connection": name}},
        "use_tz": True,
        "timezone": "UTC",
    }


async def connect_alone(settings: Settings) -> asyncpg.Connection:
    """A connection to PostgreSQL outside any pool, for locks. Raises: DatabaseUnavailable."""
    (config,) = tortoise_config(settings)["connections"].values()
    credentials: dict[str, Any] = config["credentials"]
    try:
        return await asyncpg.connect(**{k: v for k, v in credentials.items() if k not in _OF_THE_POOL})
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseUnavailable(str(error)) from error


class Database:
    """One application's database. Statements are written with ``$1`` parameters, ``{now}`` and ``{begun}``.

    Both are the database's clock: ``{now}`` when the row is written, also after waiting for a lock;
    ``{begun}`` the same throughout a transaction. Rows come back as mappings; use ``moment`` and ``uuid`` to read
    their columns, since SQLite keeps both as text.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = TortoiseContext()
        self._name = connection_name(settings)
        self.is_sqlite = settings.sqlite_path is not None

    async def connect(self) -> None:
        """Open the connections. Raises: DatabaseUnavailable."""
        path = self._settings.sqlite_path
        if path is not None and path != Path(":memory:"):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._entered():
            await self._context.init(config=tortoise_config(self._settings))
        try:
            await self.ping()
        except BaseException:
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        """Close the connections."""
        await self._context.close_connections()

    async def ping(self) -> None:
        """Raises: DatabaseUnavailable."""
        await self.fetch("SELECT 1 AS one")

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement, committed at once, and return its rows."""
        return await self._run(self._context.db(self._name), sql, args)

    def among(self, column: str, parameter: int) -> str:
        """SQL for "the column's value is in the list that is parameter number so-and-so"."""
        if self.is_sqlite:
            return f"{column} IN (SELECT value FROM json_each(${parameter}))"
        return f"{column} = ANY(${parameter})"

    def ids(self, parameter: int) -> str:
        """SQL for a table of the ids in the list that is parameter number so-and-so, in its column ``id``."""
        if self.is_sqlite:
            return f"(SELECT value AS id FROM json_each(${parameter}))"
        return f"(SELECT unnest(${parameter}::uuid[]) AS id)"

    def ago(self, seconds: int) -> str:
        """SQL for the database's clock, so many seconds back (ahead, if negative)."""
        if self.is_sqlite:
            return f"strftime('{_SQLITE_TIME}', 'now', '{-seconds:+d} seconds')"
        return f"now() - interval '{seconds:d} seconds'"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["Transaction"]:
        """A transaction, committed at the end of the block and rolled back by an exception.

        Run it inside ``Shield.run``, so that a vanished client does not undo it.

        Raises:
            Conflict: a constraint refused a write.
            DatabaseUnavailable: nothing was written; if the connection was lost during the commit, perhaps all.
        """
        with self._entered(), _translated:
            async with _begun(self._context.connections, self._name) as connection:
                yield Transaction(self, connection)

    @contextmanager
    def _entered(self) -> Generator[None]:
        # TortoiseContext's own `with` keeps its token on the object, so that two tasks inside it at once
        # take each other's; a variable set in this task alone cannot be mixed up.
        token = _current_context.set(self._context)
        try:
            yield
        finally:
            _current_context.reset(token)

    async def _run(self, connection: BaseDBAsyncClient, sql: str, args: Sequence[object]) -> Sequence[Row]:
        statement = _for_dialect(sql, self.is_sqlite)
        with _translated:
            if self.is_sqlite:
                return await connection.execute_query_dict(statement, [_for_sqlite(value) for value in args])
            # What Tortoise adds to this, logging and a dictionary for each row, costs 10 µs a statement.
            async with connection.acquire_connection() as link:
                return await link.fetch(statement, *args)


class Transaction:
    """What a block inside ``Database.transaction`` works with."""

    def __init__(self, database: Database, connection: BaseDBAsyncClient) -> None:
        self._database = database
        self.connection = connection

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement in the transaction and return its rows."""
        return await self._database._run(self.connection, sql, args)  # pyright: ignore[reportPrivateUsage]


@asynccontextmanager
async def _begun(connections: ConnectionHandler, name: str) -> AsyncGenerator[BaseDBAsyncClient]:
    """A transaction whose connection is given back whatever happens.

    Tortoise's own ``in_transaction`` keeps SQLite's lock, or the pool's connection, when BEGIN fails or is
    cancelled; then every later query waits for ever.
    """
    client: Any = connections.get(name)
    async with client.acquire_connection() as connection:
        is_sqlite = isinstance(client, SqliteClient)
        transaction = SqliteTransactionWrapper(client) if is_sqlite else TransactionWrapper(client)
        transaction._connection = connection  # pyright: ignore[reportPrivateUsage]
        token = connections.set(name, transaction)
        try:
            await transaction.begin()
            yield transaction
        except BaseException:
            # Fails when it has not begun or the link is lost: then there is nothing to roll back.
            with suppress(*_UNAVAILABLE):
                await transaction.rollback()
            raise
        else:
            await transaction.commit()
        finally:
            connections.reset(token)


class _Translated:
    """Raises the drivers' failures as Conflict or DatabaseUnavailable, where they are one of these."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, IntegrityError | asyncpg.IntegrityConstraintViolationError):
            cause: Any = error.args[0] if isinstance(error, IntegrityError) else error
            if isinstance(cause, asyncpg.PostgresError):
                # The whole row, perhaps with the hash of a password: it must not get into a log.
                vars(cause)["detail"] = None
            raise Conflict(str(error)) from error
        if isinstance(error, _UNAVAILABLE):
            raise DatabaseUnavailable(str(error)) from error
        if isinstance(error, OperationalError | sqlite3.OperationalError):
            cause = error.args[0] if isinstance(error, OperationalError) else error
            # The code tells a file that is locked, full or gone from a statement that is wrong.
            if getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) != sqlite3.SQLITE_ERROR:
                raise DatabaseUnavailable(str(error)) from error


_translated = _Translated()


def moment(value: Any) -> datetime:
    """A column with a time, as an aware datetime in UTC."""
    if isinstance(value, datetime):
        return value
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def uuid(value: Any) -> UUID:
    """A column with an id."""
    return value if type(value) is UUID else UUID(str(value))


def native_uuid(value: Any) -> UUID:
    """A column with an id, as the driver gave it where that is an id: it costs half as much to send back."""
    return value if isinstance(value, UUID) else UUID(value)


@lru_cache(maxsize=512)
def _for_dialect(sql: str, is_sqlite: bool) -> str:
    if not is_sqlite:
        return sql.replace("{now}", "clock_timestamp()").replace("{begun}", "now()")
    now = f"strftime('{_SQLITE_TIME}', 'now')"
    sql = sql.replace("{now}", now).replace("{begun}", now)
    return _PARAMETER.sub(r"?\1", sql)


def _for_sqlite(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ", "microseconds")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        return orjson.dumps([_for_sqlite(item) for item in cast("list[object]", value)]).decode()
    return value.value if isinstance(value, Enum) else value
