"""A forgotten password: a letter with a link, and the new password."""

from typing import Annotated

import strawberry

from schema.api import session
from schema.api.context import Info
from schema.api.user_errors import UserError, mutation


@strawberry.type(description="The answer to `requestPasswordReset`.")
class RequestPasswordResetPayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="Always empty: the answer is the same for every name."
    )


@strawberry.input(description="A new password, by the token of a letter.")
class ResetPasswordInput:
    token: str = strawberry.field(description="The token in the letter's link, after `#`.")
    password1: str = strawberry.field(description="The new password: hard to guess, at most 128 characters.")
    password2: str = strawberry.field(description="The same password again.")
    issue_token: bool = strawberry.field(
        default=False, description="As in `logIn`: return the session's token, and do not set the cookie."
    )


@mutation(
    description="Send a letter with a link to the verified address of the account with that name, at most one an "
    "hour. The answer, and its time, are the same whether or not there is such an account or address. The link is "
    "valid for an hour. Only over HTTP."
)
async def request_password_reset(
    info: Info, username: Annotated[str, strawberry.argument(description="The user name, in any case.")]
) -> RequestPasswordResetPayload:
    await info.context.services.recovery.request_reset(
        username=username, address=session.http_client(info).address
    )
    return RequestPasswordResetPayload()


@mutation(
    description="Set a new password with the token of a letter, which can be used once. All sessions of the "
    "account end, and their sockets are closed; the answer begins a new session, as `logIn` does. Only over HTTP, "
    "because it sets the cookie."
)
async def reset_password(
    info: Info, input: Annotated[ResetPasswordInput, strawberry.argument(description="The token and passwords.")]
) -> session.AuthPayload:
    client = session.http_client(info)
    new_session = await info.context.services.recovery.reset(
        token=input.token,
        password1=input.password1,
        password2=input.password2,
        address=client.address,
        replaces=client.token(is_bearer=input.issue_token),
    )
    caller = info.context.caller
    if caller is not None and caller.id == new_session.actor.id:
        # All sessions of the account have ended, whichever came with the request.
        info.context.end_session()
    return session.auth_payload(info, new_session, issue_token=input.issue_token)
