"""Forgets where drivers are who may not take trips."""

from datetime import UTC, datetime
from uuid import UUID

from models.standing import DriverRules
from services.drivers.standings import Standings
from services.positions.store import PositionStore


class Forgetting:
    """Deletes the positions of drivers who may not take trips and have no active trip.

    Both changes that can lead there ask after their commit: the one after which the driver may not take trips, and
    the end of a trip. So of the two at once, at least one finds both.
    """

    def __init__(self, standings: Standings, store: PositionStore, *, rules: DriverRules, ttl_s: float) -> None:
        """``ttl_s``: how long any process may have stored a position."""
        self._standings = standings
        self._store = store
        self._rules = rules
        self._ttl_s = ttl_s

    async def forget_if_idle(self, driver_id: UUID) -> None:
        """Delete the driver's position in all processes, if the driver may take no trips and has none."""
        standing = await self._standings.of(driver_id)
        if standing.trip_id is None and self._rules.obstacle_of(standing) is not None:
            await self._store.forget(driver_id, datetime.now(UTC), ttl_s=self._ttl_s)
