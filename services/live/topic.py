"""A bus topic that this process listens to: its lifetime, its followers, and the delivery of its messages.

Longer than 300 lines because its lifetime and its delivery share their state.
"""

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from enum import Enum
from time import perf_counter
from typing import Protocol
from uuid import UUID

import structlog

from models.frozen import frozen
from services.live.delivered_versions import DeliveredVersions
from services.live.delivery_spans import DeliverySpans
from services.live.events import CityEvent, EventDecoder, LocationEvent, TripEvent, Unversioned
from services.runtime.durations import Durations
from services.runtime.fair_queue import FairQueue

_log = structlog.stdlib.get_logger(__name__)

# The number of followers in one piece of work, about a quarter of a millisecond.
FOLLOWERS_AT_ONCE = 16
# The number of messages of one topic that wait for delivery. More would need too much memory and come too late.
MAX_WAITING = 1_000
# In a topic with that many, a newer position replaces the oldest.
MAX_WAITING_LOCATIONS = 16

# What comes on a topic: bytes from the bus, or an event of this process.
Heard = bytes | LocationEvent | CityEvent
Listening = AbstractAsyncContextManager[AsyncIterator[Heard]]
Listen = Callable[[str], Listening]


class ListeningEnded(Exception):
    """The bus ended a topic that was still in use."""


class Follower(Protocol):
    """Receives the events of a topic."""

    @property
    def user_id(self) -> UUID:
        """The user who follows."""
        ...

    @property
    def known(self) -> Mapping[UUID, int]:
        """The version of each trip in its last read; followers with the same read share the mapping."""
        ...

    def take_trip(self, event: TripEvent, known: int | None, *, is_old: bool) -> None:
        """A trip has changed.

        ``known`` is the version of the trip in ``known`` of the follower; ``is_old``: a newer version may have
        been delivered and forgotten.
        """
        ...

    def take_unversioned(self, event: Unversioned) -> None:
        """Something without a version has changed: of a driver, or in the city."""
        ...

    def start_over(self) -> None:
        """Events may have been lost: read the state again."""
        ...

    def fail(self, error: Exception) -> None:
        """The topic failed: no more events come."""
        ...


class TopicState(Enum):
    """The state of a topic. It is opened once, and closed once."""

    OPENING = "the broker has not confirmed it yet"
    OPEN = "its messages arrive"
    LINGERING = "no follower uses it; it is kept for followers that return"
    CLOSING = "it is being left"
    CLOSED = "no more messages arrive"


@frozen
class Delivering:
    """How the messages of all topics reach their followers.

    ``restart`` makes followers start over. ``turns`` runs the pieces of all deliveries. ``times`` measures
    the deliveries of changes, ``spans`` traces them.
    """

    decoder: EventDecoder
    restart: Callable[[Iterable["Follower"]], None]
    turns: FairQueue
    times: Durations
    spans: DeliverySpans | None = None


class Topic:
    """One topic. Each ``enter`` needs a ``leave``; it closes ``linger_s`` seconds after the last one.

    Its messages are delivered one after the other, in pieces of a few followers; other clients are served in
    between. The receivers are the followers at the beginning of the first piece, except those who leave before
    their piece. Later followers do not receive the message: their state is read afterwards and includes it.
    """

    def __init__(self, name: str, delivering: Delivering, *, linger_s: float) -> None:
        self.name = name
        self.state = TopicState.OPENING
        self.followers: dict[Follower, None] = {}
        self.delivered = DeliveredVersions()
        self._delivering = delivering
        self._has_locations = delivering.decoder.has_locations(name)
        self._linger_s = linger_s
        self._users = 0
        self._confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        # The delivery that is running, and the messages that wait; None stands for messages that were dropped.
        self._delivery: Iterator[None] | None = None
        self._waiting: deque[Heard | None] = deque()
        self._has_turn = False

    # Its lifetime

    def open(self, listen: Listen, on_closed: Callable[["Topic"], None]) -> None:
        """Begin to listen. ``on_closed`` is called when no more messages come."""
        self._listener = asyncio.create_task(self._listen(listen, on_closed))
        self._listener.add_done_callback(functools.partial(self._settle, on_closed))

    def enter(self) -> None:
        """Use the topic: it stays open."""
        self._users += 1
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
            self.state = TopicState.OPEN

    def leave(self) -> None:
        """Release the topic. Without users it lingers for a while, or is closed."""
        self._users -= 1
        if self._users:
            return
        if self._linger_s and self.state is TopicState.OPEN:
            self.state = TopicState.LINGERING
            self._lingering = asyncio.get_running_loop().call_later(self._linger_s, self.close)
        else:
            self.close()

    def close(self) -> None:
        """Leave the topic on the bus."""
        if self.state in (TopicState.CLOSING, TopicState.CLOSED):
            return
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        assert self._listener is not None, "there is one from its opening to its end"
        self.state = TopicState.CLOSING
        self._waiting.clear()
        self._delivery = None
        self._listener.cancel()

    async def confirmed(self) -> None:
        """Return when the broker has confirmed the topic. Raises: the error that ended the listening."""
        await asyncio.shield(self._confirmed)

    async def closed(self) -> None:
        """Return when it is closed."""
        await self._closed.wait()

    @property
    def listener(self) -> "asyncio.Task[None] | None":
        """The task that listens; None after it is closed."""
        return self._listener

    async def _listen(self, listen: Listen, on_closed: Callable[["Topic"], None]) -> None:
        try:
            async with listen(self.name) as messages:
                self._confirmed.set_result(None)
                if self.state is TopicState.OPENING:
                    self.state = TopicState.OPEN
                async for message in messages:
                    self.take(message)
            raise ListeningEnded(self.name)
        except Exception as error:
            _log.exception("listening failed", topic=self.name)
            self.state = TopicState.CLOSED
            # Before the followers fail: they may subscribe again and open a new topic.
            on_closed(self)
            if not self._confirmed.done():
                self._confirmed.set_exception(error)
                self._confirmed.exception()
            self._waiting.clear()
            self._delivery = self._deliver_failure(error)
            self._go_on_soon()

    def _settle(self, on_closed: Callable[["Topic"], None], _: "asyncio.Task[None]") -> None:
        # Not in a `finally` of the listener: a task that is cancelled before its first step never runs it.
        self.state = TopicState.CLOSED
        self._listener = None
        self._confirmed.cancel()
        on_closed(self)
        self._closed.set()

    # The delivery of its messages

    @property
    def waiting(self) -> int:
        """The number of messages that are not delivered yet."""
        return len(self._waiting) + (self._delivery is not None)

    def _begin(self, message: Heard) -> Iterator[None]:
        """Decode a message; returns the pieces of its delivery. Raises: any Exception of the decoding."""
        if not isinstance(message, bytes) and len(self.followers) <= FOLLOWERS_AT_ONCE:
            # Nearly every position is of this process, and a car has one follower: one piece needs no generators.
            for follower in list(self.followers):
                follower.take_unversioned(message)
            return iter(())
        event = self._delivering.decoder.decode(self.name, message) if isinstance(message, bytes) else message
        pieces = self._deliver_trip(event) if isinstance(event, TripEvent) else self._deliver_unversioned(event)
        spans = self._delivering.spans
        if spans is None or not isinstance(message, bytes):
            return pieces
        return spans.of(message, event, pieces, followers=len(self.followers))

    def _deliver_trip(self, event: TripEvent) -> Iterator[None]:
        """Deliver a change to all followers, unless this version or a newer one was delivered before.

        ``is_old``: a newer version may have been delivered and forgotten.
        """
        is_old = self.delivered.may_have_forgotten(event)
        if not is_old and not self.delivered.note(event):
            return
        began_s = perf_counter()
        trip_id = event.trip.id
        read: Mapping[UUID, int] | None = None
        known: int | None = None
        for number, piece in enumerate(self._pieces()):
            if number:
                yield
            for follower in piece:
                if follower.known is not read:
                    # Many followers have the same mapping.
                    read = follower.known
                    known = read.get(trip_id)
                follower.take_trip(event, known, is_old=is_old)
        self._delivering.times.add(perf_counter() - began_s)

    def _deliver_unversioned(self, event: Unversioned) -> Iterator[None]:
        """Deliver an event without a version to all followers."""
        for number, piece in enumerate(self._pieces()):
            if number:
                yield
            for follower in piece:
                follower.take_unversioned(event)

    def _deliver_failure(self, error: Exception) -> Iterator[None]:
        for piece in self._pieces():
            for follower in piece:
                follower.fail(error)
            yield

    def _pieces(self) -> Iterator[list[Follower]]:
        """The present followers, a few at a time, without those who have left by then."""
        followers = list(self.followers)
        yield followers[:FOLLOWERS_AT_ONCE]
        for first in range(FOLLOWERS_AT_ONCE, len(followers), FOLLOWERS_AT_ONCE):
            yield [each for each in followers[first : first + FOLLOWERS_AT_ONCE] if each in self.followers]

    def take(self, message: Heard) -> None:
        """Deliver a message, after those that wait."""
        if self._has_locations and len(self._waiting) >= MAX_WAITING_LOCATIONS:
            self._drop_oldest_position()
        if len(self._waiting) >= MAX_WAITING:
            _log.warning("messages arrive faster than they are delivered", topic=self.name)
            self._waiting.clear()
            self._waiting.append(None)
        self._waiting.append(message)
        self._go_on_soon()

    def _drop_oldest_position(self) -> None:
        for number, message in enumerate(self._waiting):
            if isinstance(message, bytes | LocationEvent) and self._delivering.decoder.is_location(message):
                del self._waiting[number]
                return

    def _go_on_soon(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._delivering.turns.put(self._go_on)

    def _go_on(self) -> None:
        """Run the next piece of the delivery."""
        self._has_turn = False
        try:
            if self._delivery is None and self._waiting:
                message = self._waiting.popleft()
                if message is None:
                    self._delivering.restart(self.followers)
                else:
                    self._delivery = self._begin(message)
            if self._delivery is not None and next(self._delivery, self) is self:
                self._delivery = None
        except Exception:
            _log.exception("event cannot be decoded", topic=self.name)
            # Something has changed, and only the state says what. (A newer release may have published it.)
            self._delivery = None
            self._delivering.restart(self.followers)
        if self._delivery is not None or self._waiting:
            self._go_on_soon()
