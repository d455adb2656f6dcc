"""Forgets where drivers are who are off duty."""

from datetime import UTC, datetime
from uuid import UUID

from models.standing import Availability
from services.drivers.standings import Standings
from services.positions.store import PositionStore


class Forgetting:
    """Deletes the positions of drivers who are off duty and have no active trip.

    Both changes that can lead there ask after their commit: the end of duty, and the end of a trip. So of the two
    at once, at least one finds both.
    """

    def __init__(self, standings: Standings, store: PositionStore, *, ttl_s: float) -> None:
        """``ttl_s``: how long any process may have stored a position."""
        self._standings = standings
        self._store = store
        self._ttl_s = ttl_s

    async def forget_if_off_duty(self, driver_id: UUID) -> None:
        """Delete the driver's position in all processes, if the driver is off duty and has no active trip."""
        standing = await self._standings.of(driver_id)
        if standing.availability is Availability.OFF_DUTY:
            await self._store.forget(driver_id, datetime.now(UTC), ttl_s=self._ttl_s)
