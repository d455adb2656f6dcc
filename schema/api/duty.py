"""Going on and off duty: the mutation `setOnDuty`."""

from typing import Annotated

import strawberry

from schema.api.context import Info
from schema.api.profile import UserPayload
from schema.api.user import own_user
from schema.api.user_errors import mutation


@mutation(
    description="Go on or off duty; new drivers are on duty. Off duty a driver gets no offers, cannot accept, and "
    "the server stores no position. A trip under way goes on. It stays so across connections and sessions. For "
    "drivers."
)
async def set_on_duty(
    info: Info,
    on_duty: Annotated[bool, strawberry.argument(description="Whether the driver is on duty from now on.")],
) -> UserPayload:
    actor = info.context.actor
    await info.context.services.duty.set(actor, on_duty=on_duty)
    return UserPayload(user=own_user(actor.user))
