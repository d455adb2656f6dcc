"""What a device is told about a trip, and how long that is of use. Pure: it is decided when a message is sent."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.push import PushAudience
from models.trip_life import ChangedBy, TripStatus, is_driving, is_open


class PushText(StrEnum):
    """The text of a message; the device has the words."""

    OFFER = "OFFER"
    OFFER_GONE = "OFFER_GONE"
    ACCEPTED = "ACCEPTED"
    ARRIVED = "ARRIVED"
    GIVEN_BACK = "GIVEN_BACK"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class PushedTrip:
    """The state of a trip as far as texts depend on it. ``changed_by``: who made the last change."""

    status: TripStatus
    version: int
    has_arrived: bool
    changed_by: ChangedBy


# What riders hear of; other states they have brought about themselves, or see from inside the car.
_OF_RIDERS = {
    TripStatus.REQUESTED: PushText.GIVEN_BACK,
    TripStatus.STARTED: PushText.ACCEPTED,
    TripStatus.CANCELLED: PushText.CANCELLED,
    TripStatus.EXPIRED: PushText.EXPIRED,
}
_OF_DRIVERS = {TripStatus.CANCELLED: PushText.CANCELLED}
# For longer, nobody can do anything about it.
_USE_S = {
    PushText.OFFER: 600,
    # As long as the push service may still have the offer.
    PushText.OFFER_GONE: 600,
    PushText.ACCEPTED: 600,
    PushText.ARRIVED: 600,
    PushText.GIVEN_BACK: 600,
    PushText.CANCELLED: 3600,
    PushText.EXPIRED: 3600,
}


def text_for(
    audience: PushAudience, trip: PushedTrip, *, can_take: bool = False, told: str | None = None
) -> PushText | None:
    """What is true for that audience now and worth a message; None: nothing.

    ``can_take``: whether the driver may accept the trip now. ``told``: the last text that the device was sent.
    """
    if audience is PushAudience.POOL:
        if can_take and is_open(trip.status):
            return PushText.OFFER
        return PushText.OFFER_GONE if told == PushText.OFFER else None
    if audience is PushAudience.DRIVER:
        return _OF_DRIVERS.get(trip.status) if trip.changed_by is not ChangedBy.DRIVER else None
    # Before the second version the rider, or staff, have only requested it.
    if trip.changed_by is ChangedBy.RIDER or trip.version == 1:
        return None
    if is_driving(trip.status) and trip.has_arrived:
        return PushText.ARRIVED if trip.status in _OF_RIDERS else None
    return _OF_RIDERS.get(trip.status)


def ttl_s(text: PushText, *, age_s: float, expires_at: datetime | None, now: datetime) -> int:
    """For how many more seconds a message is of use; 0: it is not.

    ``age_s``: of the change. ``expires_at``: until when an open trip can be accepted.
    """
    left_s = _USE_S[text] - age_s
    if text in (PushText.OFFER, PushText.GIVEN_BACK) and expires_at is not None:
        left_s = min(left_s, (expires_at - now).total_seconds())
    return max(0, int(left_s))


def is_urgent(text: PushText) -> bool:
    """Whether a device wakes up for it."""
    return text is not PushText.OFFER_GONE
