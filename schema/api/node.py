"""Any object by its id: the query `node`."""

from typing import Annotated

import strawberry

from schema.api.context import Info
from schema.api.ids import Node, to_uuid
from schema.api.trip import find_trip
from schema.api.user import to_user


@strawberry.field(
    description="A trip that the caller may see, or a user who shares a trip with the caller; null "
    "for every other id."
)
async def node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the object.")]
) -> Node | None:
    actor, node_id = info.context.actor, to_uuid(id, "id")
    trip = await find_trip(info, actor, node_id)
    if trip is not None:
        return trip
    user = await info.context.services.accounts.find(actor, user_id=node_id)
    return to_user(user, to_party=True, is_caller=user.id == actor.id) if user is not None else None
