"""The audit trail of staff: written with each action, in its transaction."""

from dataclasses import dataclass
from uuid import UUID

from models.staff_action import StaffActionKind
from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.database.connections import Source

# Ends the author's name in an entry of the command line. No user name has a space.
COMMAND_LINE = " (command line)"
_MAX_AUTHOR = 150


class NotStaff(Exception):
    """The caller is not, or no longer, a member of staff, or has logged out. Nothing was written."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """Who runs a command of the server: a user of the operating system, who needs no account."""

    user: str

    @property
    def author(self) -> str:
        """The name in the trail."""
        return self.user[: _MAX_AUTHOR - len(COMMAND_LINE)] + COMMAND_LINE


class StaffTrail:
    """Writes the audit trail. An author is the actor of a member of staff, or the command line."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def record(
        self,
        source: Source,
        by: Actor | CommandLine,
        action: StaffActionKind,
        *,
        user_id: UUID | None = None,
        trip_id: UUID | None = None,
        detail: str = "",
    ) -> None:
        """Record an action. The same statement checks that a member of staff may act.

        Raises:
            NotStaff: they are no active member of staff in a live session; the transaction must not be committed.
        """
        if isinstance(by, CommandLine):
            await source.fetch(
                "INSERT INTO staff_actions (at, action, staff_username, detail, user_id, trip_id) "
                "VALUES ({now}, $1, $2, $3, $4, $5)",
                action,
                by.author,
                detail,
                user_id,
                trip_id,
            )
            return
        member = self._sessions.live_sql("$1", "{now}, $2, u.username, $3, u.id, $4, $5")
        written = await source.fetch(
            "INSERT INTO staff_actions (at, action, staff_username, detail, staff_id, user_id, trip_id) "
            f"{member} AND u.is_staff = $6{self._sessions.session_lock_sql} RETURNING id",
            by.session_id,
            action,
            detail,
            user_id,
            trip_id,
            True,
        )
        if not written:
            raise NotStaff
