"""A bus topic that this process listens to: its lifetime, its followers, and what is passed on to them."""

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol
from uuid import UUID

import structlog

from services.live.events import LocationEvent, TripEvent
from services.live.marks import Marks
from services.runtime.fair_queue import FairQueue

_log = structlog.stdlib.get_logger(__name__)

# So many followers are told in one piece of work, about a quarter of a millisecond.
TOLD_AT_ONCE = 16
# Of the messages of one topic so many wait to be passed on. More would take the memory, and be told late.
MAX_WAITING_TRIPS = 1_000
MAX_WAITING_LOCATIONS = 16

Listen = Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]]


class ListeningEnded(Exception):
    """The bus ended a topic that was still in use."""


class Follower(Protocol):
    """Receives the events of a topic."""

    @property
    def known(self) -> Mapping[UUID, int]:
        """The version of each trip that its last read has found; shared by all who had that read."""
        ...

    def take_trip(self, event: TripEvent, known: int | None, *, is_old: bool) -> None:
        """A trip has changed. ``known`` is its version by ``known``; ``is_old``: see ``Topic.tell_of_trip``."""
        ...

    def take_location(self, event: LocationEvent) -> None:
        """A driver has reported a position."""
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
    OPEN = "its messages come"
    LINGERING = "nobody uses it, and it is kept for those who come back"
    CLOSING = "it is being left"
    CLOSED = "nothing comes on it any more"


@dataclass(frozen=True, slots=True)
class Delivering:
    """How the messages of all topics get to their followers.

    ``begin`` decodes a message and returns the telling of it, piece by piece; it may raise. ``turns`` does the
    pieces of all topics. ``restart`` makes followers start over. ``is_of_locations`` knows the names of topics
    that carry positions.
    """

    begin: Callable[["Topic", bytes | LocationEvent], Iterator[None]]
    restart: Callable[[Iterable["Follower"]], None]
    is_of_locations: Callable[[str], bool]
    turns: FairQueue


class Topic:
    """One topic. Each ``enter`` needs a ``leave``; it closes ``linger_s`` seconds after the last one.

    Its messages are passed on one after the other, in pieces of a few followers, between which others are served.
    Who follows when the first piece begins is told, unless they have left meanwhile. Who comes later is not: their
    state is read after that, and has what the message says.
    """

    def __init__(self, name: str, delivering: Delivering, *, linger_s: float) -> None:
        self.name = name
        self.state = TopicState.OPENING
        self.followers: dict[Follower, None] = {}
        self.marks = Marks()
        self._delivering = delivering
        self._has_locations = delivering.is_of_locations(name)
        self._linger_s = linger_s
        self._users = 0
        self._confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        # What is passed on now, and the messages that wait for that; None stands for some that were dropped.
        self._telling: Iterator[None] | None = None
        self._waiting: deque[bytes | LocationEvent | None] = deque()
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
        """Release the topic. Without users it is kept for a while, or closed."""
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
        self._telling = None
        self._listener.cancel()

    async def confirmed(self) -> None:
        """Return once the broker has confirmed the topic. Raises: what ended the listening."""
        await asyncio.shield(self._confirmed)

    async def closed(self) -> None:
        """Return once it is closed."""
        await self._closed.wait()

    @property
    def listener(self) -> "asyncio.Task[None] | None":
        """The task that listens; None once it is closed."""
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
            # Before its followers hear of it: new ones open the topic anew.
            on_closed(self)
            if not self._confirmed.done():
                self._confirmed.set_exception(error)
                self._confirmed.exception()
            self._waiting.clear()
            self._telling = self._tell_of_failure(error)
            self._go_on_soon()

    def _settle(self, on_closed: Callable[["Topic"], None], _: "asyncio.Task[None]") -> None:
        # Not a `finally` of the listener: one that is cancelled before its first step never gets there.
        self.state = TopicState.CLOSED
        self._listener = None
        self._confirmed.cancel()
        on_closed(self)
        self._closed.set()

    # What it passes on

    @property
    def waiting(self) -> int:
        """How many messages are not passed on yet."""
        return len(self._waiting) + (self._telling is not None)

    def tell_of_trip(self, event: TripEvent) -> Iterator[None]:
        """Tell all followers of a change, unless the same version or a newer one was told before.

        ``is_old`` says that a newer version may have been told, which is forgotten.
        """
        is_old = self.marks.may_have_forgotten(event)
        if not is_old and not self.marks.note(event):
            return
        trip_id = event.trip.id
        read: Mapping[UUID, int] | None = None
        known: int | None = None
        for number, piece in enumerate(self._pieces()):
            if number:
                yield
            for follower in piece:
                if follower.known is not read:
                    # Many have the same.
                    read = follower.known
                    known = read.get(trip_id)
                follower.take_trip(event, known, is_old=is_old)

    def tell_of_location(self, event: LocationEvent) -> Iterator[None]:
        """Tell all followers of a position."""
        for number, piece in enumerate(self._pieces()):
            if number:
                yield
            for follower in piece:
                follower.take_location(event)

    def _tell_of_failure(self, error: Exception) -> Iterator[None]:
        for piece in self._pieces():
            for follower in piece:
                follower.fail(error)
            yield

    def _pieces(self) -> Iterator[list[Follower]]:
        """Those who follow now, a few at a time, without those who have left by then."""
        followers = list(self.followers)
        for first in range(0, len(followers), TOLD_AT_ONCE):
            yield [each for each in followers[first : first + TOLD_AT_ONCE] if each in self.followers]

    def take(self, message: bytes | LocationEvent) -> None:
        """Pass a message on, after those that wait."""
        if self._has_locations:
            if len(self._waiting) >= MAX_WAITING_LOCATIONS:
                self._waiting.popleft()
        elif len(self._waiting) >= MAX_WAITING_TRIPS:
            _log.warning("messages come faster than they are passed on", topic=self.name)
            self._waiting.clear()
            self._waiting.append(None)
        self._waiting.append(message)
        self._go_on_soon()

    def _go_on_soon(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._delivering.turns.put(self._go_on)

    def _go_on(self) -> None:
        """Do the next piece of what is passed on."""
        self._has_turn = False
        try:
            if self._telling is None and self._waiting:
                message = self._waiting.popleft()
                if message is None:
                    self._delivering.restart(self.followers)
                else:
                    self._telling = self._delivering.begin(self, message)
            if self._telling is not None and next(self._telling, self) is self:
                self._telling = None
        except Exception:
            _log.exception("undecodable event", topic=self.name)
            # Something has changed, and only the state says what. (A newer release may have sent it.)
            self._telling = None
            self._delivering.restart(self.followers)
        if self._telling is not None or self._waiting:
            self._go_on_soon()
