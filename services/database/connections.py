"""The database of one application: its connections, and one SQL spelling for both dialects."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import (
    TortoiseContext,
    _current_context,  # pyright: ignore[reportPrivateUsage]
)

from services.database.dialects import Dialect, PostgresDialect, Row, SqliteDialect, sqlite_value
from services.database.failures import translated
from services.database.loans import Lender
from services.database.postgres import (
    CONNECT_TIMEOUT_S,
    DIRECT_URL,
    URL,
    Connector,
    WrongDatabase,
    check_pooler,
)
from services.database.primary_watch import PrimaryWatch
from services.database.settings import DatabaseSettings
from services.database.sqlite_rows import as_mappings
from services.database.transactions import begun
from services.database.turns import Turns

APP = "models"
COMMAND_TIMEOUT_S = 30


def connection_name(settings: DatabaseSettings) -> str:
    """Tortoise's name of the connection: the dialect, because Tortoise caches generated SQL by that name."""
    return "postgres" if settings.sqlite_path is None else "sqlite"


async def _leave_as_it_is(_: object) -> None:
    """Replaces asyncpg's reset, which costs a round trip per release: no code here changes session state."""


def pool_connector(settings: DatabaseSettings) -> Connector:
    """The connector for connections that serve requests."""
    return Connector(
        settings.database_url,
        setting=URL,
        is_pooled=settings.database_direct_url is not None,
        command_timeout_s=COMMAND_TIMEOUT_S,
    )


def direct_connector(settings: DatabaseSettings, *, options: dict[str, str] | None = None) -> Connector:
    """The connector to PostgreSQL itself, past any pooler, for locks and migrations; no command timeout."""
    if settings.database_direct_url is not None:
        return Connector(settings.database_direct_url, setting=DIRECT_URL, options=options)
    return Connector(settings.database_url, setting=URL, options=options)


def tortoise_config(settings: DatabaseSettings, connector: Connector | None = None) -> dict[str, Any]:
    """The configuration for Tortoise and aerich; ``connector`` opens the connections, if it is given."""
    name, path = connection_name(settings), settings.sqlite_path
    if path is not None:
        connection: dict[str, Any] = {
            "engine": "tortoise.backends.sqlite",
            # WAL lets the command line read while a server writes; NORMAL is safe with it.
            "credentials": {"file_path": str(path), "synchronous": "NORMAL", "busy_timeout": 5000},
        }
    else:
        connector = connector or pool_connector(settings)
        connection = {
            "engine": "tortoise.backends.asyncpg",
            "credentials": {
                # Tortoise requires the first two; ``connect`` opens the connections.
                "user": connector.address.user,
                "database": connector.address.database,
                "minsize": 1,
                # One more than statements may use, for health checks.
                "maxsize": settings.database_pool_size + 1,
                "reset": _leave_as_it_is,
                "connect": connector.connect,
            },
        }
    return {
        "connections": {name: connection},
        "apps": {APP: {"models": ["models", "aerich.models"], "default_connection": name}},
        "use_tz": True,
        "timezone": "UTC",
    }


async def connect_alone(
    settings: DatabaseSettings, *, options: dict[str, str] | None = None
) -> asyncpg.Connection:
    """Open a connection to PostgreSQL itself, outside any pool, for locks.

    Raises:
        WrongDatabase: it is read-only, or a pooler.
        DatabaseUnavailable
    """
    connector = direct_connector(settings, options=options)
    with translated:
        connection = await connector.connect()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connector.check_direct(connection)
        except BaseException:
            connection.terminate()
            raise
        return connection


class Database:
    """One application's database. Statements are written with ``$1`` parameters, ``{now}`` and ``{begun}``.

    Both are the database's clock: ``{now}`` when the row is written, also after waiting for a lock;
    ``{begun}`` the same throughout a transaction. Rows come back as mappings; use ``moment`` and ``uuid`` to read
    their columns, because SQLite keeps both as text.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._context = TortoiseContext()
        self._name = connection_name(settings)
        self.is_sqlite = settings.sqlite_path is not None
        self.sql: Dialect = SqliteDialect() if self.is_sqlite else PostgresDialect()
        self._connector = None if self.is_sqlite else pool_connector(settings)
        # The pool itself gives a connection to whoever asks when it is released, and lets those who wait begin
        # again at the end of the line.
        self._turns = Turns(settings.database_pool_size)
        self._lender: Lender | None = None
        # Health checks do not wait behind statements that wait for a lock.
        self._pings = Turns(1)
        self._primary_watch = (
            PrimaryWatch(self._connector, answers=lambda: self._turns.done + self._pings.done)
            if self._connector is not None and self._connector.knows_servers
            else None
        )

    async def connect(self) -> None:
        """Open the connections.

        Raises:
            WrongDatabase: it is read-only, or a pooler that forgets prepared statements.
            DatabaseUnavailable
        """
        path = self._settings.sqlite_path
        if path is not None and path != Path(":memory:"):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._entered():
            await self._context.init(config=tortoise_config(self._settings, self._connector))
        if not self.is_sqlite:
            self._lender = Lender(self._context.db(self._name), self._turns)
        try:
            await self.ping()
            if self._settings.database_direct_url is not None:
                await self._check_pooler()
        except BaseException:
            await self.disconnect()
            raise
        if self._primary_watch is not None:
            self._primary_watch.start()

    @property
    def notices_promotions(self) -> bool:
        """Whether it is watched for a new primary."""
        return self._primary_watch is not None

    def on_promotion(self, call: Callable[[], None]) -> None:
        """Call this whenever there is a new primary, before anything is changed there."""
        assert self._connector is not None
        self._connector.on_promotion = call

    def look_for_promotion(self) -> None:
        """Ask all hosts soon, not only within a second: there may be a new primary."""
        if self._primary_watch is not None:
            self._primary_watch.look()

    @property
    def former_primaries(self) -> int:
        """How many hosts of the address accept writes although another has taken their place."""
        return self._primary_watch.former_primaries if self._primary_watch is not None else 0

    async def is_former(self, connection: asyncpg.Connection) -> bool:
        """Whether the server of a connection is a former primary. Raises: as asyncpg's statements do."""
        return self._connector is not None and await self._connector.is_former(connection)

    async def _check_pooler(self) -> None:
        client = self._context.db(self._name)
        with translated:
            async with client.acquire_connection() as first, client.acquire_connection() as second:
                await check_pooler([first, second], setting=URL)

    async def disconnect(self) -> None:
        """Close the connections; if it is cancelled, without waiting for statements that are running."""
        # Read before closing: Tortoise drops its reference to the pool.
        pool = None if self.is_sqlite else self._pool
        try:
            if self.primary_watch is not None:
                await self.primary_watch.stop()
            if self._lender is not None:
                await self._lender.return_all()
