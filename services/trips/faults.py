"""The faults of the use cases of trips."""

from services.errors import ErrorCode, UserFault


class NotARider(UserFault):
    """Only riders may do this."""

    code = ErrorCode.NOT_A_RIDER


class NotADriver(UserFault):
    """Only drivers may do this."""

    code = ErrorCode.NOT_A_DRIVER


class TripNotFound(UserFault):
    """No such trip, or not one that the caller may see: both are the same answer."""

    code = ErrorCode.TRIP_NOT_FOUND


class TripTaken(UserFault):
    """Another driver was first."""

    code = ErrorCode.TRIP_TAKEN


class TripCancelled(UserFault):
    """The trip was cancelled before the driver accepted."""

    code = ErrorCode.TRIP_CANCELLED


class TripExpired(UserFault):
    """No driver accepted the trip in time."""

    code = ErrorCode.TRIP_EXPIRED


class IllegalTransition(UserFault):
    """The trip's status allows no such change."""

    code = ErrorCode.ILLEGAL_TRANSITION


class NotNear(UserFault):
    """The driver's last position is too far from the pick-up. Trying again helps once the driver is there."""

    code = ErrorCode.NOT_NEAR
    retryable = True


class TooEarly(UserFault):
    """The trip's status allows the change, but not yet."""

    code = ErrorCode.TOO_EARLY
    retryable = True


class VersionConflict(UserFault):
    """The trip has changed since the caller read it."""

    code = ErrorCode.VERSION_CONFLICT


class IdempotencyConflict(UserFault):
    """The rider's key was used for another request."""

    code = ErrorCode.IDEMPOTENCY_CONFLICT


class DriverBusy(UserFault):
    """The driver has an active trip. Trying again helps after it has ended."""

    code = ErrorCode.DRIVER_BUSY
    retryable = True


class TooManyOpenTrips(UserFault):
    """The rider has the maximum of open trips. Trying again helps after one was accepted or has ended."""

    code = ErrorCode.TOO_MANY_OPEN_TRIPS
    retryable = True
