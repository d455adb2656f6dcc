"""Rating the other party of a trip."""

from typing import Annotated

import strawberry

from models.visibility import Audience, audience_of
from schema.api.context import Info
from schema.api.ids import to_uuid
from schema.api.trip import TripPayload, to_trip
from schema.api.user_errors import mutation


@mutation(
    description="Rate the other party of a completed trip of the caller, once. The same rating again succeeds. "
    "Others see only the average; a rating is no event."
)
async def rate_trip(
    info: Info,
    trip_id: Annotated[strawberry.ID, strawberry.argument(description="The id of the trip.")],
    stars: Annotated[int, strawberry.argument(description="1 to 5 stars.")],
    comment: Annotated[
        str | None,
        strawberry.argument(description="A comment for staff alone, at most 1000 characters."),
    ] = None,
) -> TripPayload:
    actor = info.context.actor
    trip = await info.context.services.ratings.rate(
        actor, trip_id=to_uuid(trip_id, "tripId"), stars=stars, comment=comment
    )
    return TripPayload(trip=to_trip(trip, audience_of(actor, trip) or Audience.POOL))
