"""A database that traces the statements of what is traced."""

import functools
import re
from collections.abc import Sequence
from typing import Any

from services.database.connections import Database
from services.database.dialects import Row
from services.database.settings import DatabaseSettings
from services.tracing.tracing import SpanKind, Tracing

# What a statement does first of all, even if it begins with look-ups.
_WRITE = re.compile(r"\b(INSERT) INTO (\w+)|\b(DELETE) FROM (\w+)|\b(UPDATE) (\w+)(?: \w+)? SET\b")
_READ = re.compile(r"\b(SELECT)\b.*?\bFROM (\w+)", re.DOTALL)


class TracedDatabase(Database):
    """Gives each statement within a span a span of its own.

    The span has the statement without its arguments, which may be personal.
    """

    def __init__(self, settings: DatabaseSettings, tracing: Tracing) -> None:
        super().__init__(settings)
        self._tracing = tracing
        self._about = {"db.system.name": "sqlite" if self.is_sqlite else "postgresql"}
        if self._connector is not None:
            self._about["db.namespace"] = self._connector.address.database

    async def _run(self, connection: Any, sql: str, args: Sequence[object]) -> Sequence[Row]:
        if self._tracing.here() is None:
            return await super()._run(connection, sql, args)
        summary = summary_of(sql)
        about = {**self._about, "db.query.summary": summary, "db.query.text": self.sql.spelled(sql)}
        with self._tracing.span(summary, kind=SpanKind.CLIENT, attributes=about):
            return await super()._run(connection, sql, args)


@functools.lru_cache(maxsize=256)
def summary_of(sql: str) -> str:
    """What a statement does, such as ``INSERT trips``."""
    found = _WRITE.search(sql) or _READ.search(sql)
    return " ".join(part for part in found.groups() if part) if found else sql.split(maxsplit=1)[0].upper()
