"""The event bus: publish and listen by topic."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

from broadcaster import Broadcast

from services.events.redis_backend import RedisBackend
from services.events.redis_link import RedisLink
from services.runtime.counters import Counters
from services.runtime.tasks import keep_running

Message = bytes
OnGap = Callable[[], None]


class BusState(StrEnum):
    """Whether events reach the other processes."""

    OK = "ok"
    DEGRADED = "degraded"


class Bus:
    """Carries bytes from publishers to listeners, at most once and in order per topic.

    After every interruption, ``on_gap`` is called as soon as all topics are subscribed again. Events that were
    published during the interruption are lost, so listeners must read the state again.
    """

    def __init__(
        self, link: RedisLink | None, counters: Counters, *, heartbeats: Sequence[str], on_gap: OnGap
    ) -> None:
        """``link``: the Redis to use; None: an in-process bus. ``heartbeats``: of ``Topics.heartbeats``."""
        self._link = link
        if link is None:
            self._redis: RedisBackend | None = None
            self._broadcast = _Broadcast(counters, on_gap, url="memory://")
        else:
            self._redis = RedisBackend(link, counters, heartbeats=heartbeats, on_gap=on_gap)
            self._broadcast = _Broadcast(counters, on_gap, backend=self._redis)

    @property
    def state(self) -> BusState:
        """DEGRADED while the broker cannot be reached, carries no events, or may not be the primary."""
        return BusState.OK if self._link is None or self._link.is_sure else BusState.DEGRADED

    async def connect(self) -> None:
        """Connect to the broker. Without a broker the bus starts degraded instead of failing."""
        await self._broadcast.connect()

    async def disconnect(self) -> None:
        """Close the link; listeners receive nothing more."""
        await self._broadcast.disconnect()

    async def publish(self, events: Sequence[tuple[Sequence[str], Message]]) -> bool:
        """Publish each message on each of its topics, in order, in one round trip.

        False: the broker did not accept them. Then only the listeners of this process have received them, and the
        caller must publish again later for the others.
        """
        if self._redis is None:
            for topics, message in events:
                for topic in topics:
                    await self._broadcast.publish(topic, message)
            return True
        if await self._redis.publish_all(events):
            return True
        for topics, message in events:
            for topic in topics:
                self._redis.publish_here(topic, message)
        return False

    async def followed(self, topics: Collection[str]) -> Collection[str]:
        """Those of the topics that somebody listens to in any process; without the broker, in this one.

        A process listens a few seconds longer than its last subscriber.
        """
        if self._redis is None:
            return [topic for topic in topics if self._broadcast.has_listeners(topic)]
        return await self._redis.followed(topics)

    def mark_origin(self, message: Message) -> Message:
        """Mark a JSON object so that this process ignores it on the bus: it tells its own listeners directly.

        Other processes receive it with an extra key ``origin``.
        """
        return self._redis.mark_origin(message) if self._redis is not None else message

    async def publish_to_others(self, events: Sequence[tuple[Sequence[str], Message]]) -> None:
        """Publish messages of ``mark_origin``; they are lost if the broker does not accept them."""
        if self._redis is not None:
            await self._redis.publish_all(events)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncGenerator[AsyncIterator[Message]]:
        """The messages of ``topic``. The block begins when the broker has confirmed the subscription.

        While the broker is unavailable the block begins at once, and ``on_gap`` follows when it is back. Two
        blocks for one topic must not begin or end at the same time (broadcaster 0.3.1 loses one of them).
        """
        has_begun = False
        try:
            async with self._broadcast.subscribe(topic) as subscriber:
                has_begun = True
                yield _messages(subscriber)
        except KeyError as error:
            # broadcaster 0.3.1 raises KeyError when a subscription fails, and hides the cause.
            if has_begun or error.__context__ is None:
                raise
            raise error.__context__ from None


class _Broadcast(Broadcast):
    """broadcaster, whose listener task is restarted when it fails."""

    def __init__(self, counters: Counters, on_gap: OnGap, **options: Any) -> None:
        super().__init__(**options)
        self._counters = counters
        self._on_gap = on_gap

    def has_listeners(self, topic: str) -> bool:
        """Whether this process listens to the topic."""
        return topic in self._subscribers

    async def _listener(self) -> None:
        await keep_running("bus listener", self._listen, self._counters)

    async def _listen(self) -> None:
        try:
            await super()._listener()
        except Exception:
            # The failed task has lost the event that it was passing on.
            self._on_gap()
            raise


async def _messages(subscriber: Any) -> AsyncIterator[Message]:
    async for event in subscriber:
        yield event.message
