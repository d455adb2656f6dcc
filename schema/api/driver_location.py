"""Where drivers are: a driver reports it, the trip shows it, the trip's rider follows it."""

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import lru_cache
from typing import Annotated
from uuid import UUID, uuid5

import strawberry

from models.trip_life import is_driving
from models.values import Location, Role, TripValue
from models.visibility import Audience
from schema.api.context import Info, SharedInfo
from schema.api.errors import forbidden
from schema.api.feed_stream import follow
from schema.api.geo_point import GeoPoint, GeoPointInput, to_geo_point
from schema.api.ids import to_uuid
from schema.api.user_errors import UserError, mutation
from services.live import messages
from services.live.feeds import DriverLocationFeed
from services.positions.freshness import Freshness


@strawberry.type(description="The position of a trip's driver. Each trip has one such object, which moves.")
class DriverLocation:
    id: strawberry.ID = strawberry.field(description="Derived from the trip's id: the same for every position.")
    point: GeoPoint = strawberry.field(description="The position.")
    heading: float | None = strawberry.field(
        description="The direction of the car, in degrees clockwise from north; null if it was not reported."
    )
    recorded_at: datetime = strawberry.field(description="When the position was measured.")
    is_stale: bool = strawberry.field(
        description="Whether no newer position has come for a while, by default for a minute: the car may be "
        "elsewhere."
    )
    is_gone: bool = strawberry.field(
        description="Whether the server has deleted the position because it is too old: do not show the car there "
        "any more. Only the subscription says so; a query returns no position instead."
    )


@strawberry.input(description="The position of the calling driver.")
class LocationInput:
    point: GeoPointInput = strawberry.field(description="The position.")
    heading: float | None = strawberry.field(
        default=None, description="The direction of the car, in degrees clockwise from north: 0 to 360."
    )
    recorded_at: datetime = strawberry.field(
        description="When the position was measured. A position older than the last one is STALE_LOCATION. A time "
        "up to a minute ahead of the server's clock counts as now."
    )


@strawberry.type(description="The answer to `reportLocation`.")
class LocationPayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if it succeeded."
    )


@lru_cache(maxsize=4096)
def _id_of(trip_id: UUID) -> strawberry.ID:
    return strawberry.ID(str(uuid5(trip_id, "driver location")))


def to_driver_location(trip_id: UUID, location: Location, freshness: Freshness) -> DriverLocation:
    """The GraphQL form of the position of a trip's driver."""
    return DriverLocation(
        id=_id_of(trip_id),
        point=to_geo_point(location.point),
        heading=location.heading,
        recorded_at=location.recorded_at,
        is_stale=freshness is not Freshness.LIVE,
        is_gone=freshness is Freshness.GONE,
    )


async def shown_location(
    info: SharedInfo, trip: TripValue, audience: Audience
) -> tuple[Location | None, Freshness]:
    """The position of the trip's driver, if ``audience`` may see it and it was measured on this trip."""
    positions = info.context.services.positions
    if not audience.is_party or not is_driving(trip.status):
        return None, Freshness.GONE
    return await positions.on_trip(trip)


@mutation(
    description="Report the position of the calling driver. The last position is kept for a while: the driver "
    "receives offers around it, and the rider of the driver's active trip sees it. For drivers."
)
async def report_location(
    info: Info, input: Annotated[LocationInput, strawberry.argument(description="The position.")]
) -> LocationPayload:
    await info.context.services.positions.report(
        info.context.actor,
        point=input.point.value(),
        heading=input.heading,
        recorded_at=input.recorded_at,
    )
    return LocationPayload()


@strawberry.subscription(
    description="The position of a trip's driver: only the latest one, as soon as there is one, and again when it "
    "becomes stale and when it is gone. Completes when the trip has ended. For the trip's rider."
)
async def driver_location(
    info: Info, trip_id: Annotated[strawberry.ID, strawberry.argument(description="The id of the trip.")]
) -> AsyncGenerator[DriverLocation, None]:
    actor, services = info.context.actor, info.context.services
    if actor.user.role is not Role.RIDER:
        raise forbidden("Only the rider of a trip may follow its driver.")
    feed = DriverLocationFeed(actor, services.topics, to_uuid(trip_id, "tripId"), services.positions.lifetime)
    return await follow(feed, _to_event, info)


def _to_event(content: messages.DriverAt) -> DriverLocation:
    return to_driver_location(content.trip_id, content.location, content.freshness)
