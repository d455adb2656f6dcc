"""What can be asked."""

from typing import Annotated

import strawberry

from models.visibility import Actor, audience_of
from schema.api import cursors
from schema.api.context import (Context, to_uuid)
from schema.api.enums import TripStatus
from schema.api.types import (Node, PageInfo, Trip, TripConnection, User, to_trip, to_user)

Info = strawberry.Info[Context, None]


@strawberry.type(description="What can be asked.")
class Query:
    @strawberry.field(description="The caller; null without a session.")
    async def me(self, info: Info) -> User | None:
        caller = info.context.caller
        return to_user(caller.user, with_username=True) if caller is not None else None

    @strawberry.field(description="A trip, or a user that the caller shares a trip with; null for everybody else.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Node | None:
        actor, node_id = info.context.actor, to_uuid(id, "id")
        trip = await _trip(info, actor, id)
        if trip is not None:
            return trip
        user = await info.context.services.accounts.find(actor, user_id=node_id)
        return to_user(user, with_username=True) if user is not None else None

    @strawberry.field(description="A trip that the caller may see; null for every other id.")
    async def trip(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
    ) -> Trip | None:
        return await _trip(info, info.context.actor, id)

    @strawberry.field(
        description="The caller's trips, newest first: a rider's own; a driver's own and the open ones."
    )
    async def trips(
        self,
        info: Info,
        status: Annotated[
            list[TripStatus] | None, strawberry.argument(description="Only trips with one of these.")
        ] = None,
        first: Annotated[int, strawberry.argument(description="How many, at most 100.")] = 20,
        after: Annotated[
            str | None, strawberry.argument(description="Begin behind this cursor (`pageInfo.endCursor`).")
        ] = None,
    ) -> TripConnection:
        actor = info.context.actor
        page = await info.context.services.trips.page(
            actor,
            statuses=status,
            first=first,
            after=cursors.decode(after) if after is not None else None,
        )
        nodes: list[Trip] = []
        for trip in page.trips:
            audience = audience_of(actor, trip)
            assert audience is not None, "a page holds what the caller may see"
            nodes.append(to_trip(trip, audience))
        return TripConnection(
            nodes=nodes,
            page_info=PageInfo(
                has_next_page=page.has_next,
                has_previous_page=after is not None,
                start_cursor=cursors.encode(page.trips[0]) if page.trips else None,
                end_cursor=cursors.encode(page.trips[-1]) if page.trips else None,
            ),
            page=page.trips,
        )


async def _trip(info: Info, actor: Actor, id: str) -> Trip | None:
    trip = await info.context.services.trips.find(actor, trip_id=to_uuid(id, "id"))
    audience = audience_of(actor, trip) if trip is not None else None
    return to_trip(trip, audience) if trip is not None and audience is not None else None
