"""What can be followed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import strawberry

from models.values import Role
from schema.api.context import (Context, to_uuid)
from schema.api.errors import (bad_user_input, forbidden)
from schema.api.inputs import NearInput
from schema.api.types import (DriverLocation, MyTripsEvent, PoolEvent, SubscriptionEvent, Trip, to_event)
from services.positions.areas import MAX_RADIUS_M
from services.live.feeds import DriverLocationFeed, Feed, MyTripsFeed, TripFeed
from services.live.hub import Hub
from services.live.events import Message
from services.live.pool_feed import PoolFeed
from services.validation.points import on_earth

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
        return await _stream(TripFeed(info.context.actor, services.topics, to_uuid(id, "id")), info)

    @strawberry.subscription(description="The caller's own trips.")
    async def my_trips_updated(self, info: Info) -> AsyncGenerator[MyTripsEvent, None]:
        return await _stream(MyTripsFeed(info.context.actor, info.context.services.topics), info)

    @strawberry.subscription(
        description="The open requests around the driver's last position, or around `near`; all of them as long "
        "as neither is known. Requests without a position are offered to everybody. For drivers."
    )
    async def driver_pool(
        self,
        info: Info,
        near: Annotated[
            NearInput | None,
            strawberry.argument(description="Look at this area, wherever the driver is."),
        ] = None,
    ) -> AsyncGenerator[PoolEvent, None]:
        actor, services = info.context.actor, info.context.services
        if actor.user.role is not Role.DRIVER:
            raise forbidden("Only drivers follow the pool.")
        radius_m = services.offer_radius_m
        if near is not None and near.radius_m is not None:
            radius_m = near.radius_m
            if not 1 <= radius_m <= MAX_RADIUS_M:
                raise bad_user_input(
                    f"A radius lies between 1 and {MAX_RADIUS_M:.0f} m.", field=("near", "radiusM")
                )
        point = on_earth(near.point.value(), "near", "point") if near is not None else None
        return await _stream(PoolFeed(actor, services.topics, radius_m=radius_m, near=point), info)

    @strawberry.subscription(
        description="Where the driver of a trip is: the latest position only, as soon as there is one, and once "
        "more when it becomes stale and when it is gone. Completes when the trip has ended. For the trip's rider."
    )
    async def driver_location(
        self, info: Info, trip_id: Annotated[strawberry.ID, strawberry.argument(description="Which trip.")]
    ) -> AsyncGenerator[DriverLocation, None]:
        actor = info.context.actor
        if actor.user.role is not Role.RIDER:
            raise forbidden("Only the rider of a trip follows its driver.")
        return await _stream(
            DriverLocationFeed(
                actor,
                info.context.services.topics,
                to_uuid(trip_id, "tripId"),
                info.context.services.locations.lifetime,
            ),
            info,
        )


async def _stream(feed: Feed, info: Info) -> Any:
    await info.context.services.subscribing.count(feed.actor)
    return FeedStream(feed, info.context.services.hub)
