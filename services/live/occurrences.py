"""What happens once and is told to many: an event, a read of the state, and the messages made of them."""

from collections.abc import Callable, Hashable
from typing import Any
from uuid import UUID

from models.snapshots import Location, TripSnapshot
from services.live.messages import Content
from services.trip_rows import TripsAt


class Message:
    """One content, shared by every subscriber that is sent it.

    ``renditions`` is room for those who encode it: each form is made once, and goes when the message does.
    ``trip_id`` names what a newer message about the same trip may replace; None: the whole state.
    """

    __slots__ = ("content", "renditions", "trip_id")

    def __init__(self, content: Content, trip_id: UUID | None) -> None:
        self.content = content
        self.trip_id = trip_id
        self.renditions: dict[Hashable, Any] = {}


class _Occurrence:
    """Keeps the messages made of it, so that equal ones are made once."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[Hashable, Message] = {}

    def message(self, key: Hashable, content: Callable[[], Content], trip_id: UUID | None = None) -> Message:
        """The message of that key, made at the first call."""
        message = self._messages.get(key)
        if message is None:
            message = self._messages[key] = Message(content(), trip_id)
        return message


class TripEvent(_Occurrence):
    """A trip has changed, or has been found to be as it is now."""

    __slots__ = ("trip",)

    def __init__(self, trip: TripSnapshot) -> None:
        super().__init__()
        self.trip = trip


class LocationEvent(_Occurrence):
    """A driver has reported a position."""

    __slots__ = ("location",)

    def __init__(self, location: Location) -> None:
        super().__init__()
        self.location = location


class StateRead(_Occurrence):
    """Trips as one read found them. ``versions`` maps each to its version; ``is_cut``: there are more."""

    __slots__ = ("_events", "as_of", "given_back_by", "is_cut", "trips", "versions")

    def __init__(self, found: TripsAt, *, is_cut: bool = False) -> None:
        super().__init__()
        self.trips = found.trips
        self.as_of = found.as_of
        self.is_cut = is_cut
        self.versions = {trip.id: trip.version for trip in found.trips}
        self.given_back_by = frozenset[UUID]().union(*(trip.given_back_by for trip in found.trips))
        self._events: tuple[TripEvent, ...] | None = None

    @property
    def events(self) -> tuple[TripEvent, ...]:
        """The trips, each as one event for all who ask."""
        if self._events is None:
            self._events = tuple(TripEvent(trip) for trip in self.trips)
        return self._events

    def event(self) -> TripEvent | None:
        """The first trip as an event; None if there is no trip."""
        return self.events[0] if self.events else None
