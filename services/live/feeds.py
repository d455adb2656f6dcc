"""What can be subscribed to. A feed says which topic it follows, what state it starts from, and what one
subscriber is sent of an event; it does no I/O of its own beyond reading that state."""

from collections.abc import Hashable
from enum import Enum
from typing import Protocol
from uuid import UUID

from models.trip_life import has_ended, is_open, withdraw_reason
from models.visibility import Actor, audience_of
from services import trip_rows
from services.database import Database
from services.live.messages import (
    MyTripsSnapshot,
    PoolSnapshot,
    TripChanged,
    TripOffered,
    TripState,
    TripWithdrawn,
)
from services.live.occurrences import Message, StateRead, TripEvent
from services.topics import Topics
from services.trip_rows import TripsAt

POOL_SNAPSHOT_LIMIT = 200
ENDED_TRIPS_LIMIT = 20
ENDED_TRIPS_AGE_S = 24 * 3600


class Verdict(Enum):
    """What an event means for a subscriber, if not a message."""

    SIGHT_LOST = "what was followed no longer exists for this subscriber: the subscription ends"
    READ_AGAIN = "only a new snapshot can say it"


class NotFound(Exception):
    """What is to be followed does not exist for the caller."""


class Feed(Protocol):
    """What one subscriber follows."""

    @property
    def actor(self) -> Actor:
        """Who follows."""
        ...

    @property
    def topic(self) -> str:
        """The one topic on which its events come."""
        ...

    @property
    def scope(self) -> Hashable:
        """Feeds of equal scope start from the same read."""
        ...

    async def query(self, database: Database) -> TripsAt:
        """Read the state of the scope."""
        ...

    def snapshot(self, read: StateRead) -> Message:
        """The state as one message. Raises: NotFound."""
        ...

    def change(self, event: TripEvent) -> Message | Verdict:
        """What the subscriber is sent of an event. Pure."""
        ...

    def is_last(self, message: Message) -> bool:
        """Whether nothing can follow that message."""
        ...


class TripFeed:
    """One trip: as it is now, then each change, until it has ended or is lost from sight."""

    def __init__(self, actor: Actor, topics: Topics, trip_id: UUID) -> None:
        self.actor = actor
        self.topic = topics.trip(trip_id)
        self.scope: Hashable = ("trip", trip_id)
        self._trip_id = trip_id

    async def query(self, database: Database) -> TripsAt:
        """Read the trip."""
        return await trip_rows.find_at(database, self._trip_id)

    def snapshot(self, read: StateRead) -> Message:
        """The trip now. Raises: NotFound."""
        event = read.event()
        if event is None or (audience := audience_of(self.actor, event.trip)) is None:
            raise NotFound
        return read.message(audience, lambda: TripState(event.trip, audience))

    def change(self, event: TripEvent) -> Message | Verdict:
        """The trip at its new version."""
        audience = audience_of(self.actor, event.trip)
        if audience is None:
            return Verdict.SIGHT_LOST
        # The whole of what is followed: no trip's id, so that a slow client is never denied the last of them.
        return event.message(audience, lambda: TripState(event.trip, audience))

    def is_last(self, message: Message) -> bool:
        """A trip that has ended changes no more."""
        return isinstance(message.content, TripState) and has_ended(message.content.trip.status)


class MyTripsFeed:
    """The caller's active trips and the lately ended ones, then each change of any of them."""

    def __init__(self, actor: Actor, topics: Topics) -> None:
        self.actor = actor
        self.topic = topics.user(actor.id)
        self.scope: Hashable = ("user", actor.id)

    async def query(self, database: Database) -> TripsAt:
        """Read the trips."""
        return await trip_rows.trips_of(
            database,
            self.actor.id,
            self.actor.user.role,
            ended_limit=ENDED_TRIPS_LIMIT,
            ended_since_s=ENDED_TRIPS_AGE_S,
        )

    def snapshot(self, read: StateRead) -> Message:
        """All of them."""
        return read.message("my trips", lambda: MyTripsSnapshot(read.trips))

    def change(self, event: TripEvent) -> Message | Verdict:
        """The changed trip; a trip that the driver gave back goes by a new snapshot without it."""
        trip = event.trip
        if self.actor.id != trip.rider.id and (trip.driver is None or self.actor.id != trip.driver.id):
            return Verdict.READ_AGAIN
        return event.message("my trip", lambda: TripChanged(trip), trip.id)

    def is_last(self, message: Message) -> bool:
        """Never."""
        return False


class PoolFeed:
    """The open requests, then each that comes or goes."""

    def __init__(self, actor: Actor, topics: Topics) -> None:
        self.actor = actor
        self.topic = topics.pool
        self.scope: Hashable = "pool"
        self._actor_id = actor.id

    async def query(self, database: Database) -> TripsAt:
        """Read the newest open trips: one more than are shown, to know whether there are more."""
        return await trip_rows.open_trips(database, limit=POOL_SNAPSHOT_LIMIT + 1)

    def snapshot(self, read: StateRead) -> Message:
        """The offers that the driver has not given back."""
        if self._actor_id not in read.given_back_by:
            return read.message("offers", lambda: _pool_snapshot(read, None))
        return read.message(("offers", self._actor_id), lambda: _pool_snapshot(read, self._actor_id))

    def change(self, event: TripEvent) -> Message | Verdict:
        """An offer that came, or one that went.

        To whoever gave the trip back it has gone, whatever becomes of it, and each of its changes says so: the
        one that took the offer away may have been lost, or come later.
        """
        trip = event.trip
        if is_open(trip.status) and self._actor_id not in trip.given_back_by:
            return event.message("offered", lambda: TripOffered(trip), trip.id)
        return event.message(
            "withdrawn",
            lambda: TripWithdrawn(trip.id, trip.version, withdraw_reason(trip.status)),
            trip.id,
        )

    def is_last(self, message: Message) -> bool:
        """Never."""
        return False


def _pool_snapshot(read: StateRead, without: UUID | None) -> PoolSnapshot:
    offers = tuple(t for t in read.trips[:POOL_SNAPSHOT_LIMIT] if without not in t.given_back_by)
    return PoolSnapshot(offers, truncated=len(read.trips) > POOL_SNAPSHOT_LIMIT)
