"""A trip as a value, without a database."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from models.trip_life import TripStatus, is_open
from models.values import TripValue, UserValue

NOW = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC)


def trip_value(rider: UserValue, status: TripStatus = TripStatus.REQUESTED, **fields: Any) -> TripValue:
    """A trip at version 1; ``fields`` replace the defaults."""
    made: dict[str, Any] = {
        "id": uuid4(),
        "created": NOW,
        "updated": fields.get("created", NOW),
        "version": 1,
        "pick_up_address": "1 Main Street",
        "drop_off_address": "9 Side Street",
        "pick_up": None,
        "drop_off": None,
        "expires_at": fields.get("created", NOW) if is_open(status) else None,
        "cancel_reason": None,
        "given_back_by": frozenset(),
        "driver": None,
    }
    return TripValue(rider=rider, status=status, **made | fields)
