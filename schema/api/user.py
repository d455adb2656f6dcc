"""A user as others see one, and the caller: the query `me`."""

import strawberry

from models.values import Role, UserValue
from schema.api.context import Info
from schema.api.enums import describe
from schema.api.ids import Node

# Photos are served under this path.
PHOTO_FOLDER = "/media"

describe(
    Role,
    "The kind of an account. It never changes.",
    {"RIDER": "Requests trips.", "DRIVER": "Receives requests and accepts them."},
)


@strawberry.type(description="A rider or a driver.")
class User(Node):
    username: str | None = strawberry.field(
        description="The name for logging in. Only the user and the other party of a trip see it; null for "
        "everybody else, and after the account was deleted."
    )
    first_name: str = strawberry.field(description="The given name.")
    last_name: str = strawberry.field(description="The family name.")
    role: Role = strawberry.field(description="The kind of the account.")
    photo: str | None = strawberry.field(description="The URL path of the photo on this server.")


def to_user(user: UserValue, *, with_username: bool) -> User:
    """``with_username``: the viewer is that user, or the other party of a trip."""
    return User(
        id=strawberry.ID(str(user.id)),
        # A deleted account has an empty one.
        username=(user.username or None) if with_username else None,
        first_name=user.first_name,
        last_name=user.last_name,
        role=user.role,
        photo=f"{PHOTO_FOLDER}/{user.photo}" if user.photo is not None else None,
    )


@strawberry.field(description="The caller; null without a session.")
async def me(info: Info) -> User | None:
    caller = info.context.caller
    return to_user(caller.user, with_username=True) if caller is not None else None
