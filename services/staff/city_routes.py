"""The drives of one trip, as the page of the city draws them."""

from dataclasses import dataclass
from uuid import UUID

from models.trip_life import has_ended, is_on_the_way
from services.database.connections import Database
from services.positions.freshness import Freshness
from services.positions.reporting import Positions
from services.positions.routing import Drive
from services.positions.trip_drives import TripDrives
from services.trips.rows import find


@dataclass(frozen=True, slots=True)
class CityRoutes:
    """``to_pick_up``: of the car, while it comes; ``to_drop_off``: of the ride. None: it is unknown."""

    to_pick_up: Drive | None
    to_drop_off: Drive | None


class CityRouting:
    """Finds the drives of trips that wait or are under way. Of each, the routing engine is asked about once."""

    def __init__(self, database: Database, positions: Positions, drives: TripDrives) -> None:
        self._database = database
        self._positions = positions
        self._drives = drives

    async def of(self, trip_id: UUID) -> CityRoutes | None:
        """The drives; None if there is no such trip, or it has ended.

        Raises:
            DatabaseUnavailable
        """
        trip = await find(self._database, trip_id)
        if trip is None or has_ended(trip.status):
            return None
        to_pick_up = None
        if is_on_the_way(trip.status):
            location, freshness = await self._positions.on_trip(trip)
            if location is not None and freshness is Freshness.LIVE:
                to_pick_up = await self._drives.to_pick_up(trip, location.point)
        return CityRoutes(to_pick_up, await self._drives.route(trip))
