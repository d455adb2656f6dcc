"""The life of a trip: one table of its transitions, and the only place where statuses are compared.

SQL has its conditions from the sets below, by ``services/trips/conditions.py``.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum


class TripStatus(StrEnum):
    """The state of a trip."""

    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class Party(Enum):
    """Who may make a transition."""

    RIDER = "its rider"
    ANY_DRIVER = "a driver"
    DRIVER = "its driver"
    STAFF = "staff"
    SYSTEM = "the system"


class ChangedBy(StrEnum):
    """The role in which a user, or the system, changed a trip."""

    RIDER = "RIDER"
    DRIVER = "DRIVER"
    STAFF = "STAFF"
    SYSTEM = "SYSTEM"


class CancelCode(StrEnum):
    """Why a trip was cancelled or given back."""

    CHANGED_PLANS = "CHANGED_PLANS"
    WRONG_ADDRESS = "WRONG_ADDRESS"
    DRIVER_TOO_FAR = "DRIVER_TOO_FAR"
    NO_SHOW = "NO_SHOW"
    SAFETY = "SAFETY"
    ABANDONED = "ABANDONED"
    STAFF = "STAFF"
    OTHER = "OTHER"


class WithdrawReason(StrEnum):
    """Why an offer was withdrawn from a driver."""

    TAKEN = "TAKEN"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    OUT_OF_RANGE = "OUT_OF_RANGE"


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed change of status. ``pool_hears``: it is also published to the drivers in the pool."""

    name: str
    source: TripStatus
    target: TripStatus
    by: Party
    pool_hears: bool = False


_S = TripStatus

TRANSITIONS: tuple[Transition, ...] = (
    Transition("accept", _S.REQUESTED, _S.STARTED, Party.ANY_DRIVER, pool_hears=True),
    Transition("start", _S.STARTED, _S.IN_PROGRESS, Party.DRIVER),
    Transition("complete", _S.IN_PROGRESS, _S.COMPLETED, Party.DRIVER),
    Transition("give back", _S.STARTED, _S.REQUESTED, Party.DRIVER, pool_hears=True),
    Transition("cancel", _S.REQUESTED, _S.CANCELLED, Party.RIDER, pool_hears=True),
    Transition("cancel", _S.STARTED, _S.CANCELLED, Party.RIDER),
    Transition("expire", _S.REQUESTED, _S.EXPIRED, Party.SYSTEM, pool_hears=True),
    Transition("cancel", _S.REQUESTED, _S.CANCELLED, Party.STAFF, pool_hears=True),
    Transition("cancel", _S.STARTED, _S.CANCELLED, Party.STAFF),
    Transition("cancel", _S.IN_PROGRESS, _S.CANCELLED, Party.STAFF),
)

# The status of a new trip.
FIRST = _S.REQUESTED
# Waits for a driver.
OPEN: frozenset[TripStatus] = frozenset({_S.REQUESTED})
# A driver is on the way to the rider, or is driving the rider to the drop-off.
DRIVING: frozenset[TripStatus] = frozenset({_S.STARTED, _S.IN_PROGRESS})
ACTIVE: frozenset[TripStatus] = OPEN | DRIVING
# Nothing leads out of these.
ENDED: frozenset[TripStatus] = frozenset({_S.COMPLETED, _S.CANCELLED, _S.EXPIRED})


def transitions(target: TripStatus, *parties: Party) -> tuple[Transition, ...]:
    """The transitions to ``target`` that any of ``parties`` may take; empty when there is none."""
    return tuple(t for t in TRANSITIONS if t.target is target and t.by in parties)


def changed_by(party: Party) -> ChangedBy:
    """The role that the history records for a change by ``party``."""
    match party:
        case Party.RIDER:
            return ChangedBy.RIDER
        case Party.ANY_DRIVER | Party.DRIVER:
            return ChangedBy.DRIVER
        case Party.STAFF:
            return ChangedBy.STAFF
        case Party.SYSTEM:
            return ChangedBy.SYSTEM


def is_open(status: TripStatus) -> bool:
    """Whether the trip waits for a driver."""
    return status in OPEN


def is_driving(status: TripStatus) -> bool:
    """Whether a driver is on the way to the rider, or is driving the rider to the drop-off."""
    return status in DRIVING


def is_on_the_way(status: TripStatus) -> bool:
    """Whether a driver is on the way to the rider."""
    return status is TripStatus.STARTED


def has_ended(status: TripStatus) -> bool:
    """Whether the status is final."""
    return status in ENDED


def is_completed(status: TripStatus) -> bool:
    """Whether the rider has reached the drop-off."""
    return status is TripStatus.COMPLETED


def keeps_reason(status: TripStatus) -> bool:
    """Whether the reason given with a change to ``status`` is stored."""
    return status is TripStatus.CANCELLED


def withdraw_reason(status: TripStatus) -> WithdrawReason:
    """Why a trip that is no longer open has left the pool."""
    if status is TripStatus.CANCELLED:
        return WithdrawReason.CANCELLED
    if status is TripStatus.EXPIRED:
        return WithdrawReason.EXPIRED
    return WithdrawReason.TAKEN
