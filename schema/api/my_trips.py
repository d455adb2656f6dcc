"""The caller's own trips, live: the subscription `myTripsUpdated`."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from schema.api.context import Info
from schema.api.feed_stream import follow
from schema.api.trip import Trip, to_trip
from services.live import messages
from services.live.feeds import MyTripsFeed


@strawberry.type(description="All active trips of the caller, and up to 20 that ended in the last 24 hours.")
class MyTripsSnapshot:
    trips: list[Trip] = strawberry.field(
        description="The trips, newest first. They replace all trips that the client had."
    )


@strawberry.type(description="A trip of the caller is new or has changed.")
class TripChanged:
    trip: Trip = strawberry.field(description="The trip after the change.")


MyTripsEvent = Annotated[
    MyTripsSnapshot | TripChanged,
    strawberry.union("MyTripsEvent", description="The messages of `myTripsUpdated`: first the snapshot."),
]


@strawberry.subscription(description="The caller's own trips: first a snapshot, then each change.")
async def my_trips_updated(info: Info) -> AsyncGenerator[MyTripsEvent, None]:
    return await follow(MyTripsFeed(info.context.actor, info.context.services.topics), _to_event, info)


def _to_event(content: messages.MyTripsSnapshot | messages.TripChanged) -> MyTripsEvent:
    match content:
        case messages.MyTripsSnapshot(trips, audience):
            return MyTripsSnapshot(trips=[to_trip(trip, audience) for trip in trips])
        case messages.TripChanged(trip, audience):
            return TripChanged(trip=to_trip(trip, audience))
