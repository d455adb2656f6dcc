"""What a router of Apollo Federation asks of a subgraph: the queries `_service` and `_entities`.

They are in the schema only with ``TAXIRANK_FEDERATION``.
Source: https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NewType, cast
from uuid import UUID

import strawberry
from strawberry.types.field import StrawberryField
from strawberry.types.scalar import ScalarDefinition

from models.visibility import audience_of
from schema.api.context import Info
from schema.api.errors import RequestError, bad_user_input
from schema.api.ids import to_uuid
from schema.api.trip import Trip, to_trip
from schema.api.user import User, to_user

# The types that a router may ask for, by the key `id`.
ENTITIES: Mapping[str, type] = {"Trip": Trip, "User": User}

Representation = NewType("Representation", object)

ANY = ScalarDefinition(
    name="_Any",
    description="What a router knows of an object: its `__typename`, and the fields of its key.",
    specified_by_url=None,
    serialize=lambda value: value,
    parse_value=lambda value: value,
    parse_literal=None,
)

Entity = Annotated[Trip | User, strawberry.union("_Entity", description="The types that a router may ask for.")]


@strawberry.type(name="_Service", description="This server as a subgraph.")
class Service:
    sdl: str = strawberry.field(description="The schema with the directives of Apollo Federation.")


@strawberry.field(
    name="_entities",
    description="Trips and users by their ids, for a router. Null for what the caller may not see, as in `node`; "
    "null with an error for what is no id of a trip or a user.",
)
async def entities(
    info: Info,
    representations: Annotated[
        list[Representation], strawberry.argument(description="The objects, by `__typename` and `id`.")
    ],
) -> list[Entity | None]:
    actor, by_ids = info.context.actor, info.context.services.by_ids
    keys = [_key(representation) for representation in representations]
    asked = {kind: {key[1] for key in keys if isinstance(key, tuple) and key[0] is kind} for kind in (Trip, User)}
    trips = await by_ids.trips(actor, asked[Trip])
    users = await by_ids.users(actor, asked[User])

    def found(key: tuple[type, UUID] | RequestError) -> Trip | User | RequestError | None:
        if isinstance(key, RequestError):
            return key
        kind, id = key
        if kind is User:
            user = users.get(id)
            return to_user(user, to_party=True, is_caller=id == actor.id) if user is not None else None
        trip = trips.get(id)
        audience = audience_of(actor, trip) if trip is not None else None
        return to_trip(trip, audience) if trip is not None and audience is not None else None

    # An error in a list is the error of that item.
    return cast("list[Entity | None]", [found(key) for key in keys])


def service(sdl: Callable[[], str]) -> StrawberryField:
    """The field ``_service``. ``sdl`` returns the schema with the directives of Apollo Federation."""

    @strawberry.field(name="_service", description="This server as a subgraph, for composing a graph.")
    async def _service() -> Service:
        return Service(sdl=sdl())

    return cast("StrawberryField", _service)


def _key(representation: Any) -> tuple[type, UUID] | RequestError:
    """The type and the id of a representation; the error if it has none."""
    if not isinstance(representation, dict):
        return bad_user_input("A representation is an object.", field=("representations",))
    given = cast("dict[str, Any]", representation)
    kind, id = given.get("__typename"), given.get("id")
    if not isinstance(kind, str) or kind not in ENTITIES:
        message = f"An entity is one of {', '.join(ENTITIES)}."
        return bad_user_input(message, field=("representations", "__typename"))
    if not isinstance(id, str):
        return bad_user_input("An id is a UUID.", field=("representations", "id"))
    try:
        return ENTITIES[kind], to_uuid(id, "id")
    except RequestError as error:
        return error
