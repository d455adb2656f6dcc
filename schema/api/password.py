"""The caller's password."""

from typing import Annotated

import strawberry

from schema.api import session
from schema.api.context import Info
from schema.api.user_errors import mutation


@strawberry.input(description="A new password that replaces the current one.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The current password.")
    password1: str = strawberry.field(description="The new password: hard to guess, at most 128 characters.")
    password2: str = strawberry.field(description="The same password again.")


@mutation(
    description="Change the password. All sessions of the caller end, including this one, and their sockets are "
    "closed; the answer begins a new session for the next request. Only over HTTP, because it sets the cookie."
)
async def change_password(
    info: Info, input: Annotated[ChangePasswordInput, strawberry.argument(description="The passwords.")]
) -> session.AuthPayload:
    client = session.http_client(info)
    new_session = await info.context.services.log_ins.change_password(
        info.context.actor,
        current=input.current_password,
        password1=input.password1,
        password2=input.password2,
        address=client.address,
    )
    info.context.end_session()
    return session.auth_payload(info, new_session, issue_token=client.is_bearer)
