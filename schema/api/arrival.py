"""A driver's arrival at the pick-up."""

from typing import Annotated

import strawberry

from models.visibility import Audience
from schema.api.context import Info
from schema.api.ids import to_uuid
from schema.api.trip import TripPayload, to_trip
from schema.api.user_errors import mutation


@mutation(
    description="Report that the calling driver has arrived at the pick-up of a STARTED trip; its rider is told. "
    "Repeated, it succeeds and changes nothing. NOT_NEAR if the driver's position is known and too far from the "
    "pick-up. For the trip's driver."
)
async def report_arrival(
    info: Info, trip_id: Annotated[strawberry.ID, strawberry.argument(description="The id of the trip.")]
) -> TripPayload:
    arrived = await info.context.services.arrivals.report(info.context.actor, trip_id=to_uuid(trip_id, "tripId"))
    return TripPayload(trip=to_trip(arrived, Audience.DRIVER))
