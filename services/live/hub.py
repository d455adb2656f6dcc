"""Live delivery: from the topics of the bus to the subscribers of this process."""

import asyncio
import functools
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from models.values import Location
from models.visibility import may_see
from services.runtime.counters import Counts
from services.runtime.tasks import end
from services.live.feeds import Event, Feed, NotFound, TooManyPools, Verdict
from services.live.events import (LocationEvent, Message, TripEvent)
from services.live.reads import State
from services.events.channels import Topics

_log = structlog.stdlib.get_logger(__name__)

# How long a topic remembers the last version that it passed on, by the database's clock.
MARK_TTL = timedelta(minutes=10)
MAX_MARKS = 100_000
# More than lies between a change's `updated` and its commit: statements are given up after 30 seconds.
LONGEST_COMMIT = timedelta(minutes=1)
NEVER = datetime.min.replace(tzinfo=UTC)
MAX_BUFFERED_EVENTS = 256
RECENT_EVENTS = 256
RETRY_DELAY_S = 0.5
TIMER_SLACK_S = 0.005
# Longer than clients wait before they come back, at first.
LINGER_S = 3.0


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
    snapshot, what is around it, or one trip), and events wait there in order.

    ``known`` are the versions of the last read, shared with others; ``told`` those that checks have found since.
    Nothing up to them is passed on. ``as_of`` is the database's clock when that read was done.
    """

    __slots__ = (
        "as_of",
        "feed",
        "has_ended",
        "known",
        "look_around",
        "read_again",
        "sink",
        "task",
        "timer",
        "told",
        "topics",
        "waiting",
    )

    def __init__(self, feed: Feed, sink: Sink) -> None:
        self.feed = feed
        self.sink = sink
        self.topics: dict[str, _Topic] = {}
        self.as_of = NEVER
        self.known: dict[UUID, int] = {}
        self.told: dict[UUID, int] = {}
        self.waiting: list[Event] | None = []
        self.read_again = True
        self.look_around = False
        self.has_ended = False
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def may_show(self, trip_id: UUID) -> bool:
        """Whether the client may show the trip: the feed knows, or an event has told of it since the read."""
        if trip_id in self.feed.shown:
            return True
        return any(topic.told_before(trip_id) > self.as_of for topic in self.topics.values())

    def version_of(self, trip_id: UUID) -> int | None:
        """The version that it has of a trip, by the last read or after it."""
        return self.told.get(trip_id) or self.known.get(trip_id)


class _Topic:
    """A topic that this process listens to, and those who follow it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.users = 0
        self.subscribers: dict[Subscriber, None] = {}
        self.confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_begun = False
        # Nobody follows it any more: until when it is kept, and whether that is over.
        self.lingering: asyncio.TimerHandle | None = None
        self.is_leaving = False
        self.listener: asyncio.Task[None] | None = None
        self.left = asyncio.Event()
        # Of each trip the last version passed on, and its `as_of`, and that of the ones before; the oldest first.
        self.marks: OrderedDict[UUID, tuple[int, datetime, datetime]] = OrderedDict()
        # The newest `as_of` of those marks that are gone.
        self.forgotten = NEVER

    def passes(self, event: TripEvent) -> bool:
        """Whether the event is of a newer version than was passed on; it is remembered then.

        Not to be asked of an event of which a newer version may be forgotten: remembering the old one would let
        all versions between the two pass.
        """
        trip_id, as_of = event.trip.id, event.as_of
        mark = self.marks.get(trip_id)
        if mark is not None and event.trip.version <= mark[0]:
            return False
        before = max(mark[1:]) if mark is not None else self.forgotten
        self.marks[trip_id] = (event.trip.version, as_of, before)
        self.marks.move_to_end(trip_id)
        oldest = as_of - MARK_TTL
        while len(self.marks) > MAX_MARKS or next(iter(self.marks.values()))[1] < oldest:
            self.forgotten = max(self.forgotten, self.marks.popitem(last=False)[1][1])
        return True

    def may_have_forgotten(self, event: TripEvent) -> bool:
        """Whether a newer version of the event's trip may have been passed on, of which the mark is gone.

        That version was committed after ``event.as_of``. No clock of this process is asked: it may jump.
        """
        return event.trip.id not in self.marks and event.as_of <= self.forgotten + LONGEST_COMMIT

    def told_before(self, trip_id: UUID) -> datetime:
        """The newest ``as_of`` that an event of the trip before the present one may have had."""
        mark = self.marks.get(trip_id)
        return mark[2] if mark is not None else self.forgotten


class Subscription:
    """Held by whoever subscribed."""

    def __init__(self, hub: "Hub", subscriber: Subscriber) -> None:
        self._hub = hub
        self._subscriber = subscriber
        self._has_ended = False

    def end(self) -> None:
        """Deliver no more. May be called again."""
        if not self._has_ended:
            self._has_ended = True
            self._hub._leave(self._subscriber)  # pyright: ignore[reportPrivateUsage]

    def start_over(self) -> None:
        """Deliver a new snapshot: the sink has dropped messages."""
        self._hub._read_again(self._subscriber)  # pyright: ignore[reportPrivateUsage]


class Hub:
    """Gives each subscriber a snapshot, then changes: no gap, no repetition, never backwards.

    - The topics are confirmed before the state is read: a change in between waits, and is not lost. When a feed
      comes to need other topics, those are confirmed and read before the old ones are left.
    - Of each trip a topic passes on only rising versions. An event about a trip that the subscriber's
      snapshot does not have, and that is no newer than that snapshot, is checked by a fresh
      read (shared within the process), so that a late "offered" cannot bring back a trip that is gone.
    - After a gap in the bus every subscriber gets a new snapshot; after an event that cannot be decoded, those
      of its topic do.
    - A topic that nobody follows is kept for ``linger_s`` seconds: 1,000 clients who lose their connections and
      come back do not have to wait until as many topics have been left and entered again.
    - A read that fails is tried again until it succeeds; meanwhile the subscriber's events wait.
    - What changes by time alone is told when it is time, with one timer a subscriber.

    The cost of an event is one decision a subscriber; reads, contents and encodings are shared.
    """

    def __init__(
        self,
        state: State,
        listen: Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]],
        topics: Topics,
        counts: Counts,
        *,
        linger_s: float = 0.0,
        max_pools_per_user: int = 20,
    ) -> None:
        """``max_pools_per_user``: how many feeds a user may have that move with the position."""
        self.counts = counts
        self._state = state
        self._listen_to = listen
        self._names = topics
        self._linger_s = linger_s
        self._topics: dict[str, _Topic] = {}
        self._subscribers: dict[Subscriber, None] = {}
        self._max_pools = max_pools_per_user
        self._pools: Counter[UUID] = Counter()
        self._recent: OrderedDict[bytes, Event] = OrderedDict()

    @property
    def topics(self) -> int:
        """How many topics this process listens to."""
        return len(self._topics)

    @property
    def subscribers(self) -> int:
        """How many subscribers there are."""
        return len(self._subscribers)

    async def subscribe(self, feed: Feed, sink: Sink) -> "Subscription":
        """Deliver ``feed`` to ``sink``, its snapshot first, until the subscription is ended.

        Raises:
            NotFound: what is to be followed does not exist for the caller.
            TooManyPools: the caller follows the pool often enough.
        """
        if feed.moves:
            # Nothing waits between comparing and counting.
            if self._pools[feed.actor.id] >= self._max_pools:
                raise TooManyPools
            self._pools[feed.actor.id] += 1
        subscriber = Subscriber(feed, sink)
        self._subscribers[subscriber] = None
        subscription = Subscription(self, subscriber)
        try:
            await self._settle(subscriber)
        except BaseException:
            subscription.end()
            raise
        return subscription

    def resync(self) -> None:
        """Send a new snapshot to every subscriber: events may have been lost."""
        for subscriber in list(self._subscribers):
            self._read_again(subscriber)

    def _leave(self, subscriber: Subscriber) -> None:
        self._detach(subscriber)
        if subscriber.task is not None:
            subscriber.task.cancel()
        if subscriber.feed.moves:
            self._pools[subscriber.feed.actor.id] -= 1
            if not self._pools[subscriber.feed.actor.id]:
                del self._pools[subscriber.feed.actor.id]
        topics, subscriber.topics = subscriber.topics, {}
        for topic in topics.values():
            self._release(topic)

    def _detach(self, subscriber: Subscriber) -> None:
        """Deliver nothing more to a subscriber. Its topics are left when it ends its subscription."""
        subscriber.has_ended = True
        if subscriber.timer is not None:
            subscriber.timer.cancel()
        self._subscribers.pop(subscriber, None)
        for topic in subscriber.topics.values():
            topic.subscribers.pop(subscriber, None)

    async def _follow(self, subscriber: Subscriber) -> Collection[_Topic]:
        """Follow the topics that the feed needs now, all confirmed; returns those that it no longer needs."""
        wanted = subscriber.feed.topics
        missing: list[str] = []
        for name in wanted:
            if name in subscriber.topics:
                continue
            topic = self._topics.get(name)
            if topic is not None and topic.has_begun and not topic.is_leaving:
                self._use(topic)
                self._attach(subscriber, topic)
            else:
                missing.append(name)
        if len(missing) == 1:
            self._attach_all(subscriber, [await self._acquire(missing[0])])
        elif missing:
            acquiring = [asyncio.ensure_future(self._acquire(name)) for name in missing]
            try:
                await asyncio.gather(*acquiring)
            except BaseException:
                for each in acquiring:
                    each.add_done_callback(self._release_acquired)
                    each.cancel()
                raise
            self._attach_all(subscriber, [each.result() for each in acquiring])
        if len(wanted) == len(subscriber.topics):
            return ()
        return [topic for name, topic in subscriber.topics.items() if name not in wanted]

    def _attach_all(self, subscriber: Subscriber, topics: Sequence[_Topic]) -> None:
        for topic in topics:
            if self._topics.get(topic.name) is not topic:
                # It failed while the others were waited for: nothing would ever come on it.
                for each in topics:
                    self._release(each)
                raise ListeningEnded(topic.name)
        for topic in topics:
            self._attach(subscriber, topic)

    def _attach(self, subscriber: Subscriber, topic: _Topic) -> None:
        if subscriber.has_ended:
            self._release(topic)
        else:
            subscriber.topics[topic.name] = topic
            topic.subscribers[subscriber] = None

    def _release_acquired(self, acquiring: "asyncio.Future[_Topic]") -> None:
        if not acquiring.cancelled() and acquiring.exception() is None:
            self._release(acquiring.result())

    async def _acquire(self, name: str) -> _Topic:
        """The topic, confirmed by the broker."""
        while (topic := self._topics.get(name)) is not None and topic.is_leaving:
            # It is being left. broadcaster loses a subscription that begins while another ends.
            await topic.left.wait()
        if topic is None:
            topic = self._topics[name] = _Topic(name)
            topic.listener = asyncio.create_task(self._listen(topic))
            topic.listener.add_done_callback(functools.partial(self._forget, topic))
        self._use(topic)
        try:
            await asyncio.shield(topic.confirmed)
        except BaseException:
            self._release(topic)
            raise
        return topic

    def _use(self, topic: _Topic) -> None:
        topic.users += 1
        if topic.lingering is not None:
            topic.lingering.cancel()
            topic.lingering = None

    def _release(self, topic: _Topic) -> None:
        topic.users -= 1
        if topic.users:
            return
        if self._linger_s and topic.has_begun:
            topic.lingering = asyncio.get_running_loop().call_later(self._linger_s, self._quit, topic)
        else:
            self._quit(topic)

    def _quit(self, topic: _Topic) -> None:
        topic.is_leaving = True
        if topic.listener is not None:
            topic.listener.cancel()

    async def stop(self) -> None:
        """Leave every topic."""
        topics = list(self._topics.values())
        for topic in topics:
            if topic.lingering is not None:
                topic.lingering.cancel()
            self._quit(topic)
        await end([topic.listener for topic in topics if topic.listener is not None])

    async def _listen(self, topic: _Topic) -> None:
        receive = self._receive_location if self._names.is_of_locations(topic.name) else self._receive_trip
        try:
            async with self._listen_to(topic.name) as messages:
                topic.confirmed.set_result(None)
                topic.has_begun = True
                async for message in messages:
                    try:
                        receive(topic, message)
                    except Exception:
                        _log.exception("undecodable event", topic=topic.name)
                        # Something has changed, and only the state says what. (A newer release may have sent it.)
                        for subscriber in list(topic.subscribers):
                            self._read_again(subscriber)
            raise ListeningEnded(topic.name)
        except Exception as error:
            _log.exception("listening failed", topic=topic.name)
            # Whoever comes from now on begins anew.
            del self._topics[topic.name]
            if not topic.confirmed.done():
                topic.confirmed.set_exception(error)
                topic.confirmed.exception()
            for subscriber in list(topic.subscribers):
                self._end(subscriber, error)

    def _forget(self, topic: _Topic, _: "asyncio.Task[None]") -> None:
        # Not a `finally` of the listener: one that is cancelled before its first step never gets there.
        if self._topics.get(topic.name) is topic:
            del self._topics[topic.name]
        topic.confirmed.cancel()
        topic.left.set()
        topic.listener = None

    def _receive_trip(self, topic: _Topic, message: bytes) -> None:
        event = self._recent.get(message)
        if event is None:
            event = self._remember(message, TripEvent.from_message(message))
        assert isinstance(event, TripEvent), "topics carry one kind"
        self.dispatch(topic, event)

    def _receive_location(self, topic: _Topic, message: bytes) -> None:
        event = self._recent.get(message)
        if event is None:
            event = self._remember(message, LocationEvent(Location.from_json(message)))
        self.counts.events += 1
        for subscriber in list(topic.subscribers):
            if subscriber.waiting is None:
                self._deliver(subscriber, event)
                self._set_timer(subscriber)
            else:
                self._wait(subscriber, event)

    def _set_timer(self, subscriber: Subscriber) -> None:
        """Look at the feed again when it may have something to say without an event.

        A timer that runs is left alone: what has put that off is found out when it rings.
        """
        if subscriber.timer is None and not subscriber.has_ended:
            delay_s = subscriber.feed.changes_in_s
            if delay_s is not None:
                # The timer's clock is not the feed's, and may be a little early.
                subscriber.timer = asyncio.get_running_loop().call_later(
                    delay_s + TIMER_SLACK_S, self._grow_old, subscriber
                )

    def _grow_old(self, subscriber: Subscriber) -> None:
        subscriber.timer = None
        if subscriber.waiting is not None:
            # Its state is being read; the timer is set again after that.
            return
        try:
            message = subscriber.feed.grow_old()
            if message is not None:
                subscriber.sink.deliver(message)
        except Exception as error:
            _log.exception("delivery failed")
            self._end(subscriber, error)
        self._set_timer(subscriber)

    def _remember(self, message: bytes, event: Event) -> Event:
        """Keep the event of those bytes: one object, on however many topics they come."""
        self._recent[message] = event
        if len(self._recent) > RECENT_EVENTS:
            self._recent.popitem(last=False)
        return event

    def dispatch(self, topic: _Topic, event: TripEvent) -> None:
        """Pass an event on to everybody who follows the topic."""
        self.counts.events += 1
        is_old = topic.may_have_forgotten(event)
        if not is_old and not topic.passes(event):
            return
        trip_id = event.trip.id
        versions: Mapping[UUID, int] = {}
        known: int | None = None
        for subscriber in list(topic.subscribers):
            if subscriber.waiting is None:
                if subscriber.known is not versions:
                    # Many have them from the same read.
                    versions = subscriber.known
                    known = versions.get(trip_id)
                self._pass(
                    subscriber, event, subscriber.version_of(trip_id) if subscriber.told else known, is_old=is_old
                )
            elif is_old:
                self._wait_for_snapshot(subscriber)
            else:
                self._wait(subscriber, event)

    def _wait(self, subscriber: Subscriber, event: Event) -> None:
        assert subscriber.waiting is not None, "otherwise it is delivered"
        if len(subscriber.waiting) >= MAX_BUFFERED_EVENTS:
            self._wait_for_snapshot(subscriber)
        else:
            subscriber.waiting.append(event)

    def _wait_for_snapshot(self, subscriber: Subscriber) -> None:
        """A snapshot read from now on says as much as everything that waits."""
        assert subscriber.waiting is not None, "otherwise it is read at once"
        subscriber.waiting.clear()
        subscriber.read_again = True

    def _pass(self, subscriber: Subscriber, event: TripEvent, known: int | None, *, is_old: bool) -> None:
        """Send an event to a subscriber with nothing before it, or have it checked first.

        ``known`` is the version of the trip that the subscriber has. ``is_old``: a newer one may have been passed
        on since.
        """
        if known is not None and event.trip.version <= known:
            return
        if known is None and event.as_of <= subscriber.as_of:
            subscriber.waiting = [event]
            self._settle_later(subscriber)
        elif is_old:
            self._read_again(subscriber)
        elif known is None and event.trip.updated <= subscriber.as_of:
            self._deliver_if_seen(subscriber, event)
        else:
            self._deliver(subscriber, event)

    def _deliver(self, subscriber: Subscriber, event: Event) -> None:
        try:
            change = subscriber.feed.change(event)
            if isinstance(change, Message):
                subscriber.sink.deliver(change)
                if change.is_last:
                    self._end(subscriber, None)
            elif change is None:
                return
            elif not isinstance(change, Verdict):
                for message in change:
                    subscriber.sink.deliver(message)
            elif change is Verdict.SIGHT_LOST:
                self._end(subscriber, NotFound())
            elif change is Verdict.ENDED:
                self._end(subscriber, None)
            elif change is Verdict.READ_AGAIN:
                self._read_again(subscriber)
            else:
                subscriber.look_around = True
                self._hold(subscriber)
        except Exception as error:
            # One subscriber's failure never reaches another.
            _log.exception("delivery failed", topics=len(subscriber.topics))
            self._end(subscriber, error)

    def _end(self, subscriber: Subscriber, error: Exception | None) -> None:
        if subscriber.has_ended:
            return
        self._detach(subscriber)
        try:
            subscriber.sink.end(error)
        except Exception:
            _log.exception("ending a subscription failed")

    def _read_again(self, subscriber: Subscriber) -> None:
        self.counts.resyncs += 1
        subscriber.read_again = True
        self._hold(subscriber)

    def _hold(self, subscriber: Subscriber) -> None:
        """Let events wait while state is read."""
        if subscriber.waiting is None:
            subscriber.waiting = []
            self._settle_later(subscriber)

    def _settle_later(self, subscriber: Subscriber) -> None:
        subscriber.task = asyncio.create_task(self._settle_at_last(subscriber))

    async def _settle_at_last(self, subscriber: Subscriber) -> None:
        while True:
            try:
                return await self._settle(subscriber)
            except NotFound as error:
                return self._end(subscriber, error)
            except Exception:
                # The database is away, and the read has said so. What was promised is a snapshot, as soon as
                # there can be one.
                subscriber.read_again = True
                await asyncio.sleep(RETRY_DELAY_S)

    async def _settle(self, subscriber: Subscriber) -> None:
        """Bring a subscriber whose events wait to where they flow straight through.

        Raises:
            NotFound: what is followed does not exist for the caller.
            Exception: what the database raises.
        """
        assert subscriber.waiting is not None, "nothing else reads for this subscriber"
        while not subscriber.has_ended:
            if subscriber.read_again or subscriber.look_around:
                await self._send_state(subscriber)
            elif subscriber.waiting:
                event = subscriber.waiting.pop(0)
                if isinstance(event, LocationEvent):
                    self._deliver(subscriber, event)
                    continue
                known = subscriber.version_of(event.trip.id)
                if known is None:
                    await self._deliver_current(subscriber, event)
                elif event.trip.version > known:
                    self._deliver(subscriber, event)
            else:
                subscriber.waiting = None
                self._set_timer(subscriber)
                return

    async def _send_state(self, subscriber: Subscriber) -> None:
        """Read what the feed follows, and send it: as a snapshot, or as what it changes."""
        feed, as_snapshot = subscriber.feed, subscriber.read_again
        subscriber.read_again = subscriber.look_around = False
        if as_snapshot:
            # Before the position is asked for, too, nothing that is told of it may be lost.
            await self._follow(subscriber)
            await feed.prepare(self._state)
        for topic in await self._follow(subscriber):
            # Before the read: a trip may come on the old topics and on the new ones, each with marks of its own.
            del subscriber.topics[topic.name]
            topic.subscribers.pop(subscriber, None)
            self._release(topic)
        if as_snapshot and subscriber.waiting:
            # What has come before the read begins is in it. (After a look around what has gone is told of.)
            subscriber.waiting[:] = [e for e in subscriber.waiting if isinstance(e, LocationEvent)]
        read = await feed.read(self._state)
        if subscriber.read_again or subscriber.has_ended:
            # Events were lost meanwhile: what was read may be older than they were.
            return
        subscriber.as_of = read.as_of
        subscriber.known = read.versions
        subscriber.told = {}
        try:
            if as_snapshot:
                message = feed.snapshot(read)
                if message is Verdict.ENDED:
                    self._end(subscriber, None)
                elif isinstance(message, Message):
                    subscriber.sink.deliver(message)
                    if message.is_last:
                        self._end(subscriber, None)
            else:
                for message in feed.look_around(read):
                    subscriber.sink.deliver(message)
        except NotFound:
            raise
        except Exception as error:
            # Not the database's failure: it would come again with every read.
            _log.exception("delivery failed")
            self._end(subscriber, error)

    async def _deliver_current(self, subscriber: Subscriber, event: TripEvent) -> None:
        """Check an event about a trip that the snapshot does not have, and send the trip as it is now."""
        if event.trip.updated > subscriber.as_of:
            self._deliver(subscriber, event)
            return
        if event.as_of > subscriber.as_of:
            self._deliver_if_seen(subscriber, event)
            return
        read = await self._state.trip(event.trip.id)
        current = read.event()
        if current is None or subscriber.read_again or subscriber.has_ended:
            return
        subscriber.told[current.trip.id] = current.trip.version
        self._deliver_if_seen(subscriber, current)

    def _deliver_if_seen(self, subscriber: Subscriber, event: TripEvent) -> None:
        """Send a trip as a read has found it, unless it is nothing to the subscriber and never was."""
        if may_see(subscriber.feed.actor, event.trip) or subscriber.may_show(event.trip.id):
            self._deliver(subscriber, event)
