"""What staff see of one trip beside its row. A fixed number of statements, each with a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.geo import GeoPoint, distance_m
from models.values import Location, TripChangeValue
from services.database.connections import Database
from services.positions.freshness import Freshness
from services.positions.reporting import Positions
from services.positions.routing import Drive, Router
from services.staff import lists, rating_list
from services.staff.lists import ActionRow, UserRow
from services.staff.rating_list import RatingRow
from services.trips.history import TripHistory

SHOWN_ACTIONS = 20


@dataclass(frozen=True, slots=True)
class Car:
    """The last known position of a trip's driver. ``away_m``: to the pick-up, as the crow flies."""

    location: Location
    freshness: Freshness
    away_m: float | None


class TripDetails:
    """Reads what the page of a trip shows."""

    def __init__(self, database: Database, history: TripHistory, positions: Positions, router: Router) -> None:
        self._database = database
        self._history = history
        self._positions = positions
        self._router = router
        self._users = lists.users(database)

    async def people(self, rider_id: UUID, driver_id: UUID | None) -> dict[UUID, UserRow]:
        """The rider and the driver, by one statement."""
        found = await self._users.find([rider_id, *([driver_id] if driver_id is not None else [])])
        return {user.id: user for user in found}

    async def changes(self, trip_id: UUID) -> Sequence[TripChangeValue]:
        """The history, oldest first."""
        return await self._history.of(trip_id)

    async def ratings(self, trip_id: UUID) -> Sequence[RatingRow]:
        """What the parties think of each other."""
        return await rating_list.of_trip(self._database, trip_id)

    async def actions(self, trip_id: UUID) -> Sequence[ActionRow]:
        """What staff did about the trip, the newest first."""
        return await lists.actions_of_trip(self._database, trip_id, limit=SHOWN_ACTIONS)

    async def route(self, pick_up: GeoPoint | None, drop_off: GeoPoint | None) -> Drive | None:
        """The drive between the places; None if one of them is unknown."""
        if pick_up is None or drop_off is None:
            return None
        return await self._router.drive(pick_up, drop_off)

    async def car(self, driver_id: UUID | None, pick_up: GeoPoint | None) -> Car | None:
        """Where the driver is; None if nobody knows."""
        location = await self._positions.last(driver_id) if driver_id is not None else None
        if location is None:
            return None
        freshness = self._positions.lifetime.freshness(location)
        if freshness is Freshness.GONE:
            return None
        return Car(location, freshness, distance_m(location.point, pick_up) if pick_up is not None else None)
