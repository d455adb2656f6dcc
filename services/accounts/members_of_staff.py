"""Whoever must not leave a server without a member of staff."""

from uuid import UUID

from services.database.connections import Source
from services.database.dialects import Dialect, uuid
from services.errors import ErrorCode, UserFault


class LastOfStaff(UserFault):
    """Nobody else could use the admin. Another member of staff must be created first."""

    code = ErrorCode.LAST_OF_STAFF


async def lock_staff(transaction: Source, sql: Dialect) -> dict[UUID, bool]:
    """All members of staff, and whether each is active; locked until the end of the transaction.

    So the last two cannot leave at once. Lock them before any other user.
    """
    # No index knows them, and one is not worth it for what happens so seldom.
    rows = await transaction.fetch(
        f"SELECT id, is_active FROM users WHERE is_staff = $1 ORDER BY id{sql.locked('NO KEY UPDATE')}", True
    )
    return {uuid(row["id"]): bool(row["is_active"]) for row in rows}


def check_not_last(staff: dict[UUID, bool], leaving: UUID) -> None:
    """Check that somebody else stays.

    Raises:
        LastOfStaff: ``leaving`` is the last active one.
    """
    if staff.get(leaving) and not any(is_active for other, is_active in staff.items() if other != leaving):
        raise LastOfStaff("You are the last active member of staff. Another one must be created first.")
