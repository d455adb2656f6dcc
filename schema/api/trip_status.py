"""The status of a trip."""

from models.trip_life import TripStatus
from schema.api.enums import describe

__all__ = ["TripStatus"]

describe(
    TripStatus,
    "The state of a trip.",
    {
        "REQUESTED": "Waits for a driver.",
        "STARTED": "A driver has accepted and is on the way to the rider.",
        "IN_PROGRESS": "The rider is in the car.",
        "COMPLETED": "The rider has reached the destination. Final.",
        "CANCELLED": "The rider or staff cancelled the trip. Final.",
        "EXPIRED": "No driver accepted in time. Final.",
    },
)
