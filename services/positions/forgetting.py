"""Forgets where drivers are who are off duty."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from models.trip_life import DRIVING
from services.database.connections import Database
from services.database.dialects import uuid
from services.positions.store import PositionStore
from services.runtime.data_loader import DataLoader
from services.trips.conditions import has_status


class Forgetting:
    """Deletes the positions of drivers who are off duty and have no active trip.

    Both changes that can lead there ask after their commit: the end of duty, and the end of a trip. So of the two
    at once, at least one finds both.
    """

    def __init__(self, database: Database, store: PositionStore, *, ttl_s: float) -> None:
        """``ttl_s``: how long any process may have stored a position."""
        self._database = database
        self._store = store
        self._ttl_s = ttl_s
        self._resting = DataLoader(self._find_resting)

    async def forget_if_off_duty(self, driver_id: UUID) -> None:
        """Delete the driver's position in all processes, if the driver is off duty and has no active trip."""
        if await self._resting.get(driver_id):
            await self._store.forget(driver_id, datetime.now(UTC), ttl_s=self._ttl_s)

    async def _find_resting(self, driver_ids: Sequence[UUID]) -> Mapping[UUID, bool]:
        rows = await self._database.fetch(
            f"SELECT u.id FROM users u WHERE {self._database.sql.among('u.id', 1)} "
            f"AND NOT ({self._database.sql.is_true('u.on_duty')}) AND NOT EXISTS "
            f"(SELECT 1 FROM trips t WHERE t.driver_id = u.id AND {has_status(DRIVING, 't')})",
            list(driver_ids),
        )
        return {uuid(row["id"]): True for row in rows}
