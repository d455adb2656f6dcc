"""Events of the bus, decoded once, and state reads; with the messages made from them for many subscribers."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from models.values import Approval, Location, TripValue
from services.drivers.announcements import PREFIX as STANDING_PREFIX
from services.drivers.announcements import read_standing
from services.events.topics import Topics
from services.live.messages import CityChange, CitySnapshot, Content, Message
from services.runtime.counters import Counters
from services.trips.announcements import is_of_trip, read_message
from services.trips.rows import TripsAt

# The number of decoded events that are kept for their other topics.
RECENT_EVENTS = 256


class _MessageSource:
    """Caches its messages, so that equal ones are built once."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[Hashable, Message] = {}

    def message(
        self,
        key: Hashable,
        content: Callable[[], Content],
        trip_id: UUID | None = None,
        *,
        is_last: bool = False,
    ) -> Message:
        """The message for the key, built at the first call."""
        message = self._messages.get(key)
        if message is None:
            message = self._messages[key] = Message(content(), trip_id, is_last=is_last)
        return message


class TripEvent(_MessageSource):
    """A trip has changed, or a read has found its current state.

    ``as_of`` is the database's time of the change, or of the beginning of the read. Every later change of the trip
    was committed after that time.
    """

    __slots__ = ("as_of", "trip")

    def __init__(self, trip: TripValue, as_of: datetime | None = None) -> None:
        super().__init__()
        self.trip = trip
        self.as_of = as_of or trip.updated

    @classmethod
    def from_message(cls, message: bytes) -> "TripEvent":
        """Decode a bus message. Raises: ValueError, KeyError, TypeError."""
        return cls(*read_message(message))


class LocationEvent(_MessageSource):
    """A driver has reported a position."""

    __slots__ = ("location",)

    def __init__(self, location: Location) -> None:
        super().__init__()
        self.location = location

    @classmethod
    def from_message(cls, message: bytes) -> "LocationEvent":
        """Decode a bus message. Raises: ValueError, KeyError, TypeError."""
        return cls(Location.from_json(message))


class DriveEvent:
    """A trip of a driver has changed, as the driver's own topic says it: it may have begun or ended a drive.

    It comes beside the trip's event on other topics, in any order. So nobody is sent the trip because of it.
    """

    __slots__ = ("trip",)

    def __init__(self, trip: TripValue) -> None:
        self.trip = trip


class StandingEvent:
    """A driver's duty, approval or vehicle has changed, or has been found to be as it is now.

    It has no version: of two that come in the wrong order, only a read says which is true.
    """

    __slots__ = ("approval", "driver_id", "has_vehicle", "on_duty")

    def __init__(self, driver_id: UUID, *, on_duty: bool, approval: Approval, has_vehicle: bool) -> None:
        self.driver_id = driver_id
        self.on_duty = on_duty
        self.approval = approval
        self.has_vehicle = has_vehicle

    @classmethod
    def from_message(cls, message: bytes) -> "StandingEvent":
        """Decode a bus message. Raises: ValueError, KeyError, TypeError."""
        driver_id, on_duty, approval, has_vehicle = read_standing(message)
        return cls(driver_id, on_duty=on_duty, approval=approval, has_vehicle=has_vehicle)


class CityEvent:
    """A state of the city, or the change to it. ``number`` counts the states.

    ``revoked``: the watchers who are no members of staff any more.
    """

    __slots__ = ("_content", "_message", "number", "revoked")

    def __init__(self, number: int, content: CitySnapshot | CityChange, revoked: frozenset[UUID]) -> None:
        self.number = number
        self.revoked = revoked
        self._content = content
        self._message: Message | None = None

    def message(self) -> Message:
        """The message for all watchers. A change needs all that came before it."""
        if self._message is None:
            self._message = Message(self._content, None, is_step=isinstance(self._content, CityChange))
        return self._message

    async def encoded(self) -> None:
        """Return when no encoding of its message is under way."""
        if self._message is not None:
            await self._message.encoded()


# Events without a version of their own.
Unversioned = LocationEvent | StandingEvent | DriveEvent | CityEvent
Event = TripEvent | Unversioned

E = TypeVar("E", TripEvent, LocationEvent)


class EventDecoder:
    """Decodes the messages of the bus: each once, even if it arrives on several topics."""

    def __init__(self, topics: Topics, counters: Counters) -> None:
        self._counters = counters
        self._recent: OrderedDict[bytes, TripEvent | LocationEvent] = OrderedDict()
        # Whether the topic with that name carries positions.
        self.has_locations = topics.is_of_locations

    def is_location(self, message: bytes | LocationEvent) -> bool:
        """Whether a message of a topic that carries positions is one."""
        if isinstance(message, LocationEvent):
            return True
        return not (message.startswith(STANDING_PREFIX) or is_of_trip(message))

    def decode(self, topic: str, message: bytes) -> Event:
        """The event of a message. Raises: ValueError, KeyError, TypeError."""
        event: Event
        if message.startswith(STANDING_PREFIX):
            event = StandingEvent.from_message(message)
        elif not self.has_locations(topic):
            event = self._once(message, TripEvent, TripEvent.from_message)
        elif is_of_trip(message):
            event = DriveEvent(self._once(message, TripEvent, TripEvent.from_message).trip)
        else:
            event = self._once(message, LocationEvent, LocationEvent.from_message)
        self._counters.events += 1
        return event

    def _once(self, message: bytes, kind: type[E], decode: Callable[[bytes], E]) -> E:
        event = self._recent.get(message)
        if event is None:
            event = self._recent[message] = decode(message)
            if len(self._recent) > RECENT_EVENTS:
                self._recent.popitem(last=False)
        assert isinstance(event, kind), "equal messages are of one kind"
        return event


class StateRead(_MessageSource):
    """The trips that one read found. ``versions`` maps each to its version; ``is_cut``: there are more.

    ``as_of`` is the database's time at the end of the read: later writes are not in it.
    """

    __slots__ = ("_begun", "_events", "as_of", "given_back_by", "is_cut", "trips", "versions")

    def __init__(self, found: TripsAt, *, is_cut: bool = False) -> None:
        super().__init__()
        self.trips = found.trips
        self.as_of = found.as_of
        self._begun = found.begun
        self.is_cut = is_cut
        self.versions = {trip.id: trip.version for trip in found.trips}
        self.given_back_by = frozenset[UUID]().union(*(trip.given_back_by for trip in found.trips))
        self._events: tuple[TripEvent, ...] | None = None

    @property
    def events(self) -> tuple[TripEvent, ...]:
        """The trips, each as one event shared by all subscribers."""
        if self._events is None:
            self._events = tuple(TripEvent(trip, self._begun) for trip in self.trips)
        return self._events

    def event(self) -> TripEvent | None:
        """The first trip as an event; None if there is no trip."""
        return self.events[0] if self.events else None
