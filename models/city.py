"""The city as staff see it: drivers, trips and counts at one moment. Plain values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from models.geo import GeoPoint
from models.standing import Availability
from models.trip_life import TripStatus, is_open
from models.values import Location


class CityOutage(StrEnum):
    """Why the picture of the city is not whole."""

    DATABASE = "DATABASE"
    POSITIONS = "POSITIONS"


@dataclass(frozen=True, slots=True)
class CityPerson:
    """A person of the city."""

    id: UUID
    username: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class CityDriver:
    """A driver and their last position. ``trip_id``: their trip under way."""

    person: CityPerson
    location: Location
    is_stale: bool
    trip_id: UUID | None

    @property
    def availability(self) -> Availability:
        """Positions of drivers off duty are deleted, so nobody here is off duty without a trip."""
        return Availability.ON_TRIP if self.trip_id is not None else Availability.AVAILABLE


@dataclass(frozen=True, slots=True)
class CityTrip:
    """A trip that waits for a driver, or is under way."""

    id: UUID
    version: int
    status: TripStatus
    created: datetime
    updated: datetime
    pick_up_address: str
    drop_off_address: str
    pick_up: GeoPoint | None
    drop_off: GeoPoint | None
    expires_at: datetime | None
    arrived_at: datetime | None
    rider: CityPerson
    driver: CityPerson | None

    @property
    def is_open(self) -> bool:
        """Whether it waits for a driver."""
        return is_open(self.status)


@dataclass(frozen=True, slots=True)
class CityCounts:
    """How many trips wait and are under way; how many drivers are free; how many of those shown are silent."""

    open: int = 0
    under_way: int = 0
    available: int = 0
    silent: int = 0
