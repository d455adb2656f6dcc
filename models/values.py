"""The plain values that reads and events share: a user and a trip at one version.

Queries load them with one joined statement, events carry them, GraphQL maps from them.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from models.geo import GeoPoint
from models.trip_life import ChangedBy, TripStatus


class Role(StrEnum):
    """What an account is for; it never changes."""

    RIDER = "RIDER"
    DRIVER = "DRIVER"


@dataclass(frozen=True, slots=True)
class UserSnapshot:
    """An account as others may be shown it; ``photo`` is a name in the photo store."""

    id: UUID
    username: str
    first_name: str
    last_name: str
    role: Role
    photo: str | None


@dataclass(frozen=True, slots=True)
class TripSnapshot:
    """A trip at one ``version``. ``updated`` is the database's clock at the change that made it."""

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
    rider: UserSnapshot
    driver: UserSnapshot | None

    def to_json(self) -> bytes:
        """The bytes that the bus carries; ``from_json`` is its inverse."""
        return orjson.dumps(self, default=list)

    @classmethod
    def from_json(cls, data: bytes) -> "TripSnapshot":
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
        )


@dataclass(frozen=True, slots=True)
class Location:
    """Where a driver was; ``heading`` in degrees.

    ``trip_id`` is the trip that was the driver's active one at ``as_of``, the database's clock when the position
    was reported.
    """

    driver_id: UUID
    trip_id: UUID | None
    point: GeoPoint
    heading: float | None
    recorded_at: datetime
    as_of: datetime

    def to_json(self) -> bytes:
        """The bytes that the bus carries; ``from_json`` is its inverse."""
        return orjson.dumps(self)

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


@dataclass(frozen=True, slots=True)
class TripChangeSnapshot:
    """One change of a trip: the version and the status that it led to. ``user`` is None for the system's."""

    version: int
    status: TripStatus
    at: datetime
    changed_by: ChangedBy
    user: UserSnapshot | None


def _point(raw: dict[str, float] | None) -> GeoPoint | None:
    return GeoPoint(raw["lat"], raw["lng"]) if raw else None


def _user(raw: dict[str, Any]) -> UserSnapshot:
    return UserSnapshot(
        id=UUID(raw["id"]),
        username=raw["username"],
        first_name=raw["first_name"],
        last_name=raw["last_name"],
        role=Role(raw["role"]),
        photo=raw["photo"],
    )
