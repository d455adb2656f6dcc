"""Sign-up, and the deletion of an account."""

from typing import Annotated

import strawberry
from strawberry.file_uploads import Upload

from models.values import Role
from schema.api import session
from schema.api.context import Info
from schema.api.uploads import read_upload
from schema.api.user_errors import UserError, mutation
from schema.api.vehicle import VehicleInput


@strawberry.input(description="A new account.")
class SignUpInput:
    username: str = strawberry.field(
        description="3 to 150 characters without spaces, each word in one script; unique regardless of case and "
        "Unicode form."
    )
    password1: str = strawberry.field(description="The password: hard to guess, at most 128 characters.")
    password2: str = strawberry.field(description="The same password again.")
    first_name: str = strawberry.field(description="The given name, 1 to 150 characters.")
    last_name: str = strawberry.field(description="The family name, 1 to 150 characters.")
    role: Role = strawberry.field(description="The kind of the account. It never changes.")
    email: str | None = strawberry.field(
        default=None,
        description="An e-mail address for letters: without a verified one a forgotten password cannot be reset. "
        "Only the account itself and staff see it.",
    )
    photo: Upload | None = strawberry.field(
        default=None,
        description="A JPEG, PNG or WebP file, sent as the GraphQL multipart request specification says.",
    )
    vehicle: VehicleInput | None = strawberry.field(default=None, description="The vehicle, for drivers.")


@strawberry.type(description="The answer to `deleteMe`.")
class DeleteMePayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if it succeeded."
    )


@mutation(description="Create an account and log in. Only over HTTP, because it sets the cookie.")
async def sign_up(
    info: Info, input: Annotated[SignUpInput, strawberry.argument(description="The account.")]
) -> session.AuthPayload:
    client = session.http_client(info)
    new_session = await info.context.services.accounts.sign_up(
        username=input.username,
        password1=input.password1,
        password2=input.password2,
        first_name=input.first_name,
        last_name=input.last_name,
        role=input.role,
        photo=await read_upload(input.photo, "photo"),
        vehicle=input.vehicle.value() if input.vehicle is not None else None,
        email=input.email,
        address=client.address,
        replaces=client.token(is_bearer=False),
    )
    return session.auth_payload(info, new_session, issue_token=False)


@mutation(
    description="Delete the caller's account for ever. Trips stay, with a user without name, user name and "
    "photo, and without the driver's vehicle; a rider's trips are cancelled unless the rider is already in the "
    "car. All sessions end, and their sockets are closed. The user name becomes free. Only over HTTP, because it "
    "removes the cookie. The last active member of staff cannot be deleted (`LAST_OF_STAFF`)."
)
async def delete_me(
    info: Info,
    password: Annotated[str, strawberry.argument(description="The password, as a confirmation.")],
) -> DeleteMePayload:
    client = session.http_client(info)
    await info.context.services.deletions.delete(info.context.actor, password=password, address=client.address)
    info.context.end_session()
    return DeleteMePayload()
