"""Live delivery: from the topics of the bus to the subscribers of this process."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from models.values import Location
from services.events.topics import Topics
from services.live.delivery_spans import DeliverySpans
from services.live.events import EventDecoder, LocationEvent
from services.live.faults import TooManyPools
from services.live.feeds import Feed
from services.live.open_topics import OpenTopics
from services.live.reads import StateReader
from services.live.subscriber import Sink, Subscriber
from services.live.topic import Delivering, Follower, Listen
from services.runtime.counters import Counters
from services.runtime.fair_queue import FairQueue

# Longer than the first reconnect delay of clients.
LINGER_S = 3.0
# The time for deliveries in one iteration of the event loop. A query takes about ten iterations, so it waits ten
# times as long.
TURN_S = 0.0005
# The number of subscribers that start over in one iteration: each asks for its state.
RESTARTED_AT_ONCE = 32


class Hub:
    """Gives each subscriber a snapshot, then changes: no gap, no repetition, never backwards.

    - The broker confirms the topics before the state is read: a change in between waits, and is not lost. If a
      feed needs other topics later, those are confirmed and read before the old ones are left.
    - A topic delivers only rising versions of each trip. If the subscriber's snapshot lacks the trip of an event
      and is at least as new as the event, a fresh read (shared within the process) checks the event, so that a
      late offer cannot bring back a trip that has left the pool.
    - After a gap in the bus every subscriber gets a new snapshot. After an event that cannot be decoded, the
      subscribers of its topic do.
    - A topic without followers is kept for ``linger_s`` seconds: 1,000 clients who lose their connections and
      reconnect do not have to wait until as many topics have been left and entered again.
    - A read that fails is repeated until it succeeds; meanwhile the subscriber's events wait.
    - Changes that come with time alone are sent when they are due, by one timer for each subscriber.
    - No event blocks the event loop: however many subscribers follow it, other clients are served every few
      milliseconds.

    An event costs one decision for each subscriber; reads, contents and encodings are shared.
    """

    def __init__(
        self,
        state: StateReader,
        listen: Listen,
        topics: Topics,
        counters: Counters,
        *,
        linger_s: float = 0.0,
        max_pools_per_user: int = 20,
        turn_s: float = TURN_S,
        spans: DeliverySpans | None = None,
    ) -> None:
        """``max_pools_per_user``: how many feeds that move with the position a user may have.

        ``turn_s``: the time for deliveries in one iteration of the event loop. ``spans``: traces them.
        """
        self.counters = counters
        # Wakes crowds: a few subscribers in each iteration.
        self.wake_ups = FairQueue()
        self._state = state
        turns = FairQueue(turn_s=turn_s)
        delivering = Delivering(EventDecoder(topics, counters), self._restart, turns, counters.delivery, spans)
        self._topics = OpenTopics(listen, delivering, linger_s=linger_s)
        self._restarting: dict[Follower, None] = {}
        self._subscribers: dict[Subscriber, None] = {}
        self._max_pools = max_pools_per_user
        self._pools: Counter[UUID] = Counter()

    @property
    def topics(self) -> int:
        """The number of topics that this process listens to."""
        return len(self._topics)

    @property
    def subscribers(self) -> int:
        """The number of subscribers."""
        return len(self._subscribers)

    @property
    def waiting(self) -> int:
        """The number of bus messages that are not delivered yet."""
        return self._topics.waiting

    async def subscribe(self, feed: Feed, sink: Sink) -> Subscriber:
        """Deliver ``feed`` to ``sink``, its snapshot first, until the subscriber is ended.

        Raises:
            NotShown: the caller may not see what the feed follows.
            TooManyPools: the caller has the maximum of pool subscriptions.
        """
        if feed.moves:
            # No await between the check and the count, so that no other subscription comes in between.
            if self._pools[feed.actor.id] >= self._max_pools:
                raise TooManyPools
            self._pools[feed.actor.id] += 1
        subscriber = Subscriber(
            feed, sink, topics=self._topics, reads=self._state, counters=self.counters, on_ended=self._forget
        )
        self._subscribers[subscriber] = None
        try:
            await subscriber.begin()
        except BaseException:
            subscriber.end()
            raise
        return subscriber

    def resync(self) -> None:
        """Send a new snapshot to every subscriber: events may have been lost."""
        self._restart(self._subscribers)

    def deliver_location(self, topics: Sequence[str], location: Location) -> None:
        """Deliver a position that did not come from the bus, as if it had come on these topics."""
        event: LocationEvent | None = None
        for name in topics:
            topic = self._topics.flowing(name)
            if topic is not None and topic.followers:
                event = event or LocationEvent(location)
                self.counters.events += 1
                topic.take(event)

    def users_following(self, topic: str) -> set[UUID]:
        """The users who follow a topic here."""
        open_topic = self._topics.flowing(topic)
        return {follower.user_id for follower in open_topic.followers} if open_topic is not None else set()

    async def stop(self) -> None:
        """Leave every topic."""
        await self._topics.close()

    def _forget(self, subscriber: Subscriber) -> None:
        del self._subscribers[subscriber]
        self._restarting.pop(subscriber, None)
        feed = subscriber.feed
        if feed.moves:
            self._pools[feed.actor.id] -= 1
            if not self._pools[feed.actor.id]:
                del self._pools[feed.actor.id]

    def _restart(self, followers: Iterable[Follower]) -> None:
        """Let them start over, a few at a time. Their events flow until then: the later read includes them."""
        is_under_way = bool(self._restarting)
        self._restarting.update(dict.fromkeys(followers))
        if not is_under_way:
            self._restart_some()

    def _restart_some(self) -> None:
        some = [self._restarting.popitem()[0] for _ in range(min(RESTARTED_AT_ONCE, len(self._restarting)))]
        if self._restarting:
            self.wake_ups.put(self._restart_some)
        for follower in some:
            follower.start_over()
