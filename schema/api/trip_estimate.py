"""What a trip would be like, before it is requested: the query `tripEstimate`."""

from typing import Annotated

import strawberry

from schema.api.context import Info
from schema.api.geo_point import GeoPointInput
from schema.api.route import Route, to_route


@strawberry.type(description="What a trip would be like now.")
class TripEstimate:
    route: Route | None = strawberry.field(description="The route from the pick-up to the drop-off.")
    distance_m: int = strawberry.field(description="The length of the route in metres.")
    duration_s: int = strawberry.field(description="The driving time of the route in seconds.")
    estimated: bool = strawberry.field(
        description="Whether length and time are estimated from the straight line, because the server knows "
        "no route."
    )
    drivers_nearby: int = strawberry.field(
        description="About how many drivers without a trip are near the pick-up; 20 also stands for more."
    )
    pick_up_eta: int | None = strawberry.field(
        description="About how many seconds the nearest of them needs to the pick-up; null without one."
    )


@strawberry.field(
    description="Estimate a trip before it is requested. Drivers count by the area that they are in, not by their "
    "exact position. For riders and drivers."
)
async def trip_estimate(
    info: Info,
    pick_up: Annotated[GeoPointInput, strawberry.argument(description="Where the trip would begin.")],
    drop_off: Annotated[GeoPointInput, strawberry.argument(description="Where it would end.")],
) -> TripEstimate:
    estimate = await info.context.services.estimates.estimate(
        info.context.actor, pick_up=pick_up.value(), drop_off=drop_off.value()
    )
    route = to_route(estimate.drive)
    return TripEstimate(
        route=route,
        distance_m=route.distance_m,
        duration_s=route.duration_s,
        estimated=route.estimated,
        drivers_nearby=estimate.drivers_nearby,
        pick_up_eta=estimate.pick_up_eta_s,
    )
