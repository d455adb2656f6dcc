"""Keyset cursors of the list of trips. A cursor is the (created, id) of a trip."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from models.values import TripValue
from services.errors import BadInput


def encode(trip: TripValue) -> str:
    """The cursor of a trip. It stays valid when trips are added or change."""
    return base64.urlsafe_b64encode(f"{trip.created.isoformat()}|{trip.id}".encode()).decode()


def decode(cursor: str) -> tuple[datetime, UUID]:
    """The (created, id) of a cursor. Raises: BadInput when it does not have the form of one."""
    try:
        created, _, trip_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition("|")
        moment = datetime.fromisoformat(created)
        if moment.tzinfo is None:
            raise ValueError
        # OverflowError: on the first and last day of the calendar, the conversion to UTC leaves the calendar.
        return moment.astimezone(UTC), UUID(trip_id)
    except (ValueError, OverflowError, binascii.Error):
        raise BadInput("This is not a cursor of this list.", field=("after",)) from None
