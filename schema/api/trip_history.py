"""The history of a trip: who changed what."""

from datetime import datetime

import strawberry

from models.trip_life import ChangedBy
from models.values import TripValue
from models.visibility import Audience
from schema.api.cancel_code import CancelCode
from schema.api.context import SharedInfo
from schema.api.enums import describe
from schema.api.trip_status import TripStatus
from schema.api.user import User, to_user

describe(
    ChangedBy,
    "The role in which somebody changed a trip.",
    {
        "RIDER": "The trip's rider.",
        "DRIVER": "The trip's driver.",
        "STAFF": "A member of staff.",
        "SYSTEM": "The server, because time has passed.",
    },
)


@strawberry.type(description="One change of a trip.")
class HistoryEntry:
    version: int = strawberry.field(description="The trip's version after the change.")
    status: TripStatus = strawberry.field(description="The trip's status after the change.")
    at: datetime = strawberry.field(description="When the change was made.")
    changed_by: ChangedBy = strawberry.field(description="The role of the user who made the change.")
    user: User | None = strawberry.field(
        description="The user who made the change; null for the server and for staff."
    )
    arrived: bool = strawberry.field(
        description="Whether the change is the driver's report of arrival at the pick-up, which leaves the status "
        "as it is."
    )
    cancel_code: CancelCode | None = strawberry.field(
        description="Why the trip was cancelled or given back, if a code was given."
    )
    reason: str | None = strawberry.field(
        description="Why the trip was cancelled or given back, in the words of the user, if there were any."
    )


async def shown_history(info: SharedInfo, trip: TripValue, audience: Audience) -> list[HistoryEntry] | None:
    """The changes up to the trip's version, oldest first; None unless ``audience`` is a party of the trip."""
    if not audience.is_party:
        return None
    parties = {trip.rider.id, trip.driver.id if trip.driver is not None else None}
    return [
        HistoryEntry(
            version=change.version,
            status=change.status,
            at=change.at,
            changed_by=change.changed_by,
            arrived=change.is_arrival,
            cancel_code=change.cancel_code,
            reason=change.reason,
            # Users are not shown the names of staff.
            user=(
                to_user(change.user, to_party=change.user.id in parties)
                if change.user is not None and change.changed_by is not ChangedBy.STAFF
                else None
            ),
        )
        for change in await info.context.services.history.of(trip.id)
        if change.version <= trip.version
    ]
