"""The caller's password."""

from typing import Annotated

import strawberry

from schema.api import session
from schema.api.context import Info
from schema.api.user_errors import mutation


@strawberry.input(description="A new password in place of the current one.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The password until now.")
    password1: str = strawberry.field(description="The new password: hard to guess, at most 128 characters.")
    password2: str = strawberry.field(description="The same again.")


@mutation(
    description="Exchange the password. All sessions of the caller's end, and their sockets are closed, this "
    "one's too; the answer begins a new one, which is for the next request. Over HTTP only, since it sets the "
    "cookie."
)
async def change_password(
    info: Info, input: Annotated[ChangePasswordInput, strawberry.argument(description="The passwords.")]
) -> session.AuthPayload:
    sender = session.http_sender(info)
    new_session = await info.context.services.log_ins.change_password(
        info.context.actor,
        current=input.current_password,
        password1=input.password1,
        password2=input.password2,
        address=sender.address,
    )
    info.context.end_session()
    return session.begun(info, new_session, issue_token=sender.is_bearer)
