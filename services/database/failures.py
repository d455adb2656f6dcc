"""Translates the drivers' exceptions: a conflict, or an unavailable database."""

import sqlite3
from typing import Any

import asyncpg
from tortoise.exceptions import DBConnectionError, IntegrityError, OperationalError

from services.database.postgres import FORGETS_STATEMENTS, reason
from services.errors import DatabaseUnavailable


class Conflict(Exception):
    """A constraint of the database refused a write. ``detail`` names it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


# What the drivers raise when the server is unreachable, disconnects during a statement, or lacks resources.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # The connection broke between two statements.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    # The server is starting or stopping, or an administrator ended this session.
    asyncpg.OperatorInterventionError,
    # Too many connections, a full disk, or an unreadable one.
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    # Time limits of the database or of the role.
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A deadlock: one of the two transactions must be tried again.
    asyncpg.TransactionRollbackError,
    # A migration changed a column under a prepared statement, which asyncpg has forgotten by now.
    asyncpg.InvalidCachedStatementError,
    # A primary that was made read-only, or a standby that took its place behind one address.
    asyncpg.ReadOnlySQLTransactionError,
    DBConnectionError,
)


class _Translated:
    """Translates exceptions of the drivers into Conflict and DatabaseUnavailable; others pass unchanged."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, IntegrityError | asyncpg.IntegrityConstraintViolationError):
            cause: Any = error.args[0] if isinstance(error, IntegrityError) else error
            if isinstance(cause, asyncpg.PostgresError):
                # The detail shows the whole row, perhaps with a password hash: keep it out of the log.
                vars(cause)["detail"] = None
            raise Conflict(str(error)) from error
        if isinstance(error, asyncpg.DuplicatePreparedStatementError | asyncpg.InvalidSQLStatementNameError):
            raise DatabaseUnavailable(FORGETS_STATEMENTS) from error
        cause = error.args[0] if isinstance(error, OperationalError) and error.args else error
        if isinstance(error, UNAVAILABLE) or isinstance(cause, UNAVAILABLE):
            raise DatabaseUnavailable(reason(cause)) from error
        # The code tells a locked, full or missing file from a wrong statement.
        if isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise DatabaseUnavailable(str(error)) from error


translated = _Translated()
