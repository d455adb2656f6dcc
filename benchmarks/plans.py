"""What PostgreSQL reads for the statements of a use case."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import asyncpg
import orjson

from services.database.connections import Database

# The last run counts: the first may read from the disk, and compile its triggers.
RUNS = 2


@dataclass
class Cost:
    """What statements cost together. ``blocks`` of 8 KB, from memory or disk; ``rows`` that scans looked at."""

    statements: int = 0
    ms: float = 0.0
    blocks: int = 0
    rows: int = 0

    def __str__(self) -> str:
        return f"{self.ms:.1f} ms, {self.blocks:,} blocks, {self.rows:,} rows"


@asynccontextmanager
async def measured(database: Database) -> AsyncGenerator[Cost]:
    """What the statements of the block cost. Each is run and taken back before it is run for good."""
    own: Any = database
    cost, run = Cost(), own._run
    aside = await own._connector.connect()

    async def spy(connection: Any, sql: str, args: Sequence[object]) -> Any:
        raw = getattr(connection, "_connection", None)
        link = raw if isinstance(raw, asyncpg.Connection) or hasattr(raw, "fetchval") else aside
        await _add(cost, link, database.sql.spelled(sql), args)
        return await run(connection, sql, args)

    own._run = spy
    try:
        yield cost
    finally:
        del own._run
        await aside.close()


async def _add(cost: Cost, link: Any, sql: str, args: Sequence[object]) -> None:
    plan: dict[str, Any] = {}
    given = f"({', '.join(map(_literal, args))})" if args else ""
    for _ in range(RUNS):
        transaction = link.transaction()
        await transaction.start()
        try:
            # As the connections of the server do: they keep one plan, made without the arguments.
            await link.execute(f"PREPARE kept AS {sql}")
            text = await link.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE kept{given}")
            (plan,) = orjson.loads(text)
        finally:
            await transaction.rollback()
            await link.execute("DEALLOCATE kept")
    cost.statements += 1
    cost.ms += plan["Execution Time"]
    cost.blocks += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    cost.rows += round(sum(_looked_at(node) for node in _nodes(plan["Plan"]) if "Scan" in node["Node Type"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _looked_at(scan: dict[str, Any]) -> float:
    removed = scan.get("Rows Removed by Filter", 0) + scan.get("Rows Removed by Index Recheck", 0)
    return (scan["Actual Rows"] + removed) * scan["Actual Loops"]


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return "'" + _text(value).replace("'", "''") + "'"


def _text(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return "{" + ",".join('"' + _text(item).replace('"', '\\"') + '"' for item in value) + "}"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value.value if isinstance(value, Enum) else value)
