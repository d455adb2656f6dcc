"""The trail of what staff did: written with each action, in its transaction."""

from uuid import UUID

from models.staff_action import StaffActionKind
from models.visibility import Actor
from services.database import Database, Transaction


class NotStaff(Exception):
    """Whoever acts is not of the staff, or not any more. Nothing was done."""


async def record(
    source: Transaction | Database,
    staff: Actor,
    action: StaffActionKind,
    *,
    user_id: UUID | None = None,
    trip_id: UUID | None = None,
    detail: str = "",
) -> None:
    """Write down what a member of staff does. The same statement decides whether they may.

    Raises:
        NotStaff: they are no active member of staff now; the transaction must not be committed.
    """
    written = await source.fetch(
        "INSERT INTO staff_actions (at, action, staff_username, detail, staff_id, user_id, trip_id) "
        "SELECT {now}, $2, username, $3, id, $4, $5 FROM users WHERE id = $1 AND is_staff = $6 AND is_active = $6 "
        "RETURNING id",
        staff.id,
        action,
        detail,
        user_id,
        trip_id,
        True,
    )
    if not written:
        raise NotStaff
