"""The caller's profile: name and photo."""

from typing import Annotated, Literal

import strawberry
from strawberry import UNSET
from strawberry.file_uploads import Upload

from schema.api.context import Info
from schema.api.errors import bad_user_input
from schema.api.uploads import read_upload
from schema.api.user import User, own_user
from schema.api.user_errors import UserError, mutation
from services.accounts.profiles import UNCHANGED, Unchanged


@strawberry.input(description="Changes of the caller's account. Fields that are left out stay as they are.")
class UpdateMeInput:
    first_name: str | None = strawberry.field(default=UNSET, description="The given name, 1 to 150 characters.")
    last_name: str | None = strawberry.field(default=UNSET, description="The family name, 1 to 150 characters.")
    photo: Upload | None = strawberry.field(
        default=UNSET,
        description="A JPEG, PNG or WebP file, sent as the GraphQL multipart request specification says; null "
        "removes the photo.",
    )


@strawberry.type(description="The answer to `updateMe`.")
class UserPayload:
    user: User | None = strawberry.field(default=None, description="The user after the change; null if it failed.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if it succeeded."
    )


@mutation(
    description="Change the caller's name and photo. Subscribers to a trip see the change with the trip's next "
    "change or the next snapshot; the change itself is no event."
)
async def update_me(
    info: Info, input: Annotated[UpdateMeInput, strawberry.argument(description="The changes.")]
) -> UserPayload:
    actor = info.context.actor
    photo = UNCHANGED if input.photo is UNSET else await read_upload(input.photo, "photo")
    user = await info.context.services.profiles.update(
        actor,
        first_name=_to_name(input.first_name, "firstName"),
        last_name=_to_name(input.last_name, "lastName"),
        photo=photo,
    )
    return UserPayload(user=own_user(user))


def _to_name(name: str | None, field: str) -> str | Literal[Unchanged.UNCHANGED]:
    """The new name, or UNCHANGED. Raises: RequestError BAD_USER_INPUT for null."""
    if name is None:
        raise bad_user_input("A name cannot be removed.", field=(field,))
    return UNCHANGED if name is UNSET else name
