"""Faults that the user can correct, as data: the codes, and the conversion of a UserFault to a payload."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.types.field import StrawberryField

from schema.api.enums import describe
from services.errors import ErrorCode, UserFault, UserFaults

describe(
    ErrorCode,
    "What went wrong, for a screen to handle. Codes are added, never renamed.",
    {
        "USERNAME_TAKEN": "Somebody has that user name, in whatever case or Unicode form, or one that looks like "
        "it.",
        "USERNAME_INVALID": "The user name is too short or too long, has spaces or what cannot be seen, or mixes "
        "the letters of several scripts in one word.",
        "PASSWORD_WEAK": "The password is easy to guess, or longer than 128 characters.",
        "PASSWORD_MISMATCH": "The two passwords differ.",
        "BAD_CREDENTIALS": "The user name and the password do not belong together.",
        "PHOTO_INVALID": "The file is not a JPEG, PNG or WebP image that can be read.",
        "PHOTO_TOO_LARGE": "The photo has too many bytes or pixels.",
        "PHOTO_REQUIRED": "This server wants a photo of everybody.",
        "PHOTOS_UNAVAILABLE": "No photo can be kept at the moment. Try without one, or later.",
        "NOT_A_RIDER": "Only riders may do this.",
        "NOT_A_DRIVER": "Only drivers may do this.",
        "TRIP_NOT_FOUND": "No such trip, or not one that the caller may see.",
        "TRIP_TAKEN": "Another driver was first.",
        "TRIP_CANCELLED": "The trip was cancelled before the driver accepted.",
        "TRIP_EXPIRED": "No driver accepted the trip in time.",
        "ILLEGAL_TRANSITION": "A trip cannot go from where it is to the status asked for.",
        "VERSION_CONFLICT": "The trip has changed since the caller read it (`ifVersion`).",
        "IDEMPOTENCY_CONFLICT": "The idempotency key was used for another request.",
        "DRIVER_BUSY": "The driver has an active trip.",
        "TOO_MANY_OPEN_TRIPS": "The rider has as many trips waiting for a driver as one may have.",
        "TRIP_UNDER_WAY": "A trip of the caller's is under way. The same helps once it has ended.",
        "STALE_LOCATION": "A newer position of the driver is known, or this one is too old.",
    },
)


@strawberry.type(description="Something that the user can mend, or has to be told.")
class UserError:
    code: ErrorCode = strawberry.field(description="What went wrong; stable.")
    message: str = strawberry.field(description="The same for people, in English.")
    field: list[str] | None = strawberry.field(description="The path of the input field at fault.")
    retryable: bool = strawberry.field(description="Whether the very same request may succeed later.")


class FaultsAsErrors(FieldExtension):
    """If the resolver raises a UserFault, the field returns its payload with only ``errors``."""

    def __init__(self) -> None:
        self._payload: Callable[..., object] | None = None

    def apply(self, field: StrawberryField) -> None:
        """Part of Strawberry's FieldExtension."""
        self._payload = cast("Callable[..., object]", field.type)

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        """Part of Strawberry's FieldExtension."""
        assert self._payload is not None, "the schema was built"
        try:
            return await next_(source, info, **kwargs)
        except UserFaults as faults:
            return self._payload(errors=[_to_user_error(fault) for fault in faults.faults])
        except UserFault as fault:
            return self._payload(errors=[_to_user_error(fault)])


def mutation(*, description: str) -> Callable[[Callable[..., Awaitable[object]]], StrawberryField]:
    """A field of ``Mutation``. If its resolver raises a UserFault, the answer is the payload with ``errors``."""
    return strawberry.mutation(description=description, extensions=[FaultsAsErrors()])


def _to_user_error(fault: UserFault) -> UserError:
    return UserError(
        code=fault.code,
        message=fault.message,
        field=list(fault.field) if fault.field else None,
        retryable=fault.retryable,
    )
