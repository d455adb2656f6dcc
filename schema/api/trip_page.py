"""A page of the caller's trips: the query `trips`."""

from typing import Annotated

import strawberry

from models.values import TripValue
from models.visibility import Actor, Audience, audience_of
from schema.api import cursors
from schema.api.context import Info
from schema.api.trip import Trip, to_trip
from schema.api.trip_status import TripStatus


@strawberry.type(description="The limits of a page (GraphQL Cursor Connections Specification).")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there are more entries after this page.")
    has_previous_page: bool = strawberry.field(description="Whether this page began after a cursor.")
    page: strawberry.Private[tuple[TripValue, ...]]

    @strawberry.field(description="The cursor of the first entry.")
    def start_cursor(self) -> str | None:
        return cursors.encode(self.page[0]) if self.page else None

    @strawberry.field(description="The cursor of the last entry; pass it as `after`.")
    def end_cursor(self) -> str | None:
        return cursors.encode(self.page[-1]) if self.page else None


@strawberry.type(description="A trip with its cursor.")
class TripEdge:
    cursor: str = strawberry.field(
        description="The trip's place in the list. It stays valid when trips are added."
    )
    node: Trip = strawberry.field(description="The trip.")


@strawberry.type(description="A page of trips.")
class TripConnection:
    nodes: list[Trip] = strawberry.field(description="The trips without their cursors.")
    page_info: PageInfo = strawberry.field(description="The limits of the page.")
    page: strawberry.Private[tuple[TripValue, ...]]

    @strawberry.field(description="The trips with their cursors.")
    def edges(self) -> list[TripEdge]:
        return [
            TripEdge(cursor=cursors.encode(trip), node=node)
            for trip, node in zip(self.page, self.nodes, strict=True)
        ]


@strawberry.field(
    description="The caller's trips, newest first: for a rider their own; for a driver their own and, "
    "unless they wait for approval, the open ones."
)
async def trips(
    info: Info,
    status: Annotated[
        list[TripStatus] | None, strawberry.argument(description="Only trips with one of these statuses.")
    ] = None,
    first: Annotated[int, strawberry.argument(description="The length of the page, at most 100.")] = 20,
    after: Annotated[
        str | None, strawberry.argument(description="Begin after this cursor (`pageInfo.endCursor`).")
    ] = None,
) -> TripConnection:
    page = await info.context.services.trips.page(
        info.context.actor,
        statuses=status,
        first=first,
        after=cursors.decode(after) if after is not None else None,
    )
    return TripConnection(
        nodes=[to_trip(trip, _audience(page.actor, trip)) for trip in page.trips],
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=after is not None,
            page=page.trips,
        ),
        page=page.trips,
    )


def _audience(actor: Actor, trip: TripValue) -> Audience:
    audience = audience_of(actor, trip)
    assert audience is not None, "a page holds what the caller may see"
    return audience
