"""Who is a member of staff now, for use cases outside the admin."""

from models.visibility import Actor
from services.database.connections import Database
from services.live.faults import NotStaff


class StaffRights:
    """Asks the database each time: the right may be taken away at any time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, actor: Actor) -> None:
        """Raises: NotStaff, if the caller is no active member of staff; DatabaseUnavailable."""
        rows = await self._database.fetch(
            "SELECT 1 AS one FROM users WHERE id = $1 AND is_staff = $2 AND is_active = $2", actor.id, True
        )
        if not rows:
            raise NotStaff
