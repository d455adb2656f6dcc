"""The drives of a trip of the city, for staff: the query `cityTripRoute`."""

from typing import Annotated

import strawberry

from schema.api.context import Info
from schema.api.ids import to_uuid
from schema.api.route import Route, to_route


@strawberry.type(description="The drives of a trip that waits for a driver or is under way.")
class CityTripRoute:
    to_pick_up: Route | None = strawberry.field(
        description="From the car to the pick-up. Null unless the driver is on the way and not silent, and while "
        "the car is off its route."
    )
    to_drop_off: Route | None = strawberry.field(
        description="From the pick-up to the drop-off; null without both positions."
    )


@strawberry.field(
    description="The drives of a trip of `city`; null if it has ended, or there is no such trip. For staff."
)
async def city_trip_route(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the trip.")]
) -> CityTripRoute | None:
    services, trip_id = info.context.services, to_uuid(id, "id")
    await services.staff_rights.check(info.context.staff)
    found = await services.city_routing.of(trip_id)
    if found is None:
        return None
    return CityTripRoute(
        to_pick_up=to_route(found.to_pick_up) if found.to_pick_up is not None else None,
        to_drop_off=to_route(found.to_drop_off) if found.to_drop_off is not None else None,
    )
