"""Connections that ask for PostgreSQL's own types once in a process, not each for itself."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import asyncpg

# Lower ids are given by hand in PostgreSQL's source, and mean the same type in every version and database.
# Source: https://www.postgresql.org/docs/current/system-catalog-initial-data.html
_FIRST_OTHER_ID = 10_000

# What asyncpg was told of the types with these ids.
_known: dict[frozenset[int], Any] = {}

# asyncpg asks whether its question had a name of its own, because one without a name replaces another.
_NOT_ASKED = SimpleNamespace(name="not asked")


class Connection(asyncpg.Connection):
    """A connection of asyncpg.

    asyncpg asks for each array type that a statement uses, such as ``uuid[]``, on each connection. That costs
    PostgreSQL more than a hundred ordinary statements, for every connection of a pool and after every failover.
    """

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> Any:  # noqa: ASYNC109
        """Part of asyncpg: what PostgreSQL knows of these types, and the statement that asked for it."""
        ids = frozenset(typeoids)
        if ids in _known:
            return _known[ids], _NOT_ASKED
        types, statement = await super()._introspect_types(ids, timeout)  # pyright: ignore
        if max(ids) < _FIRST_OTHER_ID:
            _known[ids] = types
        return types, statement
