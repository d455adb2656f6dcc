"""Removes trips that ended long ago."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from models.trip_life import ENDED
from services.database.connections import Database
from services.database.dialects import uuid
from services.runtime.counters import Counters
from services.trips.conditions import has_status

_log = structlog.stdlib.get_logger(__name__)

DAY_S = 24 * 3600
RETENTION_INTERVAL_S = 3600.0
# The number of trips in one transaction: it holds their locks for some ten milliseconds.
REMOVED_AT_ONCE = 200

# The time is as the database gave it: SQLite compares texts.
_Place = tuple[Any, UUID]
BEFORE_ALL: _Place = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))


class TripRetention:
    """Removes trips that were requested, and have not changed, for a number of days.

    Their history, ratings and comments go with them. The averages of users stay, and so do the entries of the
    audit trail, which then name no trip. A trip under way is never removed.
    """

    def __init__(self, database: Database, counters: Counters, *, days: int | None) -> None:
        """``days``: None keeps all trips."""
        self._database = database
        self._counters = counters
        self._days = days

    async def remove_old(self) -> None:
        """Remove all that are due, a few at a time. Several processes may do so at the same time."""
        if self._days is None:
            return
        removed, last = 0, BEFORE_ALL
        while last is not None:
            some, last = await self._remove_some(self._days * DAY_S, last)
            removed += some
            self._counters.removed_trips += some
        if removed:
            _log.info("removed old trips", trips=removed, days=self._days)

    async def _remove_some(self, age_s: int, last: _Place) -> tuple[int, _Place | None]:
        """Remove some after the place of the last one, the oldest first. How many, and the place to go on from."""
        database = self._database
        async with database.transaction() as transaction:
            # `created` has an index, and most trips end soon after it. Without the last place, each statement
            # would read all that were removed before: a dump keeps them for as long as it runs.
            rows = await transaction.fetch(
                f"SELECT id, created FROM trips WHERE created < {database.sql.ago(age_s)} "
                f"AND updated < {database.sql.ago(age_s)} AND {has_status(ENDED)} AND (created, id) > ($1, $2) "
                f"ORDER BY created, id LIMIT {REMOVED_AT_ONCE}{database.sql.locked('UPDATE SKIP LOCKED')}",
                *last,
            )
            ids = [uuid(row["id"]) for row in rows]
            if ids:
                await transaction.fetch(
                    f"UPDATE staff_actions SET trip_id = NULL WHERE {database.sql.among('trip_id', 1)}", ids
                )
                await transaction.fetch(f"DELETE FROM trips WHERE {database.sql.among('id', 1)}", ids)
        return len(ids), (rows[-1]["created"], ids[-1]) if ids else None
