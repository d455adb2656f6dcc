"""A subscriber: decides which messages to send, in which order, and when to read the state.

Longer than 300 lines because a subscriber is one state machine, whose transitions are easier to check side by
side.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol
from uuid import UUID

import structlog

from models.visibility import may_see
from services.live.delivered_versions import NEVER
from services.live.events import Event, LocationEvent, TripEvent, Unversioned
from services.live.faults import NotShown, NotStaff
from services.live.feeds import Feed, NotFound, Verdict
from services.live.followed_topics import FollowedTopics
from services.live.messages import Message
from services.live.open_topics import OpenTopics
from services.live.reads import StateReader
from services.runtime.counters import Counters

_log = structlog.stdlib.get_logger(__name__)

MAX_BUFFERED_EVENTS = 256
RETRY_DELAY_S = 0.5
TIMER_SLACK_S = 0.005


class Sink(Protocol):
    """Receives a subscriber's messages. Neither method may block or raise."""

    def deliver(self, message: Message) -> None:
        """Send a message, after all earlier ones."""
        ...

    def end(self, error: Exception | None) -> None:
        """The subscription has ended. ``error``: NotShown if it is no longer visible; else a server error."""
        ...


class SubscriberState(Enum):
    """The state of a subscriber."""

    READING = "its state is being read, and its events wait in order"
    FLOWING = "its events go straight to its sink"
    ENDED = "nothing more is sent"


class Subscriber:
    """One subscription: a feed, a sink, and its progress. The caller that created it must ``end`` it.

    It begins in READING, where a task reads what is needed: a snapshot, the area around a new position, or one
    trip whose event may be late. It is FLOWING when nothing is left to read and no event waits.
    """

    __slots__ = (
        "_as_of",
        "_checked",
        "_counters",
        "_feed",
        "_has_left",
        "_on_ended",
        "_read_again",
        "_reads",
        "_sink",
        "_task",
        "_topics",
        "_topics_changed",
        "_waiting",
        "known",
        "state",
        "timer",
    )

    def __init__(
        self,
        feed: Feed,
        sink: Sink,
        *,
        topics: OpenTopics,
        reads: StateReader,
        counters: Counters,
        on_ended: Callable[["Subscriber"], None],
    ) -> None:
        """``on_ended`` is called once, when nothing more is sent."""
        self.state = SubscriberState.READING
        # The versions of the last read, shared with others, and those of later checks. Only newer versions are
        # sent.
        self.known: Mapping[UUID, int] = {}
        self.timer: asyncio.TimerHandle | None = None
        self._checked: dict[UUID, int] = {}
        # The time of that read, by the database's clock.
        self._as_of = NEVER
        self._feed = feed
        self._sink = sink
        self._reads = reads
        self._counters = counters
        self._on_ended = on_ended
        self._topics = FollowedTopics(topics)
        self._waiting: list[Event] = []
        self._read_again = True
        self._topics_changed = False
        self._has_left = False
        self._task: asyncio.Task[None] | None = None

    @property
    def feed(self) -> Feed:
        """The feed that it follows."""
        return self._feed

    @property
    def user_id(self) -> UUID:
        """The user who follows."""
        return self._feed.actor.id

    # READING to FLOWING, and back

    async def begin(self) -> None:
        """Send the snapshot; events flow when this returns.

        Raises:
            NotShown: the caller may not see what the feed follows.
            Exception: an error of the database.
        """
        await self._catch_up()

    def start_over(self) -> None:
        """Send a new snapshot: messages were dropped, or events may have been lost."""
        self._counters.resyncs += 1
        self._read_again = True
        self._read()

    def _read(self, *first: Event) -> None:
        """Let events wait while the state is read; ``first`` comes before all others."""
        if self.state is SubscriberState.FLOWING:
            self.state = SubscriberState.READING
            self._waiting = list(first)
            self._task = asyncio.create_task(self._catch_up_with_patience())

    async def _catch_up_with_patience(self) -> None:
        while True:
            try:
                return await self._catch_up()
            except NotShown as error:
                return self._end(error)
            except Exception:
                # The database is away, and the read has logged that. The subscriber gets a snapshot as soon as
                # possible.
                self._read_again = True
                await asyncio.sleep(RETRY_DELAY_S)

    async def _catch_up(self) -> None:
        """Read what is needed, and send the waiting events, until events can flow."""
        while self.state is SubscriberState.READING:
            if self._read_again or self._topics_changed:
                await self._send_state()
            elif self._waiting:
                await self._send_waiting(self._waiting.pop(0))
            else:
                self.state = SubscriberState.FLOWING
                self._set_timer()

    async def _send_waiting(self, event: Event) -> None:
        if not isinstance(event, TripEvent):
            self._deliver(event)
            return
        known = self._checked.get(event.trip.id) or self.known.get(event.trip.id)
        if known is None:
            await self._send_checked(event)
        elif event.trip.version > known:
            self._deliver(event)

    # FLOWING or READING to ENDED

    def end(self) -> None:
        """Send nothing more, and leave the topics. May be called again."""
        if self._has_left:
            return
        self._has_left = True
        self._stop()
        if self._task is not None:
            self._task.cancel()
        self._topics.leave()

    def fail(self, error: Exception) -> None:
        """Tell the sink that it has failed."""
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        """Tell the sink that the subscription has ended. The topics are left in ``end``, which the subscribing
        code calls.
        """
        if self.state is SubscriberState.ENDED:
            return
        self._stop()
        try:
            self._sink.end(error)
        except Exception:
            _log.exception("ending a subscription failed")

    def _stop(self) -> None:
        if self.state is SubscriberState.ENDED:
            return
        self.state = SubscriberState.ENDED
        if self.timer is not None:
            self.timer.cancel()
        self._topics.stop(self)
        self._on_ended(self)

    # Events

    def take_trip(self, event: TripEvent, known: int | None, *, is_old: bool) -> None:
        """A trip has changed.

        ``is_old``: a newer change may have been delivered before. ``known`` is the version of the trip in the last
        read.
        """
        if self.state is SubscriberState.READING:
            if is_old:
                self._wait_for_snapshot()
            else:
                self._wait(event)
            return
        if self._checked:
            known = self._checked.get(event.trip.id) or known
        if known is not None and event.trip.version <= known:
            return
        if known is None and event.as_of <= self._as_of:
            self._read(event)
        elif is_old:
            self.start_over()
        elif known is None and event.trip.updated <= self._as_of:
            self._deliver_if_seen(event)
        else:
            self._deliver(event)

    def take_unversioned(self, event: Unversioned) -> None:
        """Something of a driver has changed: the position, the standing, or a trip."""
        if self.state is SubscriberState.READING:
            self._wait(event)
        else:
            self._deliver(event)
            self._set_timer()

    def _wait(self, event: Event) -> None:
        if len(self._waiting) >= MAX_BUFFERED_EVENTS:
            self._wait_for_snapshot()
        else:
            self._waiting.append(event)

    def _wait_for_snapshot(self) -> None:
        """A snapshot that is read from now on includes all waiting events."""
        self._waiting.clear()
        self._read_again = True

    def _deliver(self, event: Event) -> None:
        if self.state is SubscriberState.ENDED:
            return
        try:
            change = self._feed.change(event)
            if isinstance(change, Message):
                self._sink.deliver(change)
                if change.is_last:
                    self._end(None)
            elif change is None:
                return
            elif not isinstance(change, Verdict):
                for message in change:
                    self._sink.deliver(message)
            elif change is Verdict.NO_LONGER_VISIBLE:
                self._end(NotFound())
            elif change is Verdict.NO_LONGER_STAFF:
                self._end(NotStaff())
            elif change is Verdict.ENDED:
                self._end(None)
            elif change is Verdict.READ_AGAIN:
                self.start_over()
            else:
                self._topics_changed = True
                self._read()
        except Exception as error:
            # A failure of one subscriber must not affect others.
            _log.exception("delivery failed", topics=len(self._topics))
            self._end(error)

    def _deliver_if_seen(self, event: TripEvent) -> None:
        """Send the trip of a read, if the subscriber may see it, or its client may still show it."""
        if may_see(self._feed.actor, event.trip) or self._may_show(event.trip.id):
            self._deliver(event)

    def _may_show(self, trip_id: UUID) -> bool:
        """Whether the client may show the trip: the feed knows it, or an event about it came after the read."""
        return trip_id in self._feed.shown or self._topics.have_delivered(trip_id, since=self._as_of)

    # Time

    def _set_timer(self) -> None:
        """Ask the feed again when it may have a message without an event.

        A running timer is left alone: if its time was postponed, this is found when it fires.
        """
        if self.timer is None and self.state is not SubscriberState.ENDED:
            delay_s = self._feed.changes_in_s
            if delay_s is not None:
                # The timer and the feed use different clocks, and the timer may be a little early.
                self.timer = asyncio.get_running_loop().call_later(delay_s + TIMER_SLACK_S, self._on_timer)

    def _on_timer(self) -> None:
        self.timer = None
        if self.state is SubscriberState.READING:
            # The timer is set again after the state has been read.
            return
        try:
            message = self._feed.on_timer()
            if message is not None:
                self._sink.deliver(message)
        except Exception as error:
            _log.exception("delivery failed")
            self._end(error)
        self._set_timer()

    # Reading

    async def _send_state(self) -> None:
        """Read the feed's state, and send it as a snapshot or as changes."""
        feed, as_snapshot = self._feed, self._read_again
        self._read_again = self._topics_changed = False
        if as_snapshot:
            # Before the position is read, too: no report in between may be lost.
            await self._topics.follow(self, feed.topics)
            await feed.prepare(self._reads)
        # Before the read: an event may come on an old topic and on a new one, and neither knows what the other has
        # delivered.
        self._topics.drop(self, await self._topics.follow(self, feed.topics))
        if as_snapshot:
            # The read includes all earlier events. (After an update, withdrawals still have to be sent.)
            self._waiting[:] = [
                event for event in self._waiting if isinstance(event, LocationEvent) or feed.contradicts(event)
            ]
        read = await feed.read(self._reads)
        if self._read_again or self.state is SubscriberState.ENDED:
            # Events were lost in the meantime: the read may be older than they were.
            return
        self._as_of = read.as_of
        self.known = read.versions
        self._checked = {}
        try:
            if as_snapshot:
                message = feed.snapshot(read)
                if message is Verdict.ENDED:
                    self._end(None)
                elif isinstance(message, Message):
                    self._sink.deliver(message)
                    if message.is_last:
                        self._end(None)
            else:
                for message in feed.update(read):
                    self._sink.deliver(message)
        except NotShown:
            raise
        except Exception as error:
            # Not an error of the database: it would come again with every read.
            _log.exception("delivery failed")
            self._end(error)

    async def _send_checked(self, event: TripEvent) -> None:
        """Check an event about a trip that the snapshot lacks, and send the trip's current state."""
        if event.trip.updated > self._as_of:
            self._deliver(event)
            return
        if event.as_of > self._as_of:
            self._deliver_if_seen(event)
            return
        read = await self._reads.trip(event.trip.id)
        current = read.event()
        if current is None or self._read_again or self.state is SubscriberState.ENDED:
            return
        self._checked[current.trip.id] = current.trip.version
        self._deliver_if_seen(current)
