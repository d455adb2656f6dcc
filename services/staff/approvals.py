"""The decisions of staff about drivers. Each writes a row of the audit trail in its transaction."""

from uuid import UUID

from models.staff_action import StaffActionKind
from models.values import Approval, Role
from services.accounts.sessions import Sessions
from services.drivers.announcements import COLUMNS
from services.drivers.standing_changes import StandingChanges
from services.errors import BadInput
from services.events.outbox import Outbox
from services.runtime.shield import Shield
from services.staff.staff import NoSuchUser, StaffMember
from services.staff.trail import CommandLine, StaffTrail, record_command
from services.trips.checks import checked_reason

_ACTIONS = {
    Approval.APPROVED: StaffActionKind.APPROVE_DRIVER,
    Approval.REFUSED: StaffActionKind.REFUSE_DRIVER,
}


class Approvals:
    """Which drivers may take trips, where staff decide that.

    Of a decision and an acceptance at the same time, one comes first, and the other sees it. A trip under way goes
    on. The driver's pool is told at once; if a command decides, within two seconds.
    """

    def __init__(self, outbox: Outbox, shield: Shield, *, sessions: Sessions, changes: StandingChanges) -> None:
        self._outbox = outbox
        self._shield = shield
        self._changes = changes
        self._trail = StaffTrail(sessions)

    async def approve(self, by: StaffMember | CommandLine, *, driver_id: UUID) -> None:
        """Let a driver take trips; idempotent.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchUser: there is no such driver, or the account was deleted.
        """
        await self._shield.run(self._decide(by, driver_id, Approval.APPROVED, ""))

    async def refuse(self, by: StaffMember | CommandLine, *, driver_id: UUID, reason: str) -> None:
        """Refuse a driver, or revoke the approval; idempotent. The driver sees the reason.

        Raises:
            NotStaff: the caller is no longer a member of staff.
            NoSuchUser: there is no such driver, or the account was deleted.
            BadInput: the reason is empty or too long, or contains a forbidden character.
        """
        checked = checked_reason(reason)
        if checked is None:
            raise BadInput("Give a reason: the driver sees it.", field=("reason",))
        await self._shield.run(self._decide(by, driver_id, Approval.REFUSED, checked))

    async def _decide(
        self, by: StaffMember | CommandLine, driver_id: UUID, approval: Approval, reason: str
    ) -> None:
        async with self._outbox.transaction() as transaction:
            decided = await transaction.fetch(
                "UPDATE users SET approval = $2, approval_reason = NULLIF($3, '') "
                f"WHERE id = $1 AND role = '{Role.DRIVER.value}' AND deleted IS NULL "
                f"AND (approval <> $2 OR COALESCE(approval_reason, '') <> $3) RETURNING {COLUMNS}",
                driver_id,
                approval,
                reason,
            )
            if decided:
                action = _ACTIONS[approval]
                if isinstance(by, CommandLine):
                    await record_command(transaction, by, action, user_id=driver_id, detail=reason)
                else:
                    await self._trail.record(transaction, by.actor, action, user_id=driver_id, detail=reason)
                await self._changes.made(transaction, decided[0])
            elif not await transaction.fetch(
                f"SELECT 1 AS one FROM users WHERE id = $1 AND role = '{Role.DRIVER.value}' AND deleted IS NULL",
                driver_id,
            ):
                raise NoSuchUser
