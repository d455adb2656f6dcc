"""Messages to devices in the background (Web Push): the subscriptions, and the server's key."""

from typing import Annotated

import strawberry

from schema.api.context import Info
from schema.api.user_errors import UserError, mutation


@strawberry.input(
    description="A subscription of a browser: what `PushManager.subscribe()` returns, with the server's "
    "`pushPublicKey` as `applicationServerKey`."
)
class PushSubscriptionInput:
    endpoint: str = strawberry.field(description="The `endpoint`: an https address of the browser's push service.")
    p256dh: str = strawberry.field(description="The key `p256dh`, in base64url.")
    auth: str = strawberry.field(description="The key `auth`, in base64url.")


@strawberry.type(description="The answer to `registerPushSubscription`.")
class RegisterPushSubscriptionPayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if the device gets messages."
    )


@strawberry.type(description="The answer to `removePushSubscription`.")
class RemovePushSubscriptionPayload:
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if the device gets no messages."
    )


@strawberry.field(
    description="The server's public key for Web Push (VAPID), in base64url; null: this server sends no messages."
)
async def push_public_key(info: Info) -> str | None:
    return info.context.services.push_subscriptions.public_key


@mutation(
    description="Let the caller's browser get messages while no page is open: drivers about requests near them "
    "and cancellations, riders about acceptance, arrival, cancellation, and a driver who gives the trip back. It "
    "ends with the session. A user has at most ten; the oldest makes room. `PUSH_UNAVAILABLE` if the server has "
    "no key."
)
async def register_push_subscription(
    info: Info, input: Annotated[PushSubscriptionInput, strawberry.argument(description="The subscription.")]
) -> RegisterPushSubscriptionPayload:
    await info.context.services.push_subscriptions.register(
        info.context.actor, endpoint=input.endpoint, p256dh=input.p256dh, auth=input.auth
    )
    return RegisterPushSubscriptionPayload()


@mutation(description="Let a browser of the caller get no more messages. Repeating it changes nothing.")
async def remove_push_subscription(
    info: Info,
    endpoint: Annotated[str, strawberry.argument(description="The `endpoint` of the subscription.")],
) -> RemovePushSubscriptionPayload:
    await info.context.services.push_subscriptions.remove(info.context.actor, endpoint=endpoint)
    return RemovePushSubscriptionPayload()
