"""SQLite's rows as mappings."""

from collections.abc import Sequence

from services.database.dialects import Row
from services.runtime.pieces import Pieces

ROWS_AT_ONCE = 500


async def as_mappings(rows: Sequence[Row]) -> list[Row]:
    """SQLite's rows as mappings, some in each iteration of the event loop: there may be thousands."""
    if len(rows) <= ROWS_AT_ONCE:
        return list(map(dict, rows))
    found: list[Row] = []
    async for some in Pieces(rows, ROWS_AT_ONCE):
        found += map(dict, some)
    return found
