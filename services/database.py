"""The database of one application: its own connections, SQL in one spelling for both dialects."""

import re
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import asyncpg
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import (
    TortoiseContext,
    _current_context,  # pyright: ignore[reportPrivateUsage]
)
from tortoise.exceptions import DBConnectionError, IntegrityError
from tortoise.transactions import in_transaction

from services.config import Settings

Row = Mapping[str, Any]

CONNECTION = "default"
APP = "models"
_PARAMETER = re.compile(r"\$(\d+)")
# Microseconds are always written, so that times compare as text.
_SQLITE_TIME = "%Y-%m-%d %H:%M:%f000+00:00"


class Conflict(Exception):
    """A constraint of the database refused a write. ``detail`` names it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class DatabaseUnavailable(Exception):
    """The database cannot be reached. Trying again later may help."""


# What the drivers raise when the server is not there, or goes away under a statement.
_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    DBConnectionError,
)


def tortoise_config(settings: Settings) -> dict[str, Any]:
    """The configuration that Tortoise and aerich take."""
    path = settings.sqlite_path
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
                "port": url.port or 5432,
                "user": unquote(url.username or "postgres"),
                "password": unquote(url.password) if url.password else None,
                "database": url.path.lstrip("/") or "postgres",
                "minsize": 1,
                "maxsize": settings.database_pool_size,
                "command_timeout": 30,
                "timeout": 5,
                **({"ssl": options["sslmode"]} if "sslmode" in options else {}),
                # Planning a trip page with the just-in-time compiler costs more than running it.
                "server_settings": {"jit": "off", "application_name": "taxirank"},
            },
        }
    return {
        "connections": {CONNECTION: connection},
        "apps": {APP: {"models": ["models", "aerich.models"], "default_connection": CONNECTION}},
        "use_tz": True,
        "timezone": "UTC",
    }


class Database:
    """One application's database. Statements are written with ``$1`` parameters, ``{now}`` and ``{begun}``.

    Both are the database's clock: ``{now}`` when the row is written, also after waiting for a lock;
    ``{begun}`` the same throughout a transaction. Rows come back as mappings; use ``moment`` and ``uuid`` to read
    their columns, since SQLite keeps both as text.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = TortoiseContext()
        self.is_sqlite = settings.sqlite_path is not None

    async def connect(self) -> None:
        """Open the connections. Raises whatever the driver raises when the database cannot be reached."""
        path = self._settings.sqlite_path
        if path is not None and path != Path(":memory:"):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._entered():
            await self._context.init(config=tortoise_config(self._settings))

    async def disconnect(self) -> None:
        """Close the connections."""
        await self._context.close_connections()

    async def ping(self) -> None:
        """Raises: whatever the driver raises when the database does not answer."""
        await self.fetch("SELECT 1 AS one")

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement, committed at once, and return its rows."""
        return await self._run(self._context.db(CONNECTION), sql, args)

    def ago(self, seconds: int) -> str:
        """SQL for the database's clock, so many seconds back (ahead, if negative)."""
        if self.is_sqlite:
            return f"strftime('{_SQLITE_TIME}', 'now', '{-seconds:+d} seconds')"
        return f"now() - interval '{seconds:d} seconds'"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["Transaction"]:
        """A transaction, committed at the end of the block and rolled back by an exception.

        Run it only inside ``Shield.run``: a task cancelled in here leaves Tortoise's lock taken on SQLite.

        Raises:
            Conflict: a constraint refused a write.
        """
        try:
            with self._entered():
                async with in_transaction(CONNECTION) as connection:
                    yield Transaction(self, connection)
        except IntegrityError as error:
            raise Conflict(str(error)) from error
        except _UNAVAILABLE as error:
            raise DatabaseUnavailable(str(error)) from error

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
        values = [_for_sqlite(value) for value in args] if self.is_sqlite else [_plain(value) for value in args]
        try:
            return await connection.execute_query_dict(statement, values)
        except IntegrityError as error:
            raise Conflict(str(error)) from error
        except _UNAVAILABLE as error:
            raise DatabaseUnavailable(str(error)) from error


class Transaction:
    """What a block inside ``Database.transaction`` works with."""

    def __init__(self, database: Database, connection: BaseDBAsyncClient) -> None:
        self._database = database
        self.connection = connection

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement in the transaction and return its rows."""
        return await self._database._run(self.connection, sql, args)  # pyright: ignore[reportPrivateUsage]


def moment(value: Any) -> datetime:
    """A column with a time, as an aware datetime in UTC."""
    if isinstance(value, datetime):
        return value
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def uuid(value: Any) -> UUID:
    """A column with an id."""
    return value if type(value) is UUID else UUID(str(value))


@lru_cache(maxsize=512)
def _for_dialect(sql: str, is_sqlite: bool) -> str:
    if not is_sqlite:
        return sql.replace("{now}", "clock_timestamp()").replace("{begun}", "now()")
    now = f"strftime('{_SQLITE_TIME}', 'now')"
    sql = sql.replace("{now}", now).replace("{begun}", now)
    return _PARAMETER.sub(r"?\1", sql)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def _for_sqlite(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")
    if isinstance(value, UUID):
        return str(value)
    return _plain(value)
