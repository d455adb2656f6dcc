"""The life of a trip: one table of its transitions, and the only place where statuses are compared.

SQL has its conditions from the sets below, by ``services/trips/conditions.py``.
"""

from enum import Enum, StrEnum

from models.frozen import frozen


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


class TripEvent(StrEnum):
    """What has happened to a trip, as other systems are told."""

    REQUESTED = "trip.requested"
    ACCEPTED = "trip.accepted"
    GIVEN_BACK = "trip.given_back"
    DRIVER_ARRIVED = "trip.driver_arrived"
    IN_PROGRESS = "trip.in_progress"
    COMPLETED = "trip.completed"
    CANCELLED = "trip.cancelled"
    EXPIRED = "trip.expired"


class Guard(Enum):
    """A condition of a transition besides the status and the party.

    ``services/trips/conditions.py`` has its SQL, ``services/trips/guards.py`` what callers are told.
    """

    IN_TIME = "the request has not expired"
    OVERDUE = "the request has expired"
    PIN = "the driver knows the PIN of the rider, if the trip has one"
    WAITED = "the driver has waited for the rider at the pick-up"
    DRIVER_SILENT = "the driver has sent nothing for a long time"
    ABANDONED = "nobody has changed the trip for a very long time"


@frozen
class Transition:
    """One allowed change of status. ``pool_hears``: it is also published to the drivers in the pool."""

    name: str
    source: TripStatus
    target: TripStatus
    by: Party
    pool_hears: bool = False
    guard: Guard | None = None


_S = TripStatus

TRANSITIONS: tuple[Transition, ...] = (
    Transition("accept", _S.REQUESTED, _S.STARTED, Party.ANY_DRIVER, pool_hears=True, guard=Guard.IN_TIME),
    Transition("start", _S.STARTED, _S.IN_PROGRESS, Party.DRIVER, guard=Guard.PIN),
    Transition("complete", _S.IN_PROGRESS, _S.COMPLETED, Party.DRIVER),
    Transition("give back", _S.STARTED, _S.REQUESTED, Party.DRIVER, pool_hears=True),
    Transition("cancel", _S.REQUESTED, _S.CANCELLED, Party.RIDER, pool_hears=True),
    Transition("cancel", _S.STARTED, _S.CANCELLED, Party.RIDER),
    Transition("cancel", _S.IN_PROGRESS, _S.CANCELLED, Party.RIDER, guard=Guard.DRIVER_SILENT),
    Transition("no-show", _S.STARTED, _S.CANCELLED, Party.DRIVER, guard=Guard.WAITED),
    Transition("expire", _S.REQUESTED, _S.EXPIRED, Party.SYSTEM, pool_hears=True, guard=Guard.OVERDUE),
    Transition("abandon", _S.STARTED, _S.CANCELLED, Party.SYSTEM, guard=Guard.ABANDONED),
    Transition("abandon", _S.IN_PROGRESS, _S.CANCELLED, Party.SYSTEM, guard=Guard.ABANDONED),
    Transition("cancel", _S.REQUESTED, _S.CANCELLED, Party.STAFF, pool_hears=True),
    Transition("cancel", _S.STARTED, _S.CANCELLED, Party.STAFF),
    Transition("cancel", _S.IN_PROGRESS, _S.CANCELLED, Party.STAFF),
    Transition("complete", _S.STARTED, _S.COMPLETED, Party.STAFF),
    Transition("complete", _S.IN_PROGRESS, _S.COMPLETED, Party.STAFF),
)

# What a change to each status means. Of two there is more to know: a driver may have arrived, or given back.
EVENTS: dict[TripStatus, TripEvent] = {
    _S.REQUESTED: TripEvent.REQUESTED,
    _S.STARTED: TripEvent.ACCEPTED,
    _S.IN_PROGRESS: TripEvent.IN_PROGRESS,
    _S.COMPLETED: TripEvent.COMPLETED,
    _S.CANCELLED: TripEvent.CANCELLED,
    _S.EXPIRED: TripEvent.EXPIRED,
}

_BY_CHOICE = frozenset(
    {
        CancelCode.CHANGED_PLANS,
        CancelCode.WRONG_ADDRESS,
        CancelCode.DRIVER_TOO_FAR,
        CancelCode.SAFETY,
        CancelCode.OTHER,
    }
)

# The status of a new trip.
FIRST = _S.REQUESTED
# Waits for a driver.
OPEN: frozenset[TripStatus] = frozenset({_S.REQUESTED})
# A driver is on the way to the rider, or is driving the rider to the drop-off.
DRIVING: frozenset[TripStatus] = frozenset({_S.STARTED, _S.IN_PROGRESS})
ON_THE_WAY: frozenset[TripStatus] = frozenset({_S.STARTED})
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
    return status in ON_THE_WAY


def has_ended(status: TripStatus) -> bool:
    """Whether the status is final."""
    return status in ENDED


def is_completed(status: TripStatus) -> bool:
    """Whether the rider has reached the drop-off."""
    return status is TripStatus.COMPLETED


def keeps_reason(status: TripStatus) -> bool:
    """Whether the trip stores the reason and the code of a change to ``status``."""
    return status is TripStatus.CANCELLED


def tells_reason(status: TripStatus) -> bool:
    """Whether the history stores the reason and the code of a change to ``status``."""
    return keeps_reason(status) or is_open(status)


def cancel_codes(target: TripStatus, party: Party) -> frozenset[CancelCode]:
    """The codes that a party may give with a change to ``target``; empty: such a change has none."""
    if not tells_reason(target):
        return frozenset()
    match party:
        case Party.STAFF:
            return frozenset(CancelCode) - {CancelCode.ABANDONED}
        case Party.DRIVER if keeps_reason(target):
            return frozenset({CancelCode.NO_SHOW})
        case Party.RIDER if is_open(target):
            return frozenset()
        case Party.RIDER | Party.DRIVER:
            return _BY_CHOICE
        case Party.ANY_DRIVER | Party.SYSTEM:
            return frozenset()


STAFF_CANCEL_CODES = cancel_codes(_S.CANCELLED, Party.STAFF)


def is_no_show(code: CancelCode | None) -> bool:
    """Whether the driver waited for the rider in vain."""
    return code is CancelCode.NO_SHOW


def default_cancel_code(step: Transition) -> CancelCode | None:
    """The code of a transition whose party gives none."""
    if not keeps_reason(step.target):
        return None
    if step.guard is Guard.DRIVER_SILENT:
        return CancelCode.OTHER
    return {
        Party.DRIVER: CancelCode.NO_SHOW,
        Party.STAFF: CancelCode.STAFF,
        Party.SYSTEM: CancelCode.ABANDONED,
    }.get(step.by)


def withdraw_reason(status: TripStatus) -> WithdrawReason:
    """Why a trip that is no longer open has left the pool."""
    if status is TripStatus.CANCELLED:
        return WithdrawReason.CANCELLED
    if status is TripStatus.EXPIRED:
        return WithdrawReason.EXPIRED
    return WithdrawReason.TAKEN
