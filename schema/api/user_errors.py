"""Faults that the user can correct, as data: the codes, and the conversion of a UserFault to a payload."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.types.field import StrawberryField

from schema.api.enums import describe
from services.errors import ErrorCode, UserFault, UserFaults

# What each code means.
ERROR_TEXTS = {
    "USERNAME_TAKEN": "Another user has that user name, in any case or Unicode form, or one that looks like it.",
    "USERNAME_INVALID": "The user name is too short or too long, has spaces or invisible characters, or mixes "
    "letters of several scripts in one word.",
    "PASSWORD_WEAK": "The password is easy to guess, or longer than 128 characters.",
    "PASSWORD_MISMATCH": "The two passwords differ.",
    "BAD_CREDENTIALS": "The user name or the password is wrong.",
    "EMAIL_INVALID": "This is not an e-mail address.",
    "EMAIL_REQUIRED": "The account has no e-mail address.",
    "EMAIL_TOKEN_INVALID": "The link of the letter has expired, was used, or is not for the current address.",
    "RESET_TOKEN_INVALID": "The link of the letter has expired, was used or replaced by a newer one, or the "
    "password was changed.",
    "PHOTO_INVALID": "The file is not a readable JPEG, PNG or WebP image.",
    "PHOTO_TOO_LARGE": "The photo has too many bytes or pixels.",
    "PHOTO_REQUIRED": "This server requires a photo.",
    "PHOTOS_UNAVAILABLE": "No photo can be stored at the moment. Try without one, or later.",
    "NOT_A_RIDER": "Only riders may do this.",
    "NOT_A_DRIVER": "Only drivers may do this.",
    "TRIP_NOT_FOUND": "No such trip, or not one that the caller may see.",
    "TRIP_TAKEN": "Another driver was first.",
    "TRIP_CANCELLED": "The trip was cancelled before the driver accepted.",
    "TRIP_EXPIRED": "No driver accepted the trip in time.",
    "ILLEGAL_TRANSITION": "The trip cannot change from its status to the requested one.",
    "VERSION_CONFLICT": "The trip has changed since the caller read it (`ifVersion`).",
    "IDEMPOTENCY_CONFLICT": "The idempotency key was used for another request.",
    "DRIVER_BUSY": "The driver has an active trip.",
    "TOO_MANY_OPEN_TRIPS": "The rider has the maximum number of trips that wait for a driver.",
    "TRIP_UNDER_WAY": "The caller has a trip under way. Try again after it has ended.",
    "LAST_OF_STAFF": "The caller is the last active member of staff. Another one must be created first.",
    "NOT_NEAR": "The driver is too far from the pick-up.",
    "TOO_EARLY": "The trip's status allows the change, but not yet: see `retryAfter`.",
    "WRONG_PIN": "This is not the trip's PIN, or none was given. Five wrong ones lock the trip for a minute.",
    "PIN_LOCKED": "There were five wrong PINs: see `retryAfter`. Until then the right PIN is refused too.",
    "STALE_LOCATION": "A newer position of the driver is known, or this one is too old.",
    "ALREADY_RATED": "The caller has already rated the trip, differently. A rating cannot be changed.",
    "OFF_DUTY": "The driver is off duty.",
    "DRIVER_NOT_APPROVED": "Staff have not approved the driver, or no longer do.",
    "VEHICLE_REQUIRED": "This server requires a driver's vehicle.",
    "PUSH_UNAVAILABLE": "This server sends no push messages.",
    "PUSH_SUBSCRIPTION_INVALID": "The endpoint or a key of the push subscription cannot be one of a browser.",
}
describe(
    ErrorCode,
    "The kind of an error that a user interface must handle. Codes may be added, but are never renamed.",
    dict(ERROR_TEXTS),
)


@strawberry.type(description="An error that the user can correct or must know about.")
class UserError:
    code: ErrorCode = strawberry.field(description="The kind of the error; stable.")
    message: str = strawberry.field(description="A message for people, in English.")
    field: list[str] | None = strawberry.field(description="The path of the wrong input field.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")
    retry_after: int | None = strawberry.field(
        description="In how many seconds the same request may succeed; null if that is unknown."
    )


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
        retry_after=fault.retry_after_s,
    )
