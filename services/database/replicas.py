"""Reads from replicas (hot standbys), for what may be a few seconds old."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import asyncpg
import structlog

from services.database.address import Host, name_of
from services.database.connections import COMMAND_TIMEOUT_S, Database
from services.database.dialects import Row
from services.database.postgres import IGNORES_OPTIONS, Connector, WrongDatabase, reason
from services.database.replica_marks import OF_PRIMARY, OF_REPLICA, Marks, Unfit
from services.database.settings import DatabaseSettings
from services.errors import DatabaseUnavailable
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait

_log = structlog.stdlib.get_logger(__name__)

URL = "TAXIRANK_DATABASE_REPLICA_URL"
INTERVAL_S = 0.25
# For a connection and for the question how far a replica is.
ANSWER_TIMEOUT_S = 1.0
_NAME_ITSELF = "it is a pooler such as PgBouncer: name the address of the replica itself"
# Of each process to each replica.
CONNECTIONS = 4

# Anything that a replica raises: the primary answers instead, and raises the same if the statement is wrong.
_FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    DatabaseUnavailable,
)
# Failures of a connection that end by themselves.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class _Replica:
    """One host: its connections, and whether it is read at the moment."""

    def __init__(self, connector: Connector, host: Host, marks: Marks) -> None:
        self.name = name_of(host)
        self.is_fresh = False
        self._connector = connector
        self._host = host
        self._marks = marks
        self._pool: asyncpg.Pool | None = None
        self._in_use: set[Any] = set()
        # The pool has one more, to look at the replica while all are in use.
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._has_failed = False
        # Why it is not read, as the log has it.
        self._said: str | None = None

    async def open(self) -> None:
        """Make the pool, without a connection."""
        self._pool = await asyncpg.create_pool(
            connect=self._connect, min_size=0, max_size=CONNECTIONS + 1, reset=_leave_as_it_is
        )

    async def close(self) -> None:
        """Close all connections without waiting."""
        if self._pool is not None:
            self._pool.terminate()

    async def check(self) -> None:
        """Raises: WrongDatabase if it can never be read. A replica that is away only waits."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                connection = await self._connect()
        except _AWAY:
            return
        except asyncpg.PostgresError as error:
            raise WrongDatabase(f"{URL}: {self.name}: {reason(error)}") from error
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                row = await connection.fetchrow(OF_REPLICA)
            if row is not None and self._marks.unfitness_of(row) is Unfit.FOREIGN:
                raise WrongDatabase(f"{URL}: {self.name}: {Unfit.FOREIGN}")
        except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError) as error:
            raise WrongDatabase(f"{URL}: {self.name} does not tell how far it is: {reason(error)}") from error
        except _AWAY:
            return
        finally:
            connection.terminate()

    async def read(self, run: Callable[[Any], Awaitable[Sequence[Row]]]) -> Sequence[Row] | None:
        """Run a statement on a connection whose server has just shown that it is fresh; None if it is not.

        Raises: as the statement does, or ``_FAILURES``.
        """
        assert self._pool is not None
        async with asyncio.timeout(ANSWER_TIMEOUT_S) as asking, self._places, self._pool.acquire() as connection:
            self._in_use.add(connection)
            try:
                # Behind one address there may be several replicas.
                row = await connection.fetchrow(OF_REPLICA)
                if row is None or self._marks.unfitness_of(row) is not None:
                    return None
                asking.reschedule(None)
                return await run(connection)
            finally:
                self._in_use.discard(connection)

    async def look(self) -> None:
        """Find out whether it can be read, and say so when that changes."""
        assert self._pool is not None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S), self._pool.acquire() as connection:
                row = await connection.fetchrow(OF_REPLICA)
            assert row is not None
            self._has_failed = False
            unfit = self._marks.unfitness_of(row)
            if unfit is not Unfit.BEHIND or not self._marks.is_young:
                self._note(unfit)
        # Any error: without this task nothing would be read there again.
        except Exception as error:
            self._note(reason(error))
            if self._has_failed:
                # What waits for an answer would wait for half a minute. Once may be this process's fault.
                for connection in tuple(self._in_use):
                    connection.terminate()
                await self._pool.expire_connections()
            self._has_failed = True

    def _note(self, unfit: str | None) -> None:
        if self.is_fresh != (unfit is None):
            self.is_fresh = unfit is None
            if self.is_fresh:
                _log.info("a replica is read", host=self.name)
        if unfit is not None and unfit != self._said:
            _log.warning("a replica is not read: its reads go elsewhere", host=self.name, reason=str(unfit))
        self._said = unfit

    async def _connect(self, *_: object, **arguments: Any) -> asyncpg.Connection:
        """Raises: WrongDatabase if it leads to a pooler; or as ``Connector.open`` does."""
        of_pool = {name: arguments[name] for name in ("loop", "record_class") if name in arguments}
        try:
            connection = await self._connector.open(self._host, target="any", **of_pool)
        except asyncpg.PostgresError as error:
            if "startup parameter" in str(error):
                raise WrongDatabase(f"{URL}: {self.name}: {error}: {_NAME_ITSELF}") from error
            raise
        try:
            if await self._connector.is_direct(connection):
                return connection
            # There each statement may go to another server than the question how far it is.
            raise WrongDatabase(f"{URL}: {self.name}: {IGNORES_OPTIONS}: {_NAME_ITSELF}")
        except BaseException:
            connection.terminate()
            raise


class _Borrowed:
    """A connection, as Tortoise's client would give it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def acquire_connection(self) -> AsyncGenerator[asyncpg.Connection]:
        """Part of Tortoise's client."""
        yield self._connection


class Replicas:
    """The replicas of one application: a source of rows that are at most ``DATABASE_REPLICA_MAX_AGE_S`` old.

    If no replica is that fresh, or one fails, the primary answers. Without replicas it always does.
    """

    def __init__(self, settings: DatabaseSettings, database: Database, counters: Counters) -> None:
        self._database = database
        self._counters = counters
        self._marks = Marks(settings.database_replica_max_age_s)
        self._replicas: list[_Replica] = []
        self._tasks: list[asyncio.Task[None]] = []
        if settings.database_replica_url is not None:
            connector = Connector(settings.database_replica_url, setting=URL, command_timeout_s=COMMAND_TIMEOUT_S)
            self._replicas = [_Replica(connector, host, self._marks) for host in connector.address.hosts]

    @property
    def are_set(self) -> bool:
        """Whether there is any in the settings."""
        return bool(self._replicas)

    @property
    def max_age_s(self) -> float:
        """How old their rows may be."""
        return self._marks.max_age_s

    @property
    def fresh(self) -> int:
        """How many are read at the moment."""
        return sum(replica.is_fresh for replica in self._replicas)

    async def start(self) -> None:
        """Begin to watch them; the database is connected. Raises: WrongDatabase if one can never be read."""
        if not self._replicas:
            return
        try:
            await self._mark()
        except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError) as error:
            raise WrongDatabase(f"{URL}: the primary does not tell how far it is: {reason(error)}") from error
        except (DatabaseUnavailable, TimeoutError):
            # It is asked again.
            pass
        await asyncio.gather(*(replica.check() for replica in self._replicas))
        for replica in self._replicas:
            await replica.open()
        self._tasks = [
            asyncio.create_task(_repeat(work), name=f"watch {name}")
            for name, work in (("primary", self._mark), *((each.name, each.look) for each in self._replicas))
        ]

    async def stop(self) -> None:
        """Stop watching, and close all connections."""
        await cancel_and_wait(self._tasks)
        for replica in self._replicas:
            await replica.close()

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement that only reads, and return its rows."""

        def run(connection: Any) -> Awaitable[Sequence[Row]]:
            return self._database.fetch_on(_Borrowed(connection), sql, *args)

        for replica in random.sample(self._replicas, len(self._replicas)):
            if not replica.is_fresh:
                continue
            try:
                rows = await replica.read(run)
            except _FAILURES as error:
                _log.debug("a replica did not answer", host=replica.name, error=reason(error))
                continue
            if rows is not None:
                self._counters.replica_reads += 1
                return rows
        if self._replicas:
            self._counters.replica_fallbacks += 1
        return await self._database.fetch(sql, *args)

    async def _mark(self) -> None:
        asked_s = monotonic()
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            (row,) = await self._database.fetch_apart(OF_PRIMARY)
        self._marks.add(asked_s, row)


async def _repeat(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        # The primary is away, or a standby by now: there is no mark, and soon no replica is fresh.
        with suppress(*_FAILURES):
            await work()
        await asyncio.sleep(INTERVAL_S)


async def _leave_as_it_is(_: object) -> None:
    """Replaces asyncpg's reset, which costs a round trip."""
