"""A trip's history: who changed what, when. Written with each change, in its transaction."""

from collections.abc import Sequence
from uuid import UUID

from models.trip_life import CancelCode, ChangedBy, TripStatus
from models.values import TripChangeValue
from services.accounts.users import user_in
from services.database.connections import Database
from services.database.dialects import Row, moment, uuid
from services.runtime.data_loader import DataLoader


def change_sql(
    changed: str,
    *,
    changed_by: str,
    user: str,
    is_arrival: str = "FALSE",
    cancel_code: str = "NULL",
    reason: str = "NULL",
) -> str:
    """SQL that adds the new state of every trip in ``changed`` to its history.

    All others are SQL values; no user: the system.
    """
    return (
        "INSERT INTO trip_changes "
        "(trip_id, version, status, at, changed_by, user_id, is_arrival, cancel_code, reason) "
        f"SELECT id, version, status, updated, {changed_by}, {user}, {is_arrival}, {cancel_code}, {reason} "
        f"FROM {changed}"
    )


class TripHistory:
    """Reads the histories of trips."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._histories = DataLoader(self._find)

    async def of(self, trip_id: UUID) -> Sequence[TripChangeValue]:
        """The changes of a trip, oldest first. The caller must have checked the right to see them. Concurrent
        calls share one statement.
        """
        return await self._histories.get(trip_id) or ()

    async def _find(self, trip_ids: Sequence[UUID]) -> dict[UUID, list[TripChangeValue]]:
        return await _of_trips(self._database, trip_ids)


async def _of_trips(database: Database, trip_ids: Sequence[UUID]) -> dict[UUID, list[TripChangeValue]]:
    found: dict[UUID, list[TripChangeValue]] = {trip_id: [] for trip_id in trip_ids}
    rows = await database.fetch(
        "SELECT c.trip_id, c.version, c.status, c.at, c.changed_by, c.user_id, "
        "c.is_arrival, c.cancel_code, c.reason, "
        "u.username, u.first_name, u.last_name, u.role, u.photo "
        "FROM trip_changes c LEFT JOIN users u ON u.id = c.user_id "
        f"WHERE {database.sql.among('c.trip_id', 1)} ORDER BY c.trip_id, c.version",
        list(found),
    )
    for row in rows:
        found[uuid(row["trip_id"])].append(_change(row))
    return found


def _change(row: Row) -> TripChangeValue:
    return TripChangeValue(
        version=row["version"],
        status=TripStatus(row["status"]),
        at=moment(row["at"]),
        changed_by=ChangedBy(row["changed_by"]),
        user=user_in(row, row["user_id"]) if row["user_id"] is not None else None,
        is_arrival=bool(row["is_arrival"]),
        cancel_code=CancelCode(row["cancel_code"]) if row["cancel_code"] is not None else None,
        reason=row["reason"],
    )
