"""The history of a trip: who changed what."""

from datetime import datetime

import strawberry

from models.trip_life import ChangedBy
from models.values import TripValue
from models.visibility import Audience
from schema.api.context import SharedInfo
from schema.api.enums import describe
from schema.api.trip_status import TripStatus
from schema.api.user import User, to_user

describe(
    ChangedBy,
    "As what somebody changed a trip.",
    {
        "RIDER": "Its rider.",
        "DRIVER": "Its driver.",
        "STAFF": "A member of staff.",
        "SYSTEM": "Nobody: time has passed.",
    },
)


@strawberry.type(description="One change of a trip.")
class HistoryEntry:
    version: int = strawberry.field(description="The version that it led to.")
    status: TripStatus = strawberry.field(description="The status that it led to.")
    at: datetime = strawberry.field(description="When it was made.")
    changed_by: ChangedBy = strawberry.field(description="As what it was made.")
    user: User | None = strawberry.field(description="Who made it; null if time or staff did.")


async def shown_history(info: SharedInfo, trip: TripValue, audience: Audience) -> list[HistoryEntry] | None:
    """The changes up to the trip's version, oldest first; None unless ``audience`` is a party of the trip."""
    if audience is not Audience.PARTY:
        return None
    parties = {trip.rider.id, trip.driver.id if trip.driver is not None else None}
    return [
        HistoryEntry(
            version=change.version,
            status=change.status,
            at=change.at,
            changed_by=change.changed_by,
            # Users are not shown the names of staff.
            user=(
                to_user(change.user, with_username=change.user.id in parties)
                if change.user is not None and change.changed_by is not ChangedBy.STAFF
                else None
            ),
        )
        for change in await info.context.services.history.of(trip.id)
        if change.version <= trip.version
    ]
