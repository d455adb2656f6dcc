"""The pool: the open requests around a driver, and the subscription that follows them."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from models.standing import PauseReason
from models.trip_life import WithdrawReason
from models.values import Role
from models.visibility import Audience
from schema.api.context import Info
from schema.api.enums import describe
from schema.api.errors import bad_user_input, forbidden
from schema.api.feed_stream import follow
from schema.api.geo_point import GeoPointInput
from schema.api.trip import Trip, to_trip
from services.live import messages
from services.live.offer_area import MAX_RADIUS_M
from services.live.pool_feed import PoolFeed
from services.validation.points import on_earth

describe(
    WithdrawReason,
    "Why an offer is withdrawn.",
    {
        "TAKEN": "A driver has accepted the trip.",
        "CANCELLED": "The trip was cancelled.",
        "EXPIRED": "No driver accepted in time.",
        "OUT_OF_RANGE": "The pick-up is no longer near, or 200 others are nearer. The trip has not changed.",
    },
)


describe(
    PauseReason,
    "Why a driver gets no offers. Of several reasons the first one of this list is given.",
    {
        "NOT_APPROVED": "Staff have not approved the driver, or no longer do.",
        "OFF_DUTY": "The driver is off duty.",
        "NO_VEHICLE": "The driver has described no vehicle, and this server requires one.",
        "ON_TRIP": "The driver has an active trip.",
    },
)


@strawberry.input(description="An area: everything within a radius of a position.")
class NearInput:
    point: GeoPointInput = strawberry.field(description="The centre of the area.")
    radius_m: float | None = strawberry.field(
        default=None,
        description="The radius in metres, 1 to 50000; by default the server's radius for offers.",
    )


@strawberry.type(description="The open requests.")
class PoolSnapshot:
    offers: list[Trip] = strawberry.field(
        description="At most 200 offers, the nearest first, or without an area the newest. They replace all "
        "offers that the client had."
    )
    truncated: bool = strawberry.field(description="Whether there are more open requests than listed.")
    paused: PauseReason | None = strawberry.field(
        default=None,
        description="Why the driver gets no offers now. The list is then empty, and a new snapshot comes when "
        "that is over. Null while there are offers, or may be.",
    )


@strawberry.type(description="A trip waits for a driver.")
class TripOffered:
    trip: Trip = strawberry.field(description="The trip to accept.")


@strawberry.type(description="An offer is withdrawn.")
class TripWithdrawn:
    trip_id: strawberry.ID = strawberry.field(description="The id of the trip.")
    version: int = strawberry.field(description="The version of the trip at that time.")
    reason: WithdrawReason = strawberry.field(description="Why the offer is withdrawn.")


PoolEvent = Annotated[
    PoolSnapshot | TripOffered | TripWithdrawn,
    strawberry.union("PoolEvent", description="The messages of `driverPool`: first the snapshot."),
]


@strawberry.subscription(
    description="The open requests around the driver's last position, or around `near`; if neither is known, all "
    "open requests. Requests without coordinates are offered to every driver. It is paused while the driver may "
    "not take trips, or is on one. For drivers."
)
async def driver_pool(
    info: Info,
    near: Annotated[
        NearInput | None,
        strawberry.argument(description="Use this area instead of the driver's position."),
    ] = None,
) -> AsyncGenerator[PoolEvent, None]:
    actor, services = info.context.actor, info.context.services
    if actor.user.role is not Role.DRIVER:
        raise forbidden("Only drivers may follow the pool.")
    radius_m = services.offer_radius_m
    if near is not None and near.radius_m is not None:
        radius_m = near.radius_m
        if not 1 <= radius_m <= MAX_RADIUS_M:
            raise bad_user_input(f"A radius lies between 1 and {MAX_RADIUS_M:.0f} m.", field=("near", "radiusM"))
    point = on_earth(near.point.value(), "near", "point") if near is not None else None
    feed = PoolFeed(actor, services.topics, radius_m=radius_m, near=point, rules=services.driver_rules)
    return await follow(feed, _to_event, info)


def _to_event(
    content: messages.PoolSnapshot | messages.TripOffered | messages.TripWithdrawn,
) -> PoolEvent:
    match content:
        case messages.PoolSnapshot(offers, truncated, paused):
            shown = [to_trip(trip, Audience.POOL) for trip in offers]
            return PoolSnapshot(offers=shown, truncated=truncated, paused=paused)
        case messages.TripOffered(trip):
            return TripOffered(trip=to_trip(trip, Audience.POOL))
        case messages.TripWithdrawn(trip_id, version, reason):
            return TripWithdrawn(trip_id=strawberry.ID(str(trip_id)), version=version, reason=reason)
