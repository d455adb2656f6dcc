"""Live delivery: from the topics of the bus to the subscribers of this process."""

import asyncio
import functools
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from models.snapshots import TripSnapshot
from models.visibility import may_see
from services import trip_rows
from services.counts import Counts
from services.database import Database
from services.live.feeds import Feed, NotFound, Verdict
from services.live.occurrences import Message, StateReads, TripEvent

_log = structlog.stdlib.get_logger(__name__)

# How long a topic remembers the last version that it passed on.
MARK_TTL_S = 600.0
MAX_MARKS = 100_000
# An event older than this may be older than the marks: only a new snapshot tells what it means.
FRESH_AGE = timedelta(seconds=MARK_TTL_S / 2)
MAX_BUFFERED_EVENTS = 256
RECENT_EVENTS = 256
RETRY_DELAY_S = 0.5


class ListeningEnded(Exception):
    """The bus ended a topic that nobody had left."""


class Sink(Protocol):
    """Where a subscriber's messages go. Neither method may block or raise."""

    def deliver(self, message: Message) -> None:
        """Send a message, after all earlier ones."""
        ...

    def end(self, error: Exception | None) -> None:
        """Nothing follows. ``error``: NotFound when sight was lost, anything else is our failure."""
        ...


class Subscriber:
    """One subscription: a feed, a sink, and how far it has come.

    ``waiting`` is None while messages flow straight through. Otherwise a task reads state for it (its
    snapshot, or one trip), and events wait there in order.
    """

    __slots__ = ("as_of", "feed", "known", "read_again", "sink", "task", "waiting")

    def __init__(self, feed: Feed, sink: Sink) -> None:
        self.feed = feed
        self.sink = sink
        self.as_of = datetime.min.replace(tzinfo=UTC)
        self.known: dict[UUID, int] = {}
        self.waiting: list[TripEvent] | None = []
        self.read_again = True
        self.task: asyncio.Task[None] | None = None


class _Topic:
    """A topic that this process listens to, and those who follow it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.users = 0
        self.subscribers: dict[Subscriber, None] = {}
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.listener: asyncio.Task[None] | None = None
        self.left = asyncio.Event()
        # The last version passed on of each trip, and when; the oldest first.
        self.marks: OrderedDict[UUID, tuple[int, float]] = OrderedDict()


class Subscription:
    """Held by whoever subscribed."""

    def __init__(self, hub: "Hub", topic: _Topic, subscriber: Subscriber) -> None:
        self._hub = hub
        self._topic = topic
        self._subscriber = subscriber
        self._has_ended = False

    def end(self) -> None:
        """Deliver no more. May be called again."""
        if not self._has_ended:
            self._has_ended = True
            self._hub._leave(self._topic, self._subscriber)  # pyright: ignore[reportPrivateUsage]

    def start_over(self) -> None:
        """Deliver a new snapshot: the sink has dropped messages."""
        self._hub._read_again(self._topic, self._subscriber)  # pyright: ignore[reportPrivateUsage]


class Hub:
    """Gives each subscriber a snapshot, then changes: no gap, no repetition, never backwards.

    - The topic is confirmed before the state is read: a change in between waits, and is not lost.
    - Of each trip a topic passes on only rising versions. An event about a trip that the subscriber's
      snapshot does not have, and that was committed before that snapshot was read, is checked by a fresh
      read (shared within the process), so that a late "offered" cannot bring back a trip that is gone.
    - After a gap in the bus every subscriber gets a new snapshot.
    - A read that fails is tried again until it succeeds; meanwhile the subscriber's events wait.

    The cost of an event is one decision a subscriber; reads, contents and encodings are shared.
    """

    def __init__(
        self,
        database: Database,
        listen: Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]],
        counts: Counts,
    ) -> None:
        self.counts = counts
        self._database = database
        self._listen_to = listen
        self._topics: dict[str, _Topic] = {}
        self._reads = StateReads(counts)
        self._recent: OrderedDict[bytes, TripEvent] = OrderedDict()
        self._clock_offset = timedelta(0)

    @property
    def topics(self) -> int:
        """How many topics this process listens to."""
        return len(self._topics)

    @property
    def subscribers(self) -> int:
        """How many subscribers there are."""
        return sum(len(topic.subscribers) for topic in self._topics.values())

    async def subscribe(self, feed: Feed, sink: Sink) -> "Subscription":
        """Deliver ``feed`` to ``sink``, its snapshot first, until the subscription is ended.

        Raises:
            NotFound: what is to be followed does not exist for the caller.
        """
        topic = await self._acquire(feed.topic)
        subscriber = Subscriber(feed, sink)
        topic.subscribers[subscriber] = None
        subscription = Subscription(self, topic, subscriber)
        try:
            await self._settle(topic, subscriber)
        except BaseException:
            subscription.end()
            raise
        return subscription

    def resync(self) -> None:
        """Send a new snapshot to every subscriber: events may have been lost."""
        for topic in self._topics.values():
            for subscriber in list(topic.subscribers):
                self._read_again(topic, subscriber)

    def _leave(self, topic: _Topic, subscriber: Subscriber) -> None:
        topic.subscribers.pop(subscriber, None)
        if subscriber.task is not None:
            subscriber.task.cancel()
        self._release(topic)

    async def _acquire(self, name: str) -> _Topic:
        """The topic, confirmed by the broker."""
        while (topic := self._topics.get(name)) is not None and topic.users == 0:
            # It is being left. broadcaster loses a subscription that begins while another ends.
            await topic.left.wait()
        if topic is None:
            topic = self._topics[name] = _Topic(name)
            topic.listener = asyncio.create_task(self._listen(topic))
            topic.listener.add_done_callback(functools.partial(self._forget, topic))
        topic.users += 1
        try:
            await asyncio.shield(topic.confirmed)
        except BaseException:
            self._release(topic)
            raise
        return topic

    def _release(self, topic: _Topic) -> None:
        topic.users -= 1
        if topic.users == 0 and topic.listener is not None:
            topic.listener.cancel()

    async def _listen(self, topic: _Topic) -> None:
        try:
            async with self._listen_to(topic.name) as messages:
                topic.confirmed.set_result(None)
                async for message in messages:
                    self._receive(topic, message)
            raise ListeningEnded(topic.name)
        except Exception as error:
            _log.exception("listening failed", topic=topic.name)
            # Whoever comes from now on begins anew.
            del self._topics[topic.name]
            if not topic.confirmed.done():
                topic.confirmed.set_exception(error)
                topic.confirmed.exception()
            for subscriber in list(topic.subscribers):
                self._end(topic, subscriber, error)

    def _forget(self, topic: _Topic, _: "asyncio.Task[None]") -> None:
        # Not a `finally` of the listener: one that is cancelled before its first step never gets there.
        if self._topics.get(topic.name) is topic:
            del self._topics[topic.name]
        topic.confirmed.cancel()
        topic.left.set()

    def _receive(self, topic: _Topic, message: bytes) -> None:
        try:
            event = self._event(message)
        except Exception:
            _log.exception("undecodable event", topic=topic.name)
            return
        self.dispatch(topic, event)

    def _event(self, message: bytes) -> TripEvent:
        """The event of those bytes: one object, on however many topics they come."""
        event = self._recent.get(message)
        if event is None:
            event = self._recent[message] = TripEvent(TripSnapshot.from_json(message))
            if len(self._recent) > RECENT_EVENTS:
                self._recent.popitem(last=False)
        return event

    def dispatch(self, topic: _Topic, event: TripEvent) -> None:
        """Pass an event on to everybody who follows the topic."""
        self.counts.events += 1
        trip, now = event.trip, time.monotonic()
        mark = topic.marks.get(trip.id)
        if mark is not None and trip.version <= mark[0]:
            return
        topic.marks[trip.id] = (trip.version, now)
        topic.marks.move_to_end(trip.id)
        while len(topic.marks) > MAX_MARKS or next(iter(topic.marks.values()))[1] < now - MARK_TTL_S:
            topic.marks.popitem(last=False)
        is_old = mark is None and self._is_old(event)
        for subscriber in list(topic.subscribers):
            waiting = subscriber.waiting
            if waiting is None:
                self._pass(topic, subscriber, event, is_old=is_old)
            elif is_old or len(waiting) >= MAX_BUFFERED_EVENTS:
                # A snapshot read from now on says as much as all of them.
                waiting.clear()
                subscriber.read_again = True
            else:
                waiting.append(event)

    def _pass(self, topic: _Topic, subscriber: Subscriber, event: TripEvent, *, is_old: bool) -> None:
        """Send an event to a subscriber with nothing before it, or have it checked first."""
        known = subscriber.known.get(event.trip.id)
        if known is None and event.trip.updated <= subscriber.as_of:
            subscriber.waiting = [event]
            self._settle_later(topic, subscriber)
        elif known is None or event.trip.version > known:
            if is_old:
                # It may have been passed on before: the mark of that would be gone.
                self._read_again(topic, subscriber)
            else:
                self._deliver(topic, subscriber, event)

    def _deliver(self, topic: _Topic, subscriber: Subscriber, event: TripEvent) -> None:
        try:
            change = subscriber.feed.change(event)
            if isinstance(change, Message):
                subscriber.sink.deliver(change)
                if subscriber.feed.is_last(change):
                    self._end(topic, subscriber, None)
            elif change is Verdict.SIGHT_LOST:
                self._end(topic, subscriber, NotFound())
            elif change is Verdict.READ_AGAIN:
                self._read_again(topic, subscriber)
        except Exception as error:
            # One subscriber's failure never reaches another.
            _log.exception("delivery failed", topic=topic.name)
            self._end(topic, subscriber, error)

    def _end(self, topic: _Topic, subscriber: Subscriber, error: Exception | None) -> None:
        if subscriber not in topic.subscribers:
            return
        del topic.subscribers[subscriber]
        try:
            subscriber.sink.end(error)
        except Exception:
            _log.exception("ending a subscription failed", topic=topic.name)

    def _read_again(self, topic: _Topic, subscriber: Subscriber) -> None:
        self.counts.resyncs += 1
        subscriber.read_again = True
        if subscriber.waiting is None:
            subscriber.waiting = []
            self._settle_later(topic, subscriber)

    def _settle_later(self, topic: _Topic, subscriber: Subscriber) -> None:
        subscriber.task = asyncio.create_task(self._settle_at_last(topic, subscriber))

    async def _settle_at_last(self, topic: _Topic, subscriber: Subscriber) -> None:
        while True:
            try:
                return await self._settle(topic, subscriber)
            except NotFound as error:
                return self._end(topic, subscriber, error)
            except Exception:
                # The database is away, and the read has said so. What was promised is a snapshot, as soon as
                # there can be one.
                subscriber.read_again = True
                await asyncio.sleep(RETRY_DELAY_S)

    async def _settle(self, topic: _Topic, subscriber: Subscriber) -> None:
        """Bring a subscriber whose events wait to where they flow straight through.

        Raises:
            NotFound: what is followed does not exist for the caller.
            Exception: what the database raises.
        """
        assert subscriber.waiting is not None, "nothing else reads for this subscriber"
        while subscriber in topic.subscribers:
            if subscriber.read_again:
                await self._send_snapshot(topic, subscriber)
            elif subscriber.waiting:
                event = subscriber.waiting.pop(0)
                known = subscriber.known.get(event.trip.id)
                if known is None:
                    await self._deliver_current(topic, subscriber, event)
                elif event.trip.version > known:
                    self._deliver(topic, subscriber, event)
            else:
                subscriber.waiting = None
                return

    async def _send_snapshot(self, topic: _Topic, subscriber: Subscriber) -> None:
        subscriber.read_again = False
        read = await self._reads.read(subscriber.feed.scope, lambda: subscriber.feed.query(self._database))
        if subscriber.read_again or subscriber not in topic.subscribers:
            # Events were lost meanwhile: what was read may be older than they were.
            return
        self._clock_offset = read.as_of - datetime.now(UTC)
        subscriber.as_of = read.as_of
        subscriber.known = read.versions
        try:
            message = subscriber.feed.snapshot(read)
            subscriber.sink.deliver(message)
        except NotFound:
            raise
        except Exception as error:
            # Not the database's failure: it would come again with every read.
            _log.exception("delivery failed", topic=topic.name)
            self._end(topic, subscriber, error)
            return
        if subscriber.feed.is_last(message):
            self._end(topic, subscriber, None)

    async def _deliver_current(self, topic: _Topic, subscriber: Subscriber, event: TripEvent) -> None:
        """Check an event about a trip that the snapshot does not have, and send the trip as it is now."""
        if event.trip.updated > subscriber.as_of:
            self._deliver(topic, subscriber, event)
            return
        trip_id = event.trip.id
        read = await self._reads.read(("trip", trip_id), lambda: trip_rows.find_at(self._database, trip_id))
        current = read.event()
        if current is None or subscriber.read_again:
            return
        # The snapshot's versions are shared with others; what this subscriber alone was sent is not.
        subscriber.known = {**subscriber.known, current.trip.id: current.trip.version}
        if may_see(subscriber.feed.actor, current.trip):
            self._deliver(topic, subscriber, current)

    def _is_old(self, event: TripEvent) -> bool:
        return event.trip.updated < datetime.now(UTC) + self._clock_offset - FRESH_AGE
