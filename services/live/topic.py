"""A bus topic that this process listens to: its lifetime, its followers, and the versions it passed on."""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Protocol
from uuid import UUID

import structlog

from services.live.events import LocationEvent, TripEvent
from services.runtime.tasks import cancel_and_wait

_log = structlog.stdlib.get_logger(__name__)

# How long a topic remembers the last version that it passed on, by the database's clock.
MARK_TTL = timedelta(minutes=10)
MAX_MARKS = 100_000
# More than lies between a change's `updated` and its commit: statements are given up after 30 seconds.
LONGEST_COMMIT = timedelta(minutes=1)
NEVER = datetime.min.replace(tzinfo=UTC)

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
        """A trip has changed. ``known`` is its version by ``known``; ``is_old``: see ``Topic.pass_on``."""
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


class Topic:
    """One topic. Each ``enter`` needs a ``leave``; it closes ``linger_s`` seconds after the last one."""

    def __init__(self, name: str, *, linger_s: float) -> None:
        self.name = name
        self.state = TopicState.OPENING
        self.followers: dict[Follower, None] = {}
        self._linger_s = linger_s
        self._users = 0
        self._confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._lingering: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        # Of each trip the last version passed on, and its `as_of`, and that of the ones before; the oldest first.
        self._marks: OrderedDict[UUID, tuple[int, datetime, datetime]] = OrderedDict()
        # The newest `as_of` of those marks that are gone.
        self._forgotten = NEVER

    # Its lifetime

    def open(
        self, listen: Listen, receive: Callable[["Topic", bytes], None], on_closed: Callable[["Topic"], None]
    ) -> None:
        """Begin to listen. ``receive`` is called with each message, ``on_closed`` when no more come."""
        self._listener = asyncio.create_task(self._listen(listen, receive, on_closed))
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

    async def _listen(
        self, listen: Listen, receive: Callable[["Topic", bytes], None], on_closed: Callable[["Topic"], None]
    ) -> None:
        try:
            async with listen(self.name) as messages:
                self._confirmed.set_result(None)
                if self.state is TopicState.OPENING:
                    self.state = TopicState.OPEN
                async for message in messages:
                    try:
                        receive(self, message)
                    except Exception:
                        _log.exception("undecodable event", topic=self.name)
                        # Something has changed, and only the state says what. (A newer release may have sent it.)
                        for follower in list(self.followers):
                            follower.start_over()
            raise ListeningEnded(self.name)
        except Exception as error:
            _log.exception("listening failed", topic=self.name)
            self.state = TopicState.CLOSED
            # Before its followers hear of it: new ones open the topic anew.
            on_closed(self)
            if not self._confirmed.done():
                self._confirmed.set_exception(error)
                self._confirmed.exception()
            for follower in list(self.followers):
                follower.fail(error)

    def _settle(self, on_closed: Callable[["Topic"], None], _: "asyncio.Task[None]") -> None:
        # Not a `finally` of the listener: one that is cancelled before its first step never gets there.
        self.state = TopicState.CLOSED
        self._listener = None
        self._confirmed.cancel()
        on_closed(self)
        self._closed.set()

    # What it passes on

    def pass_on(self, event: TripEvent) -> None:
        """Tell all followers of a change, unless the same version or a newer one was told before."""
        is_old = self._may_have_forgotten(event)
        if not is_old and not self._marks_as_newer(event):
            return
        trip_id = event.trip.id
        read: Mapping[UUID, int] | None = None
        known: int | None = None
        for follower in list(self.followers):
            if follower.known is not read:
                # Many have the same.
                read = follower.known
                known = read.get(trip_id)
            follower.take_trip(event, known, is_old=is_old)

    def pass_on_location(self, event: LocationEvent) -> None:
        """Tell all followers of a position."""
        for follower in list(self.followers):
            follower.take_location(event)

    def told_before(self, trip_id: UUID) -> datetime:
        """The newest ``as_of`` that an event of the trip before the present one may have had."""
        mark = self._marks.get(trip_id)
        return mark[2] if mark is not None else self._forgotten

    def _marks_as_newer(self, event: TripEvent) -> bool:
        """Whether the event is of a newer version than was passed on; it is remembered then.

        Not to be asked of an event of which a newer version may be forgotten: remembering the old one would let
        all versions between the two pass.
        """
        trip_id, as_of = event.trip.id, event.as_of
        mark = self._marks.get(trip_id)
        if mark is not None and event.trip.version <= mark[0]:
            return False
        before = max(mark[1:]) if mark is not None else self._forgotten
        self._marks[trip_id] = (event.trip.version, as_of, before)
        self._marks.move_to_end(trip_id)
        oldest = as_of - MARK_TTL
        while len(self._marks) > MAX_MARKS or next(iter(self._marks.values()))[1] < oldest:
            self._forgotten = max(self._forgotten, self._marks.popitem(last=False)[1][1])
        return True

    def _may_have_forgotten(self, event: TripEvent) -> bool:
        """Whether a newer version of the event's trip may have been passed on, of which the mark is gone.

        That version was committed after ``event.as_of``. No clock of this process is asked: it may jump.
        """
        return event.trip.id not in self._marks and event.as_of <= self._forgotten + LONGEST_COMMIT


class OpenTopics:
    """The topics that this process listens to, by name."""

    def __init__(self, listen: Listen, receive: Callable[[Topic, bytes], None], *, linger_s: float) -> None:
        self._listen = listen
        self._receive = receive
        self._linger_s = linger_s
        self._topics: dict[str, Topic] = {}

    def __len__(self) -> int:
        return len(self._topics)

    def has(self, topic: Topic) -> bool:
        """Whether the topic has not failed or been closed."""
        return self._topics.get(topic.name) is topic

    def flowing(self, name: str) -> Topic | None:
        """A topic whose messages come already; None if they do not."""
        topic = self._topics.get(name)
        return topic if topic is not None and topic.state in (TopicState.OPEN, TopicState.LINGERING) else None

    def enter_at_once(self, name: str) -> Topic | None:
        """Enter a topic whose messages come already; None if they do not."""
        topic = self.flowing(name)
        if topic is not None:
            topic.enter()
        return topic

    async def enter(self, name: str) -> Topic:
        """Enter a topic once the broker has confirmed it; it is opened if it is not open."""
        while (topic := self._topics.get(name)) is not None and topic.state is TopicState.CLOSING:
            # broadcaster loses a subscription that begins while another ends.
            await topic.closed()
        if topic is None:
            topic = self._topics[name] = Topic(name, linger_s=self._linger_s)
            topic.open(self._listen, self._receive, self._remove)
        topic.enter()
        try:
            await topic.confirmed()
        except BaseException:
            topic.leave()
            raise
        return topic

    async def close(self) -> None:
        """Close all of them."""
        listeners = [topic.listener for topic in self._topics.values()]
        for topic in list(self._topics.values()):
            topic.close()
        await cancel_and_wait([listener for listener in listeners if listener is not None])

    def _remove(self, topic: Topic) -> None:
        if self.has(topic):
            del self._topics[topic.name]
