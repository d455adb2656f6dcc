"""Sessions: log-in and log-out, and the payload of the mutations that begin one."""

from typing import Annotated

import strawberry

from schema.api.context import ClientInfo, Info
from schema.api.errors import RequestError
from schema.api.user import User, own_user
from schema.api.user_errors import UserError, mutation
from services.accounts.sessions import NewSession


@strawberry.type(description="The answer to `signUp`, `logIn`, `changePassword` and `resetPassword`.")
class AuthPayload:
    user: User | None = strawberry.field(
        default=None, description="The user who is logged in now; null if it failed."
    )
    token: str | None = strawberry.field(
        default=None,
        description="The session's token, for `Authorization: Bearer`; null unless `issueToken` asked for it or "
        "the password was changed with such a token.",
    )
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if it succeeded."
    )


@strawberry.type(description="The answer to `logOut`.")
class LogOutPayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if it succeeded."
    )


@mutation(
    description="Begin a session. It replaces the session whose cookie (or, with `issueToken`, bearer token) came "
    "with the request; that one ends. Only over HTTP, because it sets the cookie."
)
async def log_in(
    info: Info,
    username: Annotated[str, strawberry.argument(description="The user name, in any case.")],
    password: Annotated[str, strawberry.argument(description="The password.")],
    issue_token: Annotated[
        bool,
        strawberry.argument(
            description="Return the token, for clients without cookies, and do not set the cookie."
        ),
    ] = False,
) -> AuthPayload:
    client = http_client(info)
    session = await info.context.services.log_ins.log_in(
        username=username,
        password=password,
        address=client.address,
        # The client replaces this session's token. Without the token nobody could end the session.
        replaces=client.token(is_bearer=issue_token),
    )
    return auth_payload(info, session, issue_token=issue_token)


@mutation(
    description="End the session and close its sockets. With a bearer token, the session of the cookie stays."
)
async def log_out(
    info: Info,
    everywhere: Annotated[
        bool, strawberry.argument(description="End all sessions of the caller, on every device.")
    ] = False,
) -> LogOutPayload:
    await info.context.services.sessions.end(info.context.actor, everywhere=everywhere)
    info.context.end_session()
    return LogOutPayload()


def http_client(info: Info) -> ClientInfo:
    """The HTTP client of the request, for a mutation that sets the cookie or is limited by the client's address.

    Raises:
        RequestError: COOKIE_TRANSPORT_REQUIRED over a socket.
    """
    if info.context.client is None:
        raise RequestError("COOKIE_TRANSPORT_REQUIRED", "Send this over HTTP, not over a socket.")
    return info.context.client


def auth_payload(info: Info, session: NewSession, *, issue_token: bool) -> AuthPayload:
    """The payload that gives the client its new session: in the cookie, or with ``issue_token`` as a token."""
    caller = info.context.caller
    if caller is not None and caller.session_id == session.replaced:
        info.context.end_session()
    if not issue_token:
        info.context.set_token = session.token
    return AuthPayload(user=own_user(session.actor.user), token=session.token if issue_token else None)
