"""Reads the standing of drivers: many in one statement."""

from collections.abc import Sequence
from uuid import UUID

from models.standing import Standing
from models.trip_life import DRIVING
from models.values import Approval, vehicle_from_json
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.runtime.data_loader import DataLoader
from services.trips.conditions import has_status


class Standings:
    """The standing of drivers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standings = DataLoader(self._find, gathers=True)

    async def of(self, driver_id: UUID) -> Standing:
        """A driver's standing, by a read that begins after this call. Concurrent calls share one statement.

        Raises:
            LookupError: there is no such user.
        """
        standing = await self._standings.get(driver_id)
        if standing is None:
            raise LookupError(f"there is no user {driver_id}")
        return standing

    async def _find(self, driver_ids: Sequence[UUID]) -> dict[UUID, Standing]:
        rows = await self._database.fetch(
            "SELECT clock.begun, clock.as_of, u.id, u.on_duty, u.approval, u.approval_reason, u.vehicle, "
            "t.id AS trip_id FROM (SELECT {begun} AS begun, {now} AS as_of) clock "
            f"CROSS JOIN {self._database.sql.ids(1)} asked JOIN users u ON u.id = asked.id "
            f"LEFT JOIN trips t ON t.driver_id = u.id AND {has_status(DRIVING, 't')}",
            list(driver_ids),
        )
        if not rows:
            return {}
        # One reading of the clock, so that those who asked together know that they did.
        begun, as_of = moment(rows[0]["begun"]), moment(rows[0]["as_of"])
        return {
            uuid(row["id"]): Standing(
                on_duty=bool(row["on_duty"]),
                approval=Approval(row["approval"]),
                approval_reason=row["approval_reason"],
                vehicle=vehicle_from_json(row["vehicle"]),
                trip_id=uuid(row["trip_id"]) if row["trip_id"] is not None else None,
                begun=begun,
                as_of=as_of,
            )
            for row in rows
        }
