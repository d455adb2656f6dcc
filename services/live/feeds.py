"""The feeds: what a client can subscribe to. A feed names its topics, reads its first state, and turns events into
messages for its subscriber; reading that state is its only I/O."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from models.standing import ON_DUTY_ONLY, DriverRules
from models.trip_life import has_ended, is_driving
from models.values import Approval, Location, Role, TripValue
from models.visibility import Actor, Audience, audience_of, is_on_trip
from services.events.topics import Topics
from services.live.events import Event, LocationEvent, StandingEvent, StateRead, TripEvent
from services.live.faults import NotShown
from services.live.messages import DriverAt, Message, MyTripsSnapshot, TripChanged, TripState
from services.live.reads import StateReader
from services.positions.freshness import Freshness, Lifetime


class Verdict(Enum):
    """The result of an event or a read that is not a message."""

    NO_LONGER_VISIBLE = "the subscriber may no longer see the trip: the subscription ends"
    ENDED = "no more messages can come"
    READ_AGAIN = "only a new snapshot can express the change"
    NO_LONGER_STAFF = "the subscriber is no member of staff any more: the subscription ends"
    TOPICS_CHANGED = "the topics have changed: read the state, and send the changes"


Outcome = Message | Sequence[Message] | Verdict | None


class NotFound(NotShown):
    """The caller may not see the trip, or there is none."""


class Feed(Protocol):
    """The data that one subscriber follows. A feed belongs to one subscriber and may remember what it sent."""

    @property
    def actor(self) -> Actor:
        """The user who subscribed."""
        ...

    @property
    def moves(self) -> bool:
        """Whether its topics change with its driver's position. Each report then costs work for each such feed."""
        ...

    @property
    def topics(self) -> Collection[str]:
        """The topics on which its events come. They may differ after ``prepare``, and after TOPICS_CHANGED."""
        ...

    @property
    def shown(self) -> Collection[UUID]:
        """Trips on the client's screen: the client must also receive when it may no longer see them."""
        ...

    @property
    def changes_in_s(self) -> float | None:
        """The seconds until ``on_timer`` may return a message; None: not before the next event."""
        ...

    async def prepare(self, state: StateReader) -> None:
        """Load what the topics depend on, if anything."""
        ...

    async def read(self, state: StateReader) -> StateRead:
        """Read the whole state."""
        ...

    def snapshot(self, read: StateRead) -> Message | Verdict | None:
        """The state as one message; None if there is nothing to send yet. Raises: NotShown."""
        ...

    def update(self, read: StateRead) -> Sequence[Message]:
        """The changes of the read for the subscriber, after TOPICS_CHANGED."""
        ...

    def change(self, event: Event) -> Outcome:
        """The message for an event. No I/O."""
        ...

    def contradicts(self, event: Event) -> bool:
        """Whether what ``prepare`` has loaded is not as the event says; then the event may be the newer one."""
        ...

    def on_timer(self) -> Message | None:
        """The message that is due because time has passed. No I/O."""
        ...


class _TripsFeed:
    """Base of feeds with fixed topics that send messages only for events."""

    shown: Collection[UUID] = ()
    moves = False

    @property
    def changes_in_s(self) -> float | None:
        """Nothing changes by time alone."""
        return None

    async def prepare(self, state: StateReader) -> None:
        """The topics depend on nothing."""

    def update(self, read: StateRead) -> Sequence[Message]:
        """Not used: the topics never change."""
        return ()

    def contradicts(self, event: Event) -> bool:
        """Nothing was loaded."""
        return False

    def on_timer(self) -> Message | None:
        """Not used: nothing changes by time alone."""
        return None


class TripFeed(_TripsFeed):
    """One trip: its current state, then each change, until it ends or the caller may no longer see it.

    Where staff approve drivers, it reads and follows the driver's approval: a socket may live longer than that.
    """

    def __init__(self, actor: Actor, topics: Topics, trip_id: UUID, *, rules: DriverRules = ON_DUTY_ONLY) -> None:
        self.actor = actor
        self._trip_id = trip_id
        self._needs_approval = rules.needs_approval and actor.user.role is Role.DRIVER
        self.topics = (topics.trip(trip_id), *((topics.driver(actor.id),) if self._needs_approval else ()))
        self._last_audience: Audience | None = None

    async def prepare(self, state: StateReader) -> None:
        """Read the driver's approval, if it decides what the driver may see."""
        if self._needs_approval:
            standing = await state.standing_of(self.actor.id)
            self.actor = replace(self.actor, is_approved=standing.approval is Approval.APPROVED)

    async def read(self, state: StateReader) -> StateRead:
        """Read the trip."""
        return await state.trip(self._trip_id)

    def snapshot(self, read: StateRead) -> Message:
        """The trip now. Raises: NotFound."""
        event = read.event()
        if event is None or (audience := audience_of(self.actor, event.trip)) is None:
            raise NotFound
        self._last_audience = audience
        return _trip_now(read, event.trip, audience)

    def change(self, event: Event) -> Message | Verdict | None:
        """The trip at its new version."""
        if not isinstance(event, TripEvent):
            # A party of the trip sees it without approval.
            is_open = self._last_audience is Audience.POOL
            return Verdict.READ_AGAIN if is_open and self.contradicts(event) else None
        audience = self._last_audience = audience_of(self.actor, event.trip)
        if audience is None:
            return Verdict.NO_LONGER_VISIBLE
        # The feed has only this trip: the message has no trip id, so that a slow client always gets the last
        # change.
        return _trip_now(event, event.trip, audience)

    def contradicts(self, event: Event) -> bool:
        """Whether staff have decided otherwise by the event."""
        if not self._needs_approval or not isinstance(event, StandingEvent):
            return False
        return (event.approval is Approval.APPROVED) is not self.actor.is_approved


def _trip_now(source: TripEvent | StateRead, trip: TripValue, audience: Audience) -> Message:
    # A trip that has ended changes no more.
    return source.message(audience, lambda: TripState(trip, audience), is_last=has_ended(trip.status))


class MyTripsFeed(_TripsFeed):
    """The caller's active and recently ended trips, then each change of any of them."""

    def __init__(self, actor: Actor, topics: Topics) -> None:
        self.actor = actor
        self.topics = (topics.user(actor.id),)
        # A rider is the rider of all their trips, and a driver the driver: a role never changes.
        self._audience = Audience.RIDER if actor.user.role is Role.RIDER else Audience.DRIVER

    async def read(self, state: StateReader) -> StateRead:
        """Read the trips."""
        return await state.trips_of(self.actor)

    def snapshot(self, read: StateRead) -> Message:
        """A snapshot of all trips."""
        return read.message("my trips", lambda: MyTripsSnapshot(read.trips, self._audience))

    def change(self, event: Event) -> Message | Verdict | None:
        """The changed trip; a trip that the driver gave back is removed by a new snapshot."""
        if not isinstance(event, TripEvent):
            return None
        trip = event.trip
        audience = audience_of(self.actor, trip)
        if audience is None or not audience.is_party:
            return Verdict.READ_AGAIN
        return event.message(("my trip", audience), lambda: TripChanged(trip, audience), trip.id)


class DriverLocationFeed(_TripsFeed):
    """The position of the driver of the caller's trip: only the latest one, from acceptance to the end of the
    trip.

    Without a newer position the subscriber receives once that it is stale, and once that it is gone.

    Only for the rider of the trip. A position counts only if it was reported while this trip was its driver's
    active one. So nothing is shown after the end, even if the event of the end has not arrived here.
    """

    def __init__(self, actor: Actor, topics: Topics, trip_id: UUID, lifetime: Lifetime) -> None:
        self.actor = actor
        self.topics = (topics.trip(trip_id), topics.car(trip_id))
        self._trip_id = trip_id
        self._lifetime = lifetime
        self._driver_id: UUID | None = None
        # The position that was sent last, until it is gone, and when it was measured.
        self._sent: Location | None = None
        self._sent_recorded_at: datetime | None = None
        self._sent_as = Freshness.GONE
        self._found: LocationEvent | None = None

    async def read(self, state: StateReader) -> StateRead:
        """Read the trip, and the position of its driver."""
        read = await state.trip(self._trip_id)
        trip = read.trips[0] if read.trips else None
        self._found = None
        if trip is not None and self._is_mine(trip) and is_driving(trip.status) and trip.driver is not None:
            location = await state.location_of(trip.driver.id)
            if location is not None and is_on_trip(location, trip) and not self._is_gone(location):
                self._found = LocationEvent(location)
        return read

    def snapshot(self, read: StateRead) -> Message | Verdict | None:
        """The latest position, if there is one. Raises: NotFound."""
        trip = read.trips[0] if read.trips else None
        if trip is None or not self._is_mine(trip):
            raise NotFound
        if has_ended(trip.status):
            return Verdict.ENDED
        self._follow(trip)
        return self._newest(self._found) if self._found is not None else None

    def change(self, event: Event) -> Outcome:
        """A newer position; or the end, or another driver."""
        if isinstance(event, LocationEvent):
            return self._newest(event) if event.location.trip_id == self._trip_id else None
        if not isinstance(event, TripEvent):
            return None
        if has_ended(event.trip.status):
            return Verdict.ENDED
        before = self._driver_id
        self._follow(event.trip)
        return Verdict.READ_AGAIN if self._driver_id not in (None, before) else None

    @property
    def changes_in_s(self) -> float | None:
        """The seconds until the subscriber's position becomes stale, or gone."""
        return self._lifetime.changes_in_s(self._sent) if self._sent is not None else None

    def on_timer(self) -> Message | None:
        """The message that the position is now stale or gone."""
        if self._sent is None or self._lifetime.freshness(self._sent) is self._sent_as:
            return None
        return self._send(LocationEvent(self._sent))

    def _follow(self, trip: TripValue) -> None:
        driver_id = trip.driver.id if trip.driver is not None else None
        if driver_id != self._driver_id:
            self._driver_id, self._sent_recorded_at, self._sent = driver_id, None, None

    def _newest(self, event: LocationEvent) -> Message | None:
        location = event.location
        if location.driver_id != self._driver_id:
            return None
        if self._sent_recorded_at is not None and self._sent_recorded_at >= location.recorded_at:
            return self.on_timer()
        return self._send(event)

    def _send(self, event: LocationEvent) -> Message:
        location = event.location
        freshness = self._lifetime.freshness(location)
        self._sent_recorded_at, self._sent_as = location.recorded_at, freshness
        self._sent = location if freshness is not Freshness.GONE else None
        return event.message(freshness, lambda: DriverAt(self._trip_id, location, freshness))

    def _is_gone(self, location: Location) -> bool:
        return self._lifetime.freshness(location) is Freshness.GONE

    def _is_mine(self, trip: TripValue) -> bool:
        return self.actor.user.role is Role.RIDER and trip.rider.id == self.actor.id
