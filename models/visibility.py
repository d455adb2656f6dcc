"""Who sees a trip, and how much of it. Pure: it runs for every subscriber and event."""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from models.snapshots import Role, TripSnapshot, UserSnapshot
from models.trip_life import is_open


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of a use case: an account within one of its sessions."""

    user: UserSnapshot
    session_id: UUID

    @property
    def id(self) -> UUID:
        """The account's id."""
        return self.user.id


class Audience(Enum):
    """Those for whom a trip looks the same."""

    POOL = "drivers who might take it: user names are hidden"
    PARTY = "its rider and its driver"


def audience_of(actor: Actor, trip: TripSnapshot) -> Audience | None:
    """As which audience ``actor`` sees ``trip`` at this version; None when it does not exist for them."""
    user = actor.user
    if user.id == trip.rider.id or (trip.driver is not None and user.id == trip.driver.id):
        return Audience.PARTY
    if user.role is Role.DRIVER and is_open(trip.status) and user.id not in trip.given_back_by:
        return Audience.POOL
    return None


def may_see(actor: Actor, trip: TripSnapshot) -> bool:
    """Whether ``trip`` exists for ``actor`` at this version."""
    return audience_of(actor, trip) is not None
