"""The changes of a trip that a caller may make, and the faults of a change that comes too late."""

from models.trip_life import Party, Transition, TripStatus, WithdrawReason, is_open, transitions, withdraw_reason
from models.values import Role, TripValue
from models.visibility import Actor
from services.errors import UserFault
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
    party = trip.rider if actor.user.role is Role.RIDER else trip.driver
    return party is not None and party.id == actor.id


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
