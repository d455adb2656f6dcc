"""The messages of subscriptions and their contents: plain values, shared by equal subscribers."""

from collections.abc import Hashable
from datetime import datetime
from typing import Any
from uuid import UUID

from models.city import CityCounts, CityDriver, CityOutage, CityTrip
from models.frozen import frozen
from models.standing import PauseReason
from models.trip_life import WithdrawReason
from models.values import Location, TripValue
from models.visibility import Audience
from services.positions.freshness import Freshness
from services.runtime.shared_result import SharedResult


@frozen
class TripState:
    """A trip as one audience may see it."""

    trip: TripValue
    audience: Audience


@frozen
class MyTripsSnapshot:
    """All that ``myTripsUpdated`` shows to the rider, or the driver, of all these trips; replaces what the client
    had."""

    trips: tuple[TripValue, ...]
    audience: Audience


@frozen
class TripChanged:
    """One trip of ``myTripsUpdated``, new or changed, as its rider or its driver may see it."""

    trip: TripValue
    audience: Audience


@frozen
class PoolSnapshot:
    """All open offers; replaces what the client had. ``truncated``: there are more than are listed."""

    offers: tuple[TripValue, ...]
    truncated: bool
    # Why the driver gets no offers now.
    paused: PauseReason | None = None


@frozen
class TripOffered:
    """A trip that waits for a driver."""

    trip: TripValue


@frozen
class TripWithdrawn:
    """An offer was withdrawn."""

    trip_id: UUID
    version: int
    reason: WithdrawReason


@frozen
class DriverAt:
    """The current or last position of a trip's driver."""

    trip_id: UUID
    location: Location
    freshness: Freshness


@frozen
class CitySnapshot:
    """The whole city at one moment; replaces what the client had. ``is_cut``: there is more than is listed."""

    at: datetime
    drivers: tuple[CityDriver, ...]
    trips: tuple[CityTrip, ...]
    counts: CityCounts
    is_cut: bool
    outages: frozenset[CityOutage]


@frozen
class CityChange:
    """What is new, changed or gone since the message before."""

    at: datetime
    drivers: tuple[CityDriver, ...]
    gone_drivers: tuple[UUID, ...]
    trips: tuple[CityTrip, ...]
    gone_trips: tuple[UUID, ...]
    counts: CityCounts
    is_cut: bool
    outages: frozenset[CityOutage]


Content = (
    TripState
    | MyTripsSnapshot
    | TripChanged
    | PoolSnapshot
    | TripOffered
    | TripWithdrawn
    | DriverAt
    | CitySnapshot
    | CityChange
)


class Message:
    """A message, shared by all subscribers that receive it.

    ``renditions`` caches its encodings: each form is made once, and lives as long as the message. A newer message
    with the same ``trip_id`` may replace it; None: it is the whole state. If ``is_last``, no message follows.
    If ``is_step``, it needs all messages before it: a client that did not take one in time gets the whole state.
    """

    __slots__ = ("content", "is_last", "is_step", "renditions", "trip_id")

    def __init__(
        self, content: Content, trip_id: UUID | None, *, is_last: bool = False, is_step: bool = False
    ) -> None:
        self.content = content
        self.trip_id = trip_id
        self.is_step = is_step
        self.is_last = is_last
        self.renditions: dict[Hashable, Any] = {}

    async def encoded(self) -> None:
        """Return when no encoding of it is under way, and all who waited for one have gone on."""
        while pending := [
            each for each in self.renditions.values() if isinstance(each, SharedResult) and not each.has_woken_all
        ]:
            await pending[0].all_woken()
