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
        self.primary_watch = (
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
        if self.primary_watch is not None:
            self.primary_watch.start()

    @property
    def former_primaries(self) -> int:
        """How many hosts of the address accept writes although another has taken their place."""
        return self.primary_watch.former_primaries if self.primary_watch is not None else 0

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
            await self._context.close_connections()
        finally:
            if pool is not None:
                pool.terminate()

    @property
    def room(self) -> int:
        """How many more tasks may ask for a connection without making a long line."""
        return self._turns.room

    @property
    def _pool(self) -> asyncpg.Pool | None:
        client: Any = self._context.db(self._name)
        return client._pool

    async def ping(self) -> None:
        """Raises: DatabaseUnavailable if the database does not answer, or takes no writes."""
        if self.is_sqlite:
            await self.fetch("SELECT 1 AS one")
            return
        (row,) = await self.fetch_apart("SELECT current_setting('transaction_read_only') = 'on' AS is_read_only")
        if row["is_read_only"]:
            await self._look_for_the_primary()
            raise WrongDatabase(f"{URL}: PostgreSQL accepts no writes (is it a standby?)")

    async def _look_for_the_primary(self) -> None:
        """Replace each connection once it is released: a new connection goes to the primary."""
        if (pool := self._pool) is not None and self._lender is not None:
            self._lender.expire()
            await pool.expire_connections()

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement, committed at once, and return its rows."""
        async with self._turns:
            return await self._run(self._lender or self._context.db(self._name), sql, args)

    async def fetch_apart(self, sql: str) -> Sequence[Row]:
        """The same for a quick statement of a check, which does not wait for the others."""
        async with self._pings:
            return await self._run(self._context.db(self._name), sql, ())

    async def fetch_on(self, lender: Any, sql: str, *args: object) -> Sequence[Row]:
        """The same on a connection that is not of the pool: ``lender`` gives it as Tortoise's client does."""
        return await self._run(lender, sql, args)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator["Transaction"]:
        """A transaction, committed at the end of the block and rolled back by an exception.

        Run it inside ``Shield.run``, so that a disconnect does not roll it back.

        Raises:
            Conflict: a constraint refused a write.
            DatabaseUnavailable: nothing was written; if the connection was lost during the commit, perhaps
            everything was.
        """
        with self._entered(), translated:
            async with self._turns, begun(self._context.connections, self._name, self._lender) as connection:
                yield Transaction(connection, self._run)

    @contextmanager
    def _entered(self) -> Generator[None]:
        # TortoiseContext's own `with` keeps its token on the object, so that two tasks inside it at once
        # take each other's; a variable set in this task alone cannot be mixed up.
        token = _current_context.set(self._context)
        try:
            yield
        finally:
            _current_context.reset(token)

    async def _run(self, connection: Any, sql: str, args: Sequence[object]) -> Sequence[Row]:
        statement = self.sql.spelled(sql)
        with translated:
            if self.is_sqlite:
                _, rows = await connection.execute_query(statement, [sqlite_value(value) for value in args])
                return await as_mappings(rows)
            # What Tortoise adds to this, logging and a dictionary for each row, costs 10 µs a statement.
            async with connection.acquire_connection() as link:
                try:
                    return await link.fetch(statement, *args)
                except asyncpg.ReadOnlySQLTransactionError:
                    await self._look_for_the_primary()
                    raise


class Source(Protocol):
    """Runs statements: a database, which commits each at once, or a transaction."""

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement and return its rows."""
        ...


class Transaction:
    """The transaction of a ``Database.transaction`` block."""

    def __init__(
        self,
        connection: BaseDBAsyncClient,
        run: Callable[[BaseDBAsyncClient, str, Sequence[object]], Awaitable[Sequence[Row]]],
    ) -> None:
        """``run`` runs a statement with its arguments on a connection."""
        self.connection = connection
        self._run = run

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement in the transaction and return its rows."""
        return await self._run(self.connection, sql, args)
