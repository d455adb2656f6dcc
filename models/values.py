"""The plain values that reads and events share: a user and a trip at one version.

Queries load them with one joined statement, events carry them, GraphQL maps from them.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

import orjson

from models.frozen import frozen
from models.geo import GeoPoint
from models.trip_life import CancelCode, ChangedBy, TripStatus


class Role(StrEnum):
    """Whether an account belongs to a rider or a driver; it never changes."""

    RIDER = "RIDER"
    DRIVER = "DRIVER"


class Approval(StrEnum):
    """Whether staff allow a driver to take trips."""

    WAITING = "WAITING"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"


@frozen
class VehicleValue:
    """A driver's car. Drivers and trips keep it as JSON in a column of their own."""

    make: str
    model: str
    color: str
    license_plate: str
    seats: int

    def to_json(self) -> str:
        """The text of the column; ``vehicle_from_json`` is its inverse."""
        return orjson.dumps(self).decode()


def vehicle_from_json(text: str | None) -> VehicleValue | None:
    """The vehicle of a column; None for NULL."""
    return VehicleValue(**orjson.loads(text)) if text is not None else None


@frozen
class UserValue:
    """The fields of an account that other users may see; ``photo`` is a name in the photo store."""

    id: UUID
    username: str
    first_name: str
    last_name: str
    role: Role
    photo: str | None


@frozen
class TripValue:
    """A trip at one ``version``. ``updated`` is when that version was written, by the database's clock."""

    id: UUID
    created: datetime
    updated: datetime
    version: int
    status: TripStatus
    pick_up_address: str
    drop_off_address: str
    pick_up: GeoPoint | None
    drop_off: GeoPoint | None
    expires_at: datetime | None
    cancel_reason: str | None
    given_back_by: frozenset[UUID]
    rider: UserValue
    driver: UserValue | None
    # The driver's car, as it was at acceptance; when the driver reported arrival at the pick-up.
    vehicle: VehicleValue | None = None
    arrived_at: datetime | None = None
    cancel_code: CancelCode | None = None

    def to_json(self) -> bytes:
        """The bytes that the bus carries; ``from_json`` is its inverse."""
        return orjson.dumps(self, default=_plain)

    @classmethod
    def from_json(cls, data: bytes) -> "TripValue":
        """Raises: ValueError, KeyError or TypeError when the bytes are not those of ``to_json``."""
        raw: dict[str, Any] = orjson.loads(data)
        return cls(
            id=UUID(raw["id"]),
            created=datetime.fromisoformat(raw["created"]),
            updated=datetime.fromisoformat(raw["updated"]),
            version=raw["version"],
            status=TripStatus(raw["status"]),
            pick_up_address=raw["pick_up_address"],
            drop_off_address=raw["drop_off_address"],
            pick_up=_point(raw["pick_up"]),
            drop_off=_point(raw["drop_off"]),
            expires_at=datetime.fromisoformat(raw["expires_at"]) if raw["expires_at"] else None,
            cancel_reason=raw["cancel_reason"],
            given_back_by=frozenset(UUID(driver_id) for driver_id in raw["given_back_by"]),
            rider=_user(raw["rider"]),
            driver=_user(raw["driver"]) if raw["driver"] else None,
            # Servers of the version before leave these out.
            vehicle=VehicleValue(**raw["vehicle"]) if raw.get("vehicle") else None,
            arrived_at=datetime.fromisoformat(raw["arrived_at"]) if raw.get("arrived_at") else None,
            cancel_code=CancelCode(raw["cancel_code"]) if raw.get("cancel_code") else None,
        )


@frozen
class Location:
    """A driver's reported position; ``heading`` in degrees.

    ``as_of`` is when it was reported, by the database's clock; ``trip_id`` is the driver's active trip at that
    time.
    """

    driver_id: UUID
    trip_id: UUID | None
    point: GeoPoint
    heading: float | None
    recorded_at: datetime
    as_of: datetime

    def to_json(self) -> bytes:
        """The bytes that the bus carries; ``from_json`` is its inverse."""
        # A dictionary, because orjson would call back for each of asyncpg's UUIDs.
        return orjson.dumps(
            {
                "driver_id": str(self.driver_id),
                "trip_id": str(self.trip_id) if self.trip_id is not None else None,
                "point": self.point,
                "heading": self.heading,
                "recorded_at": self.recorded_at,
                "as_of": self.as_of,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> "Location":
        """Raises: ValueError, KeyError or TypeError when the bytes are not those of ``to_json``."""
        raw: dict[str, Any] = orjson.loads(data)
        return cls(
            driver_id=UUID(raw["driver_id"]),
            trip_id=UUID(raw["trip_id"]) if raw["trip_id"] else None,
            point=GeoPoint(raw["point"]["lat"], raw["point"]["lng"]),
            heading=raw["heading"],
            recorded_at=datetime.fromisoformat(raw["recorded_at"]),
            as_of=datetime.fromisoformat(raw["as_of"]),
        )


@frozen
class TripChangeValue:
    """One change of a trip, with the version and status after it. ``user`` is None for changes by the system."""

    version: int
    status: TripStatus
    at: datetime
    changed_by: ChangedBy
    user: UserValue | None
    # Whether the change is the driver's report of arrival, which leaves the status as it is.
    is_arrival: bool = False
    cancel_code: CancelCode | None = None
    reason: str | None = None


def _plain(value: object) -> object:
    """What orjson does not know: sets, and the UUIDs of asyncpg's own class."""
    return str(value) if isinstance(value, UUID) else list(cast("frozenset[object]", value))


def _point(raw: dict[str, float] | None) -> GeoPoint | None:
    return GeoPoint(raw["lat"], raw["lng"]) if raw else None


def _user(raw: dict[str, Any]) -> UserValue:
    return UserValue(
        id=UUID(raw["id"]),
        username=raw["username"],
        first_name=raw["first_name"],
        last_name=raw["last_name"],
        role=Role(raw["role"]),
        photo=raw["photo"],
    )
