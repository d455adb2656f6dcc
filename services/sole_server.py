"""Keeps servers that cannot hear one another off the same database."""

import fcntl
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import IO

import asyncpg

from services.config import Settings
from services.database import connect_alone

FAREWELL_TIMEOUT_S = 5
_LOCK_KEY = int.from_bytes(hashlib.sha256(b"taxirank server").digest()[:8], "big", signed=True)


class AnotherServer(Exception):
    """Another server is at work on this database, and events would not travel between the two."""

    def __init__(self) -> None:
        super().__init__(
            "another server uses this database: stop it, or set TAXIRANK_REDIS_URL for all of them, "
            "so that events travel between them"
        )


class SoleServer:
    """A lock on the database for as long as a server runs.

    On the in-process bus a server wants the database for itself; servers on Redis share it. The lock is a file
    beside an SQLite database, and an advisory lock of a connection of its own on PostgreSQL.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._shared = settings.redis_url is not None
        self._file: IO[bytes] | None = None
        self._connection: asyncpg.Connection | None = None

    async def acquire(self) -> None:
        """Take the lock. Raises: AnotherServer."""
        path = self._settings.sqlite_path
        if path is not None:
            self._lock_file(path.with_name(path.name + ".lock"))
        else:
            await self._lock_database()

    async def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
        if self._connection is not None:
            # The lock goes with the connection, also when PostgreSQL is gone and does not hear the farewell.
            with suppress(OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError):
                await self._connection.close(timeout=FAREWELL_TIMEOUT_S)

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
        connection = await connect_alone(self._settings)
        kind = "_shared" if self._shared else ""
        try:
            if not await connection.fetchval(f"SELECT pg_try_advisory_lock{kind}($1)", _LOCK_KEY):
                raise AnotherServer
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
