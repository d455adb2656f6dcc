"""Transactions of Tortoise's connections."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper
from tortoise.connection import ConnectionHandler

from services.database.failures import UNAVAILABLE
from services.database.loans import Lender


@asynccontextmanager
async def begun(
    connections: ConnectionHandler, name: str, lender: Lender | None
) -> AsyncGenerator[BaseDBAsyncClient]:
    """A transaction that always releases its connection. ``lender``: who gives it; None: Tortoise.

    Tortoise's own ``in_transaction`` keeps SQLite's lock, or the pool's connection, when BEGIN fails or is
    cancelled; then every later query waits for ever.
    """
    client: Any = connections.get(name)
    async with (lender or client).acquire_connection() as connection:
        is_sqlite = isinstance(client, SqliteClient)
        transaction = SqliteTransactionWrapper(client) if is_sqlite else TransactionWrapper(client)
        transaction._connection = connection  # pyright: ignore[reportPrivateUsage]
        token = connections.set(name, transaction)
        try:
            await transaction.begin()
            yield transaction
        except BaseException:
            # Fails when it has not begun or the link is lost: then there is nothing to roll back.
            with suppress(*UNAVAILABLE):
                await transaction.rollback()
            raise
        else:
            await transaction.commit()
        finally:
            connections.reset(token)
