"""The code of a cancellation."""

from models.trip_life import CancelCode
from schema.api.enums import describe

__all__ = ["CancelCode"]

describe(
    CancelCode,
    "Why a trip was cancelled or given back. Codes may be added, but are never renamed.",
    {
        "CHANGED_PLANS": "The ride is not needed any more.",
        "WRONG_ADDRESS": "The pick-up or the drop-off is wrong.",
        "DRIVER_TOO_FAR": "The driver is too far from the pick-up.",
        "NO_SHOW": "The driver waited at the pick-up, and the rider did not come.",
        "SAFETY": "The rider or the driver does not feel safe.",
        "ABANDONED": "The server ended the trip because nobody changed it for a very long time.",
        "STAFF": "Staff cancelled the trip.",
        "OTHER": "Another reason.",
    },
)
