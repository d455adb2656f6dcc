"""The decisions of staff about drivers. Each writes a row of the audit trail in its transaction."""

from uuid import UUID

from models.staff_action import StaffActionKind
from models.values import Approval, Role
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.drivers.announcements import COLUMNS
from services.drivers.standing_changes import StandingChanges
from services.errors import BadInput
from services.events.outbox import Outbox
from services.runtime.shield import Shield
from services.staff.staff import NoSuchUser, StaffMember
from services.staff.trail import CommandLine, StaffTrail
from services.trips.checks import checked_reason


def _action(before: Approval, after: Approval) -> StaffActionKind:
    if after is Approval.APPROVED:
        return StaffActionKind.APPROVE_DRIVER
    return StaffActionKind.REVOKE_APPROVAL if before is Approval.APPROVED else StaffActionKind.REFUSE_DRIVER


class Approvals:
    """Which drivers may take trips, where staff decide that.

    Of a decision and an acceptance at the same time, one comes first, and the other sees it. A trip under way goes
    on. The driver's pool is told at once; if a command decides, within two seconds.
    """

    def __init__(
        self, database: Database, outbox: Outbox, shield: Shield, *, sessions: Sessions, changes: StandingChanges
    ) -> None:
        self._database = database
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
        lock = self._database.sql.locked("NO KEY UPDATE")
        async with self._outbox.transaction() as transaction:
            before = await transaction.fetch(
                f"SELECT approval FROM users WHERE id = $1 AND role = '{Role.DRIVER.value}' "
                f"AND deleted IS NULL{lock}",
                driver_id,
            )
            if not before:
                raise NoSuchUser
            decided = await transaction.fetch(
                "UPDATE users SET approval = $2, approval_reason = NULLIF($3, '') "
                f"WHERE id = $1 AND (approval <> $2 OR COALESCE(approval_reason, '') <> $3) RETURNING {COLUMNS}",
                driver_id,
                approval,
                reason,
            )
            if decided:
                await self._trail.record(
                    transaction,
                    by if isinstance(by, CommandLine) else by.actor,
                    _action(Approval(before[0]["approval"]), approval),
                    user_id=driver_id,
                    detail=reason,
                )
                await self._changes.made(transaction, decided[0])
