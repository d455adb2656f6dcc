"""Prevents two servers without a shared bus from using one database."""

import asyncio
import fcntl
import hashlib
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import asyncpg
import structlog

from services.database.connections import Database, WrongDatabase, connect_alone
from services.database.failures import translated
from services.database.postgres import DIRECT_URL
from services.database.settings import DatabaseSettings
from services.errors import DatabaseUnavailable
from services.runtime.tasks import cancel_and_wait

_log = structlog.stdlib.get_logger(__name__)

CLOSE_TIMEOUT_S = 5
WATCH_INTERVAL_S = 5.0
RETRY_INTERVAL_S = 1.0
ANSWER_TIMEOUT_S = 5.0
_LOCK_KEY = int.from_bytes(hashlib.sha256(b"taxirank server").digest()[:8], "big", signed=True)
# PostgreSQL ends a session whose machine is gone after 30 s instead of two hours, and so releases its lock.
_KEEP_ALIVES = {"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
_HOLDS_LOCK = (
    "locktype = 'advisory' AND objsubid = 1 AND (classid::bigint << 32) + objid::bigint = $1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND granted"
)


class AnotherServer(Exception):
    """Another server uses this database, and events would not reach one from the other."""

    def __init__(self) -> None:
        super().__init__(
            "another server uses this database: stop it, or set TAXIRANK_REDIS_URL for all of them, "
            "so that events travel between them"
        )


class InstanceLock:
    """A lock on the database for the lifetime of a server.

    On the in-process bus a server takes the lock exclusively; servers on Redis share it. The lock is on a file
    beside an SQLite database, and an advisory lock of a separate session on PostgreSQL.

    PostgreSQL loses the lock with the session: when it restarts, fails over, or the network breaks. While
    ``watch`` runs, it notices this within WATCH_INTERVAL_S and ANSWER_TIMEOUT_S and takes the lock again. If
    another server was faster, ``watch`` calls ``on_lost`` and sets ``is_lost``: this server must stop.
    """

    def __init__(self, settings: DatabaseSettings, *, on_lost: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._on_lost = on_lost
        self.is_lost = False
        self._shared = settings.redis_url is not None
        # The name of the session, which identifies an earlier session of this process.
        self._name = f"taxirank lock {uuid.uuid4().hex}"
        self._file: IO[bytes] | None = None
        self._connection: asyncpg.Connection | None = None
        self._gone = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Take the lock.

        Raises:
            AnotherServer
            WrongDatabase, DatabaseUnavailable
        """
        path = self._settings.sqlite_path
        if path is not None:
            self._lock_file(path.with_name(path.name + ".lock"))
        else:
            await self._lock_database()

    async def watch(self, database: Database) -> None:
        """Keep the lock from now on. ``database`` is the database that it protects.

        Raises:
            WrongDatabase: the direct address leads to another database.
        """
        if self._connection is None:
            return
        if self._settings.database_direct_url is not None:
            pid = self._connection.get_server_pid()
            if not await database.fetch(
                f"SELECT 1 FROM pg_locks WHERE {_HOLDS_LOCK} AND pid = $2", _LOCK_KEY, pid
            ):
                raise WrongDatabase(f"{DIRECT_URL}: it leads to another database than TAXIRANK_DATABASE_URL")
        self._watching = asyncio.create_task(self._watch(database))

    async def release(self) -> None:
        """Release the lock."""
        if self._watching is not None:
            await cancel_and_wait([self._watching])
        if self._file is not None:
            self._file.close()
        if self._connection is not None:
            # The lock goes with the connection, also when PostgreSQL does not receive the close message.
            try:
                with suppress(OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError):
                    await self._connection.close(timeout=CLOSE_TIMEOUT_S)
            finally:
                self._connection.terminate()

    def _lock_file(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise AnotherServer from None
        self._file = file

    async def _lock_database(self) -> None:
        options = {"application_name": self._name, **_KEEP_ALIVES}
        connection = await connect_alone(self._settings, options=options)
        kind = "_shared" if self._shared else ""
        try:
            with translated:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    # An earlier session of ours, dead but not yet noticed by PostgreSQL, may hold the lock.
                    await connection.execute(_END_SESSIONS, _LOCK_KEY, self._name)
                    if not await connection.fetchval(f"SELECT pg_try_advisory_lock{kind}($1)", _LOCK_KEY):
                        raise AnotherServer
        except BaseException:
            connection.terminate()
            raise
        self._gone.clear()
        connection.add_termination_listener(self._end_of_session)
        self._connection = connection

    def _end_of_session(self, _: object) -> None:
        self._gone.set()

    async def _watch(self, database: Database) -> None:
        while True:
            try:
                await self._lost(database)
                _log.warning("the database has lost this server's lock")
                await self._lock_again()
                _log.info("this server holds the lock again")
            except AnotherServer as error:
                _log.error("this server stops", error=str(error))
                self.is_lost = True
                self._on_lost()
                return
            except Exception:
                # Any error: without this task a second server would go unnoticed.
                _log.exception("watching the lock failed")
                await asyncio.sleep(RETRY_INTERVAL_S)

    async def _lost(self, database: Database) -> None:
        """Return when the session that holds the lock has ended, does not answer, or is at a former primary."""
        connection = self._connection
        assert connection is not None
        while not self._gone.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_INTERVAL_S):
                    await self._gone.wait()
                    break
            try:
                with translated:
                    # A machine that crashed never closes its connection.
                    await connection.execute("SELECT 1", timeout=ANSWER_TIMEOUT_S)
                    if await database.is_former(connection):
                        break
            except DatabaseUnavailable:
                break
        self._connection = None
        connection.terminate()

    async def _lock_again(self) -> None:
        while True:
            try:
                await self._lock_database()
                return
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_INTERVAL_S)


_END_SESSIONS = f"""
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
    WHERE application_name = $2 AND pid <> pg_backend_pid()
    AND pid IN (SELECT pid FROM pg_locks WHERE {_HOLDS_LOCK})
"""
