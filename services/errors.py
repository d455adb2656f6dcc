"""The exceptions that use cases raise, mostly for mistakes of the caller."""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar


class ErrorCode(Enum):
    """The code of an error that clients handle. Codes are stable: they are part of the GraphQL contract."""

    USERNAME_TAKEN = "USERNAME_TAKEN"
    USERNAME_INVALID = "USERNAME_INVALID"
    PASSWORD_WEAK = "PASSWORD_WEAK"  # noqa: S105 - a code, not a password
    PASSWORD_MISMATCH = "PASSWORD_MISMATCH"  # noqa: S105 - a code, not a password
    BAD_CREDENTIALS = "BAD_CREDENTIALS"
    EMAIL_INVALID = "EMAIL_INVALID"
    EMAIL_REQUIRED = "EMAIL_REQUIRED"
    EMAIL_TOKEN_INVALID = "EMAIL_TOKEN_INVALID"  # noqa: S105 - a code, not a token
    RESET_TOKEN_INVALID = "RESET_TOKEN_INVALID"  # noqa: S105 - a code, not a token
    PHOTO_INVALID = "PHOTO_INVALID"
    PHOTO_TOO_LARGE = "PHOTO_TOO_LARGE"
    PHOTO_REQUIRED = "PHOTO_REQUIRED"
    PHOTOS_UNAVAILABLE = "PHOTOS_UNAVAILABLE"
    NOT_A_RIDER = "NOT_A_RIDER"
    NOT_A_DRIVER = "NOT_A_DRIVER"
    TRIP_NOT_FOUND = "TRIP_NOT_FOUND"
    TRIP_TAKEN = "TRIP_TAKEN"
    TRIP_CANCELLED = "TRIP_CANCELLED"
    TRIP_EXPIRED = "TRIP_EXPIRED"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    DRIVER_BUSY = "DRIVER_BUSY"
    TOO_MANY_OPEN_TRIPS = "TOO_MANY_OPEN_TRIPS"
    TRIP_UNDER_WAY = "TRIP_UNDER_WAY"
    LAST_OF_STAFF = "LAST_OF_STAFF"
    STALE_LOCATION = "STALE_LOCATION"
    ALREADY_RATED = "ALREADY_RATED"
    OFF_DUTY = "OFF_DUTY"
    DRIVER_NOT_APPROVED = "DRIVER_NOT_APPROVED"
    VEHICLE_REQUIRED = "VEHICLE_REQUIRED"
    NOT_NEAR = "NOT_NEAR"
    TOO_EARLY = "TOO_EARLY"
    WRONG_PIN = "WRONG_PIN"
    PIN_LOCKED = "PIN_LOCKED"
    PUSH_UNAVAILABLE = "PUSH_UNAVAILABLE"
    PUSH_SUBSCRIPTION_INVALID = "PUSH_SUBSCRIPTION_INVALID"


class UserFault(Exception):
    """An expected failure of a use case: a code, a message and the field at fault.

    Subclasses stand beside the use case that raises them and set ``code``. ``field`` is the path of the
    input field at fault; ``retryable`` says whether the same request may succeed later, ``retry_after_s`` in how
    many seconds, if that is known.
    """

    code: ClassVar[ErrorCode]
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, field: tuple[str, ...] | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s


class UserFaults(Exception):
    """Several faults of one request, so that a form can show them together."""

    def __init__(self, faults: Sequence[UserFault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


class SessionEnded(Exception):
    """The caller's session has ended, or the account is no longer active. Nothing was written."""


class BadInput(Exception):
    """The request itself is malformed (an empty address, latitude 91); answered as BAD_USER_INPUT."""

    def __init__(self, message: str, *, field: tuple[str, ...] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or cannot work now. Trying again later may help."""
