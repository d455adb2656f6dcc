"""The status of a trip."""

from models.trip_life import TripStatus
from schema.api.enums import describe

__all__ = ["TripStatus"]

describe(
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
