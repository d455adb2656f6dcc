"""Keyset cursors of a list of trips."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from models.values import TripSnapshot
from services.errors import BadInput


def encode(trip: TripSnapshot) -> str:
    """The place of a trip in the list: it stays valid when trips are added or change."""
    return base64.urlsafe_b64encode(f"{trip.created.isoformat()}|{trip.id}".encode()).decode()


def decode(cursor: str) -> tuple[datetime, UUID]:
    """The (created, id) behind a cursor. Raises: BadInput when it is not one of ours."""
    try:
        created, _, trip_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition("|")
        moment = datetime.fromisoformat(created)
        if moment.tzinfo is None:
            raise ValueError
        # The first and the last day of the calendar have no equivalent in UTC.
        return moment.astimezone(UTC), UUID(trip_id)
    except (ValueError, OverflowError, binascii.Error):
        raise BadInput("This is not a cursor of this list.", field=("after",)) from None
