"""Runs a migration on PostgreSQL so that nobody waits long for a table."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import ModuleType

import asyncpg
import structlog
from aerich.coder import encoder
from aerich.utils import decompress_dict

from services.database.connections import APP
from services.database.migration_sql import bare, index_made, lets_others_pass, split
from services.runtime.tasks import cancel_and_wait

_log = structlog.stdlib.get_logger(__name__)

# While a statement waits for a table, others wait behind it. With the statement itself, which only changes the
# catalogue, this stays below half a second.
LOCK_WAIT_S = 0.2
# Between two attempts others have the table.
PAUSE_S = 1.0
GIVE_UP_S = 300.0
# How often the log says what a migration waits for, or does.
TOLD_EVERY_S = 10.0


class TableInUse(Exception):
    """A statement did not get its lock within GIVE_UP_S. The text is one line that says what to do."""


class MigrationRun:
    """Runs migrations on one connection.

    A migration with ``RUN_IN_TRANSACTION = False`` runs statement by statement, each committed by itself. If it
    was killed, it begins again with its first statement, so all of them can be repeated. Any other migration is
    one transaction, which waits LOCK_WAIT_S for all its locks together.

    A statement that does not get its lock in time lets the others pass, and tries again.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._name = ""
        # What it does at the moment.
        self._statement = ""

    async def run(self, name: str, migration: ModuleType) -> None:
        """Run one migration, and record that the database has it.

        Raises:
            TableInUse
            asyncpg.PostgresError, OSError: a statement failed.
        """
        self._name = name
        statements = split(await migration.upgrade(None))
        content = encoder(decompress_dict(migration.MODELS_STATE))
        if migration.RUN_IN_TRANSACTION:
            await self._with_patience(lambda: self._all(statements, content))
            return
        for statement in statements:
            await self._with_patience(lambda statement=statement: self._one(statement))
        await self._record(content)

    async def _record(self, content: str) -> None:
        await self._connection.execute(
            "INSERT INTO aerich (version, app, content) VALUES ($1, $2, $3)", self._name, APP, content
        )

    async def _all(self, statements: list[str], content: str) -> None:
        deadline_s: float | None = None
        async with self._connection.transaction():
            for statement in statements:
                left_s = LOCK_WAIT_S if deadline_s is None else deadline_s - time.monotonic()
                await self._execute(statement, lock_wait_s=max(left_s, 0.001))
                deadline_s = deadline_s or time.monotonic() + LOCK_WAIT_S
            await self._record(content)

    async def _one(self, statement: str) -> None:
        index = index_made(statement)
        if index is not None and await self._connection.fetchval(_IS_INVALID, index):
            _log.warning("an index was left unfinished: it is made again", migration=self._name, index=index)
            await self._execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{index}"', lock_wait_s=0)
        await self._execute(statement, lock_wait_s=0 if lets_others_pass(statement) else LOCK_WAIT_S)

    async def _execute(self, statement: str, *, lock_wait_s: float) -> None:
        self._statement = bare(statement)[:100]
        await self._connection.execute(f"SET lock_timeout = {round(lock_wait_s * 1000)}")
        async with _told(self._name, self._statement):
            await self._connection.execute(statement)

    async def _with_patience(self, work: Callable[[], Awaitable[None]]) -> None:
        began_s = time.monotonic()
        told_s = -TOLD_EVERY_S
        while True:
            try:
                await work()
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                waited_s = time.monotonic() - began_s
                if waited_s > GIVE_UP_S:
                    raise TableInUse(
                        f"the migration {self._name} was not applied: {error} after {waited_s:.0f} s, at "
                        f"{self._statement}. Something uses its table all the time: see pg_stat_activity for long "
                        "transactions, then run `server.py migrate` again"
                    ) from error
                if waited_s >= told_s + TOLD_EVERY_S:
                    told_s = waited_s
                    await self._tell(waited_s)
            else:
                return
            # Not in step with what others do again and again.
            await asyncio.sleep(PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret

    async def _tell(self, waited_s: float) -> None:
        longest = await self._connection.fetchrow(_LONGEST_TRANSACTION)
        _log.warning(
            "a migration waits until its table is free",
            migration=self._name,
            statement=self._statement,
            waited_s=round(waited_s, 1),
            **({"longest_transaction": dict(longest)} if longest is not None else {}),
        )


@asynccontextmanager
async def _told(name: str, statement: str) -> AsyncGenerator[None]:
    """Log every TOLD_EVERY_S that a statement is still running."""

    async def tell() -> None:
        began_s = time.monotonic()
        while True:
            await asyncio.sleep(TOLD_EVERY_S)
            took_s = round(time.monotonic() - began_s)
            _log.info("a migration is at work", migration=name, statement=statement, took_s=took_s)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        await cancel_and_wait([telling])


# An index that was interrupted, or found duplicates, stays: it slows writes down and is never read.
_IS_INVALID = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident($1))"
_LONGEST_TRANSACTION = """
    SELECT pid, application_name AS program, state, extract(epoch FROM now() - xact_start)::int AS age_s
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    ORDER BY xact_start LIMIT 1
"""
