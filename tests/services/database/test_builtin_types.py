"""A connection costs PostgreSQL little: its types are asked for once in a process, its plans are made once."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from application.settings import Settings
from services.database import builtin_types
from services.database.connections import pool_connector

pytestmark = pytest.mark.parametrize("backend", ["production"], indirect=True)


@pytest.fixture
async def connections(settings: Settings) -> AsyncIterator[list[asyncpg.Connection]]:
    """Two connections as the pool opens them."""
    connector = pool_connector(settings)
    opened = [await connector.connect() for _ in range(2)]
    yield opened
    for connection in opened:
        await connection.close()


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[frozenset[int]]:
    """The types that PostgreSQL was asked for, in a process that knows none."""
    asked: list[frozenset[int]] = []
    ask = asyncpg.Connection._introspect_types

    async def count(self: asyncpg.Connection, types: Any, *rest: Any) -> Any:
        asked.append(frozenset(types))
        return await ask(self, types, *rest)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", count)
    monkeypatch.setattr(builtin_types, "_known", {})
    return asked


async def test_postgresql_is_asked_for_its_own_types_once(
    connections: list[asyncpg.Connection], questions: list[frozenset[int]]
) -> None:
    ids = [uuid4(), uuid4()]
    for connection in connections:
        assert await connection.fetchval("SELECT $1::uuid[]", ids) == ids
        # A statement without a name has to be there still when the types are known.
        assert await connection.fetchval("SELECT $1::uuid[]" + " " * 20_000, ids) == ids
    assert len(questions) == 1


async def test_a_type_that_somebody_made_is_asked_for_on_each_connection(
    connections: list[asyncpg.Connection], questions: list[frozenset[int]]
) -> None:
    # Made anew, it has another id, and an id of another database means another type.
    await connections[0].execute("CREATE TYPE colour AS ENUM ('red', 'blue')")
    for connection in connections:
        assert await connection.fetchval("SELECT $1::colour[]", ["red"]) == ["red"]
    assert len(questions) == 2


async def test_a_statement_is_planned_once(connections: list[asyncpg.Connection]) -> None:
    connection = connections[0]
    statement = "SELECT id FROM sessions WHERE token_hash = ANY($1)"
    for _ in range(7):
        await connection.fetch(statement, ["a", "b"])
    # A plan without the arguments is made once, one with them each time.
    plans = await connection.fetchrow(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1", statement
    )
    assert dict(plans) == {"generic_plans": 7, "custom_plans": 0}
