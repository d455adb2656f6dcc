"""Lists for staff, with search, filters, sorting and pages. The cost is bounded for tables of any size.

A list has a window: the newest ``MAX_ROWS`` rows of the requested period, found by an index. Filters and sorting
work within the window. Searches that have an index (an id, the beginning of a user name, active trips) cover the
whole table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar
from uuid import UUID

from services.accounts import usernames
from services.database.connections import Database, Source
from services.database.dialects import Row

T = TypeVar("T")

MAX_ROWS = 10_000
MAX_SEARCH_CHARS = 200
# Sorts after every character of a name.
_LAST = "\U0010ffff"


class Match(Enum):
    """How a column is compared with a value."""

    EQUAL = "="
    BEGINS = "begins"
    CONTAINS = "contains"
    NOT_CONTAINS = "does not contain"
    ONE_OF = "one of"
    NONE_OF = "none of"
    FROM = ">="
    UNTIL = "<="
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition."""

    column: str
    match: Match
    value: object = None


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that are joined by AND or OR. An empty group is always true."""

    parts: Sequence["Rule | Group"] = ()
    is_any: bool = False


class Query:
    """The parameters of a statement, and conditions that use them."""

    def __init__(self, database: Database) -> None:
        self.args: list[object] = []
        self._sql = database.sql

    def bind(self, value: object) -> str:
        """Add a parameter; returns its placeholder in the SQL."""
        # PostgreSQL refuses null characters. No stored text has one, so the replacement finds nothing either.
        self.args.append(value.replace("\x00", "\ufffd") if isinstance(value, str) else value)
        return f"${len(self.args)}"

    def like(self, column: str, before: str, text: str) -> str:
        """SQL: the column begins with the pattern ``before`` and the text. Ignores case (SQLite: only ASCII)."""
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return self._sql.contains(column, self.bind(f"{before}{escaped}%"))

    def with_plate(self, column: str, text: str) -> str:
        """SQL: the plate of the vehicle in the column, a ``VehicleValue`` as JSON, begins with the text."""
        return self.like(column, '%"license_plate":"', text)

    def named_like(self, text: str) -> str:
        """SQL: the user's name begins with the text; found by an index."""
        key = usernames.lookup_key(text)
        return self._sql.between("u.username_key", self.bind(key), self.bind(key + _LAST)) if key else "1 = 0"


@dataclass(frozen=True, slots=True)
class ListedTable(Generic[T]):
    """A table that can be listed, and its SQL.

    - ``columns`` maps the names that rules and orders may use to SQL.
    - ``time`` names the column that orders the window.
    - ``rows`` returns the SQL of the rows, given the SQL of the window.
    - ``newest`` returns the SQL of the window, given its conditions.
    - ``searched`` returns, for a search, selects that use an index, and a condition within the window or None.
    - ``narrowed`` returns a condition that follows from a rule and that an index supports.
    """

    columns: Mapping[str, str]
    time: str
    rows: Callable[[str], str]
    newest: Callable[[str], str]
    searched: Callable[[Query, str, UUID | None], tuple[Sequence[str], str | None]]
    make: Callable[[Row], T]
    narrowed: Callable[[Rule], str | None] = field(default=lambda _: None)


class StaffList(Generic[T]):
    """The rows of one table."""

    def __init__(self, database: Database, table: ListedTable[T]) -> None:
        self._database = database
        self._table = table

    async def page(
        self,
        *,
        search: str | None = None,
        where: Group = Group(),
        order: Sequence[tuple[str, bool]] = (),
        skip: int = 0,
        limit: int = MAX_ROWS,
        source: Source | None = None,
    ) -> Sequence[T]:
        """One page, ordered by (column, is descending); rows that compare equal come newest first.

        ``source``: where it is read, if not in the database itself.
        """
        query = Query(self._database)
        selected = self._selected(query, search, where)
        by = [f"{self._table.columns[name]} {'DESC' if descending else 'ASC'}" for name, descending in order]
        newest_first = [f"{self._table.columns[self._table.time]} DESC", f"{self._table.columns['id']} DESC"]
        rows = await (source or self._database).fetch(
            f"{selected} ORDER BY {', '.join(by + newest_first)} "
            f"LIMIT {query.bind(min(limit, MAX_ROWS))} OFFSET {query.bind(min(skip, MAX_ROWS))}",
            *query.args,
        )
        return [self._table.make(row) for row in rows]

    async def count(
        self, *, search: str | None = None, where: Group = Group(), source: Source | None = None
    ) -> int:
        """The number of rows in the window; ``source`` as of a page."""
        query = Query(self._database)
        selected = self._selected(query, search, where)
        rows = await (source or self._database).fetch(
            f"SELECT count(*) AS count FROM ({selected}) counted", *query.args
        )
        return rows[0]["count"]

    async def find(self, ids: Sequence[UUID | int]) -> Sequence[T]:
        """The rows with these ids, searched in the whole table; ids without a row are left out."""
        query = Query(self._database)
        ids_of = f"({', '.join(query.bind(each) for each in ids[:MAX_ROWS])})"
        if not ids:
            return []
        window = self._table.newest(f"{self._table.columns['id'].replace('w.', 't.')} IN {ids_of}")
        rows = await self._database.fetch(self._table.rows(window), *query.args)
        return [self._table.make(row) for row in rows]

    def _selected(self, query: Query, search: str | None, where: Group) -> str:
        newest = self._table.newest(" AND ".join(self._indexed(query, where)) or "1 = 1")
        window, within = newest, [self._condition(query, where)]
        if search is not None and (search := search.strip()[:MAX_SEARCH_CHARS]):
            by_index, condition = self._table.searched(query, search, _uuid(search))
            selects = list(by_index)
            if condition is not None:
                selects.append(f"SELECT * FROM ({newest}) w WHERE {condition}")
            window = " UNION ".join(f"SELECT * FROM ({select}) s{i}" for i, select in enumerate(selects))
        return f"{self._table.rows(window)} WHERE {' AND '.join(within)}"

    def _indexed(self, query: Query, where: Group) -> list[str]:
        """The conditions that narrow the window: they apply to every row, and an index supports them."""
        rules = [part for part in where.parts if isinstance(part, Rule)] if not where.is_any else []
        time = self._table.columns[self._table.time].replace("w.", "t.")
        periods = [
            f"{time} {rule.match.value} {query.bind(rule.value)}"
            for rule in rules
            if rule.column == self._table.time and rule.match in (Match.FROM, Match.UNTIL)
        ]
        return periods + [sql for rule in rules if (sql := self._table.narrowed(rule)) is not None]

    def _condition(self, query: Query, part: Rule | Group) -> str:
        if isinstance(part, Rule):
            return self._rule(query, part)
        conditions = [self._condition(query, each) for each in part.parts]
        return f"({(' OR ' if part.is_any else ' AND ').join(conditions)})" if conditions else "1 = 1"

    def _rule(self, query: Query, rule: Rule) -> str:
        column = self._table.columns[rule.column]
        match rule.match:
            case Match.EQUAL | Match.FROM | Match.UNTIL:
                return f"{column} {rule.match.value} {query.bind(rule.value)}"
            case Match.IS_NULL | Match.IS_NOT_NULL:
                return f"{column} {rule.match.value}"
            case Match.BEGINS:
                return query.like(column, "", str(rule.value))
            case Match.CONTAINS:
                return query.like(column, "%", str(rule.value))
            case Match.NOT_CONTAINS:
                return f"({column} IS NULL OR NOT {query.like(column, '%', str(rule.value))})"
            case Match.ONE_OF | Match.NONE_OF:
                values = rule.value if isinstance(rule.value, list | tuple) else [rule.value]
                listed = ", ".join(query.bind(value) for value in values)
                return f"{column} {'NOT ' if rule.match is Match.NONE_OF else ''}IN ({listed})"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
