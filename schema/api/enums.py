"""The domain's enums as GraphQL enums, each value described."""

from enum import Enum

import strawberry

from models.values import Role
from models.trip_life import ChangedBy, TripStatus, WithdrawReason
from services.errors import ErrorCode

__all__ = ["ChangedBy", "ErrorCode", "Role", "TripStatus", "WithdrawReason"]


def _describe(enum: type[Enum], description: str, values: dict[str, str]) -> None:
    strawberry.enum(enum, description=description)
    for value in enum.__strawberry_definition__.values:  # pyright: ignore
        value.description = values.pop(value.name)
    assert not values, f"{enum.__name__} has no {values}"


_describe(
    Role,
    "What an account is for. It never changes.",
    {"RIDER": "Requests trips.", "DRIVER": "Hears of requests and takes them."},
)
_describe(
    TripStatus,
    "Where a trip is in its life.",
    {
        "REQUESTED": "Waits for a driver.",
        "STARTED": "A driver has accepted and is on the way to the rider.",
        "IN_PROGRESS": "The rider is in the car.",
        "COMPLETED": "The rider has arrived. Final.",
        "CANCELLED": "Called off. Final.",
        "EXPIRED": "No driver accepted in time. Final.",
    },
)
_describe(
    ChangedBy,
    "As what somebody changed a trip.",
    {
        "RIDER": "Its rider.",
        "DRIVER": "Its driver.",
        "STAFF": "A member of staff.",
        "SYSTEM": "Nobody: time has passed.",
    },
)
_describe(
    WithdrawReason,
    "Why an offer has gone.",
    {
        "TAKEN": "A driver has accepted the trip.",
        "CANCELLED": "The trip was called off.",
        "EXPIRED": "No driver accepted in time.",
        "OUT_OF_RANGE": "The pick-up is no longer near, or 200 others are nearer. The trip has not changed.",
    },
)
_describe(
    ErrorCode,
    "What went wrong, for a screen to handle. Codes are added, never renamed.",
    {
        "USERNAME_TAKEN": "Somebody has that user name, in whatever case or Unicode form.",
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
