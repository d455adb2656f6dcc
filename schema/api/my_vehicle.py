"""Describing the own vehicle: the mutation `setVehicle`."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from schema.api.context import Info
from schema.api.errors import bad_user_input
from schema.api.profile import UserPayload
from schema.api.user import own_user
from schema.api.user_errors import mutation
from schema.api.vehicle import VehicleInput


@mutation(
    description="Describe the caller's vehicle, which the rider of a trip sees from acceptance on. A trip keeps "
    "the vehicle that its driver had then. For drivers."
)
async def set_vehicle(
    info: Info,
    input: Annotated[
        VehicleInput | None, strawberry.argument(description="The vehicle; null removes the one there is.")
    ] = UNSET,
) -> UserPayload:
    actor = info.context.actor
    if input is UNSET:
        raise bad_user_input("Name the vehicle, or null to remove it.", field=("input",))
    await info.context.services.vehicles.set(actor, input.value() if input is not None else None)
    return UserPayload(user=own_user(actor.user))
