"""The caller's e-mail address: changing and confirming it."""

from typing import Annotated

import strawberry

from schema.api.context import Info
from schema.api.profile import UserPayload
from schema.api.session import http_client
from schema.api.user import own_user
from schema.api.user_errors import UserError, mutation


@strawberry.input(description="A new e-mail address.")
class ChangeEmailInput:
    email: str | None = strawberry.field(
        description="The address; null removes it. Several accounts may have the same one."
    )
    current_password: str = strawberry.field(description="The current password.")


@strawberry.type(description="The answer to `requestEmailVerification`.")
class RequestEmailVerificationPayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if a letter is on its way."
    )


@strawberry.type(description="The answer to `verifyEmail`.")
class VerifyEmailPayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if it succeeded."
    )


@mutation(
    description="Change the caller's e-mail address. A letter with a link goes to it; until somebody uses the "
    "link, it is not verified, and no password can be reset with it. A letter tells a verified former address. "
    "Only over HTTP."
)
async def change_email(
    info: Info, input: Annotated[ChangeEmailInput, strawberry.argument(description="The address.")]
) -> UserPayload:
    client = http_client(info)
    actor = info.context.actor
    await info.context.services.emails.change(
        actor, email=input.email, current_password=input.current_password, address=client.address
    )
    return UserPayload(user=own_user(actor.user))


@mutation(
    description="Send another letter to the caller's address, with a link that confirms it: at most one an hour, "
    "otherwise `RATE_LIMITED`. A verified address gets none."
)
async def request_email_verification(info: Info) -> RequestEmailVerificationPayload:
    await info.context.services.emails.request_verification(info.context.actor)
    return RequestEmailVerificationPayload()


@mutation(
    description="Confirm an e-mail address with the token of a letter. It needs no session: the letter may be "
    "read on another device. Only over HTTP."
)
async def verify_email(
    info: Info,
    token: Annotated[str, strawberry.argument(description="The token in the letter's link, after `#`.")],
) -> VerifyEmailPayload:
    await info.context.services.emails.verify(token, address=http_client(info).address)
    return VerifyEmailPayload()
