"""The changes of a trip that a caller may make, and the faults of a change that comes too late."""

from models.trip_life import (
    CancelCode,
    Party,
    Transition,
    TripStatus,
    WithdrawReason,
    cancel_codes,
    is_no_show,
    is_open,
    keeps_reason,
    transitions,
    withdraw_reason,
)
from models.values import Role, TripValue
from models.visibility import Actor
from services.errors import BadInput, UserFault
from services.trips.faults import NotADriver, NotARider, TripCancelled, TripExpired, TripNotFound, TripTaken


def steps_of(actor: Actor, status: TripStatus) -> tuple[Transition, ...]:
    """The transitions to ``status`` that the caller's role may make. Raises: NotADriver, NotARider."""
    for_riders = transitions(status, Party.RIDER)
    for_drivers = transitions(status, Party.ANY_DRIVER, Party.DRIVER)
    steps = for_riders if actor.user.role is Role.RIDER else for_drivers
    if not steps and for_drivers:
        raise NotADriver("Only drivers can make this change.")
    if not steps and for_riders:
        raise NotARider("Only riders can make this change.")
    return steps


def is_made(actor: Actor, trip: TripValue, status: TripStatus) -> bool:
    """Whether this actor has already made this change."""
    if trip.status is not status:
        return False
    if is_open(status):
        return actor.id in trip.given_back_by
    if actor.user.role is Role.RIDER:
        return trip.rider.id == actor.id
    # Only a no-show is a driver's own cancellation.
    is_own = is_no_show(trip.cancel_code) or not keeps_reason(status)
    return is_own and trip.driver is not None and trip.driver.id == actor.id


def check_cancel_code(actor: Actor, status: TripStatus, code: CancelCode | None) -> None:
    """Raises: BadInput: the caller's role may not give this code with a change to ``status``."""
    party = Party.RIDER if actor.user.role is Role.RIDER else Party.DRIVER
    if code is None or code in (allowed := cancel_codes(status, party)):
        return
    if not allowed:
        raise BadInput("This change has no cancel code.", field=("cancelCode",))
    listed = ", ".join(sorted(allowed))
    raise BadInput(f"The cancel code of this change must be one of: {listed}.", field=("cancelCode",))


def too_late(actor: Actor, trip: TripValue | None, status: TripStatus) -> UserFault:
    """The fault for a trip that the caller may not see."""
    accepting = bool(transitions(status, Party.ANY_DRIVER)) and actor.user.role is Role.DRIVER
    if trip is None or not accepting or actor.id in trip.given_back_by:
        return TripNotFound("There is no such trip.", field=("id",))
    match withdraw_reason(trip.status):
        case WithdrawReason.CANCELLED:
            return TripCancelled("The rider has cancelled this trip.")
        case WithdrawReason.EXPIRED:
            return TripExpired("This request has expired.")
        case _:
            return TripTaken("Another driver has taken this trip.")
