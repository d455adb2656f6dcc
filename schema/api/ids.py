"""The interface ``Node``, and the parsing of ids that clients send."""

from uuid import UUID

import strawberry

from schema.api.errors import bad_user_input


@strawberry.interface(description="An object that can be fetched again by its id.")
class Node:
    id: strawberry.ID = strawberry.field(description="A UUID: unique among all types, and hard to guess.")


def to_uuid(value: str, name: str) -> UUID:
    """Parse the id that a client sent as the argument ``name``.

    Raises:
        RequestError: BAD_USER_INPUT when it is not a UUID.
    """
    try:
        return UUID(value)
    except ValueError:
        raise bad_user_input("An id is a UUID.", field=(name,)) from None
