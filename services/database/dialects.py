"""The differences between PostgreSQL and SQLite: SQL, and the values of columns."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

import orjson

Row = Mapping[str, Any]

_PARAMETER = re.compile(r"\$(\d+)")
# Microseconds are always written, so that times compare as text.
_SQLITE_TIME = "%Y-%m-%d %H:%M:%f000+00:00"


class Dialect(Protocol):
    """The SQL of one database. Use cases ask for a piece of SQL, not for the database."""

    @property
    def writes_with_reads(self) -> bool:
        """Whether one statement can write several tables and read them: then it is a complete transaction."""
        ...

    @property
    def writes_one_by_one(self) -> bool:
        """Whether writing transactions run one after the other: then no locks are needed."""
        ...

    def among(self, column: str, parameter: int) -> str:
        """SQL for "the column's value is in the list of the parameter with this number"."""
        ...

    def ids(self, parameter: int) -> str:
        """SQL for a table of the ids in the list of the parameter with this number, in its column ``id``."""
        ...

    def lists(self, types: Mapping[str, str]) -> str:
        """SQL for a table whose columns are lists of equal length: the parameters from the first on.

        ``types``: the columns in order, and their types in PostgreSQL.
        """
        ...

    def ago(self, seconds: int) -> str:
        """SQL for the database's clock, this many seconds ago (ahead, if negative)."""
        ...

    def epoch_s(self, column: str) -> str:
        """SQL for the column's time as seconds since 1970, a float."""
        ...

    def is_true(self, column: str) -> str:
        """SQL for "the column, a boolean, is true"."""
        ...

    def locked(self, how: str) -> str:
        """The end of a SELECT that locks its rows, such as ``KEY SHARE OF u``; empty if no lock is needed."""
        ...

    def contains(self, column: str, pattern: str) -> str:
        """SQL for "the column matches the LIKE pattern, ignoring case" (on SQLite only of ASCII letters)."""
        ...

    def between(self, column: str, lower: str, upper: str) -> str:
        """SQL for "the column, a text, is between the two by its bytes", as in an index."""
        ...

    def spelled(self, sql: str) -> str:
        """A statement with ``$1``, ``{now}`` and ``{begun}``, in the database's own spelling."""
        ...


class PostgresDialect:
    """PostgreSQL."""

    writes_with_reads = True
    writes_one_by_one = False

    def among(self, column: str, parameter: int) -> str:
        return f"{column} = ANY(${parameter})"

    def ids(self, parameter: int) -> str:
        return f"(SELECT unnest(${parameter}::uuid[]) AS id)"

    def lists(self, types: Mapping[str, str]) -> str:
        # As subqueries, so that no plan depends on their lengths: then PostgreSQL keeps the plan.
        lists = ", ".join(f"(SELECT ${n}::{type_}[])" for n, type_ in enumerate(types.values(), 1))
        return f"(SELECT * FROM unnest({lists}) AS lists ({', '.join(types)}))"

    def ago(self, seconds: int) -> str:
        return f"now() - interval '{seconds:d} seconds'"

    def epoch_s(self, column: str) -> str:
        return f"extract(epoch FROM {column})::float8"

    def is_true(self, column: str) -> str:
        return column

    def locked(self, how: str) -> str:
        return f" FOR {how}"

    def contains(self, column: str, pattern: str) -> str:
        return f"{column} ILIKE {pattern} ESCAPE '\\'"

    def between(self, column: str, lower: str, upper: str) -> str:
        return f"{column} ~>=~ {lower} AND {column} ~<=~ {upper}"

    def spelled(self, sql: str) -> str:
        return _for_postgres(sql)


class SqliteDialect:
    """SQLite."""

    writes_with_reads = False
    writes_one_by_one = True

    def among(self, column: str, parameter: int) -> str:
        return f"{column} IN (SELECT value FROM json_each(${parameter}))"

    def ids(self, parameter: int) -> str:
        return f"(SELECT value AS id FROM json_each(${parameter}))"

    def lists(self, types: Mapping[str, str]) -> str:
        columns = ", ".join(f"list{n}.value AS {column}" for n, column in enumerate(types, 1))
        rest = "".join(
            f" JOIN json_each(${n}) list{n} ON list{n}.key = list1.key" for n in range(2, len(types) + 1)
        )
        return f"(SELECT {columns} FROM json_each($1) list1{rest})"

    def ago(self, seconds: int) -> str:
        return f"strftime('{_SQLITE_TIME}', 'now', '{-seconds:+d} seconds')"

    def epoch_s(self, column: str) -> str:
        # A Julian day as a float is right to within 40 microseconds.
        return f"((julianday({column}) - 2440587.5) * 86400.0)"

    def is_true(self, column: str) -> str:
        return f"{column} = 1"

    def locked(self, how: str) -> str:
        return ""

    def contains(self, column: str, pattern: str) -> str:
        return f"{column} LIKE {pattern} ESCAPE '\\'"

    def between(self, column: str, lower: str, upper: str) -> str:
        return f"{column} >= {lower} AND {column} <= {upper}"

    def spelled(self, sql: str) -> str:
        return _for_sqlite(sql)


@lru_cache(maxsize=512)
def _for_postgres(sql: str) -> str:
    return sql.replace("{now}", "clock_timestamp()").replace("{begun}", "now()")


@lru_cache(maxsize=512)
def _for_sqlite(sql: str) -> str:
    now = f"strftime('{_SQLITE_TIME}', 'now')"
    sql = sql.replace("{now}", now).replace("{begun}", now)
    return _PARAMETER.sub(r"?\1", sql)


def sqlite_value(value: object) -> object:
    """A parameter in the form that SQLite stores."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ", "microseconds")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        # orjson asks about times alone, which it would write differently.
        return orjson.dumps(value, default=sqlite_value, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()
    return value.value if isinstance(value, Enum) else value


def moment(value: Any) -> datetime:
    """A column with a time, as an aware datetime in UTC."""
    if isinstance(value, datetime):
        return value
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def uuid(value: Any) -> UUID:
    """A column with an id: asyncpg returns its own class of UUID, SQLite a text."""
    return value if isinstance(value, UUID) else UUID(value)
