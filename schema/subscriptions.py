"""What can be followed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import strawberry

from models.snapshots import Role
from schema.context import Context, to_uuid
from schema.errors import forbidden
from schema.types import MyTripsEvent, PoolEvent, SubscriptionEvent, Trip, to_event
from services.live.feeds import Feed, MyTripsFeed, PoolFeed, TripFeed
from services.live.hub import Hub
from services.live.occurrences import Message

Info = strawberry.Info[Context, None]


class FeedStream:
    """The source stream of a subscription.

    The transports take ``feed`` out of it and share what they execute. Iterating it follows the feed for
    one subscriber alone, as any GraphQL server would.
    """

    def __init__(self, feed: Feed, hub: Hub) -> None:
        self.feed = feed
        self._hub = hub

    async def __aiter__(self) -> AsyncIterator[SubscriptionEvent]:
        """The events of this subscriber. Raises: NotFound, at once or when sight is lost."""
        sink = _QueueSink()
        subscription = await self._hub.subscribe(self.feed, sink)
        try:
            while (message := await sink.next()) is not None:
                yield to_event(message.content)
        finally:
            subscription.end()


class _QueueSink:
    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message | Exception | None] = asyncio.Queue()

    def deliver(self, message: Message) -> None:
        self._queue.put_nowait(message)

    def end(self, error: Exception | None) -> None:
        self._queue.put_nowait(error)

    async def next(self) -> Message | None:
        item = await self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item


@strawberry.type(description="What can be followed. Each begins with the state as it is, then sends changes.")
class Subscription:
    @strawberry.subscription(description="A trip as it is now, then at each change; completes when it has ended.")
    async def trip_updated(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Which trip.")]
    ) -> AsyncGenerator[Trip, None]:
        services = info.context.services
        return _stream(TripFeed(info.context.actor, services.topics, to_uuid(id, "id")), info)

    @strawberry.subscription(description="The caller's own trips.")
    async def my_trips_updated(self, info: Info) -> AsyncGenerator[MyTripsEvent, None]:
        return _stream(MyTripsFeed(info.context.actor, info.context.services.topics), info)

    @strawberry.subscription(description="The open requests. For drivers.")
    async def driver_pool(self, info: Info) -> AsyncGenerator[PoolEvent, None]:
        actor = info.context.actor
        if actor.user.role is not Role.DRIVER:
            raise forbidden("Only drivers follow the pool.")
        return _stream(PoolFeed(actor, info.context.services.topics), info)


def _stream(feed: Feed, info: Info) -> Any:
    return FeedStream(feed, info.context.services.hub)
