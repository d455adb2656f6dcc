"""Who may see a trip, and which fields. Pure functions: they run for every subscriber and event."""

from enum import Enum
from functools import cached_property
from uuid import UUID

from models.frozen import frozen
from models.trip_life import is_driving, is_open
from models.values import Location, Role, TripValue, UserValue


@frozen
class Actor:
    """The caller of a use case: an account within one of its sessions.

    ``is_approved``: whether a driver may see open trips, as it was when the session was read. It is always true
    where staff need not approve drivers.
    """

    user: UserValue
    session_id: UUID
    is_approved: bool = True

    @property
    def id(self) -> UUID:
        """The account's id."""
        return self.user.id


class Audience(Enum):
    """A group of users that sees the same fields of a trip."""

    POOL = "drivers who might take it: user names are hidden"
    RIDER = "its rider"
    DRIVER = "its driver"

    @cached_property
    def is_party(self) -> bool:
        """Whether it is the trip's rider or its driver."""
        return self is not Audience.POOL


def audience_of(actor: Actor, trip: TripValue) -> Audience | None:
    """The audience of ``trip`` that ``actor`` belongs to at this version; None if they may not see it."""
    user = actor.user
    if user.id == trip.rider.id:
        return Audience.RIDER
    if trip.driver is not None and user.id == trip.driver.id:
        return Audience.DRIVER
    if user.role is Role.DRIVER and actor.is_approved and may_take(user.id, trip):
        return Audience.POOL
    return None


def may_see(actor: Actor, trip: TripValue) -> bool:
    """Whether ``actor`` may see ``trip`` at this version."""
    return audience_of(actor, trip) is not None


def may_take(driver_id: UUID, trip: TripValue) -> bool:
    """Whether a driver may accept the trip, and so is offered it: it is open, and they have not given it back.

    The same as SQL is ``may_take`` in ``services/trips/conditions.py``.
    """
    # Most were given back by nobody; to hash an id takes as long as all the rest.
    return is_open(trip.status) and not (trip.given_back_by and driver_id in trip.given_back_by)


def is_on_trip(location: Location, trip: TripValue) -> bool:
    """Whether the rider and driver of ``trip`` may see this position of the driver.

    They may if it was reported for this trip, or before the trip's last change. So the position from before the
    driver accepted is shown, and what the driver reports after the end is not, even if ``trip`` is older than the
    end.
    """
    if trip.driver is None or trip.driver.id != location.driver_id or not is_driving(trip.status):
        return False
    return location.trip_id == trip.id or location.as_of <= trip.updated
