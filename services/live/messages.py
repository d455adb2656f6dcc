"""What a subscription sends: plain values, shared by all who are sent the same."""

from dataclasses import dataclass
from uuid import UUID

from models.values import (Location, TripSnapshot)
from models.trip_life import WithdrawReason
from models.visibility import Audience
from services.positions.freshness import Freshness


@dataclass(frozen=True, slots=True)
class TripState:
    """A trip as an audience sees it."""

    trip: TripSnapshot
    audience: Audience


@dataclass(frozen=True, slots=True)
class MyTripsSnapshot:
    """All that ``myTripsUpdated`` shows; replaces what the client had."""

    trips: tuple[TripSnapshot, ...]


@dataclass(frozen=True, slots=True)
class TripChanged:
    """One trip of ``myTripsUpdated``, new or changed."""

    trip: TripSnapshot


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """All open offers; replaces what the client had. ``truncated``: there are more than are listed."""

    offers: tuple[TripSnapshot, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class TripOffered:
    """A trip that waits for a driver."""

    trip: TripSnapshot


@dataclass(frozen=True, slots=True)
class TripWithdrawn:
    """An offer has gone."""

    trip_id: UUID
    version: int
    reason: WithdrawReason


@dataclass(frozen=True, slots=True)
class DriverAt:
    """Where the driver of a trip is, or was."""

    trip_id: UUID
    location: Location
    freshness: Freshness


Content = TripState | MyTripsSnapshot | TripChanged | PoolSnapshot | TripOffered | TripWithdrawn | DriverAt
