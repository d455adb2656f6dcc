"""What whoever runs the server does about accounts on the command line. The audit trail has each of it."""

from uuid import UUID

from models.staff_action import StaffActionKind
from models.values import UserValue
from services.accounts import usernames
from services.accounts.accounts import Accounts
from services.accounts.members_of_staff import check_not_last, lock_staff
from services.accounts.recovery import NoSuchName, Recovery
from services.accounts.sessions import Sessions
from services.database.connections import Database, Transaction
from services.database.dialects import uuid
from services.events.outbox import Outbox, OutboxTransaction
from services.runtime.shield import Shield
from services.staff.personal_data import PersonalData
from services.staff.trail import CommandLine, StaffTrail


class NoMemberOfStaff(Exception):
    """The account is not one of staff."""


class Operator:
    """The use cases of the command line. They need no account: whoever runs a command has the database."""

    def __init__(
        self,
        by: CommandLine,
        database: Database,
        outbox: Outbox,
        shield: Shield,
        *,
        accounts: Accounts,
        recovery: Recovery,
        sessions: Sessions,
        personal_data: PersonalData,
    ) -> None:
        self._by = by
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self._accounts = accounts
        self._recovery = recovery
        self._sessions = sessions
        self._personal_data = personal_data
        self._trail = StaffTrail(sessions)

    async def create_staff(self, *, username: str, password: str) -> UserValue:
        """Create a member of staff.

        Raises:
            UserFaults: as ``Accounts.create_staff`` does.
        """

        async def also(transaction: Transaction, user: UserValue) -> None:
            await self._trail.record(
                transaction, self._by, StaffActionKind.ADD_USER, user_id=user.id, detail="a member of staff"
            )

        return await self._accounts.create_staff(username=username, password=password, also=also)

    async def revoke_staff(self, *, username: str) -> None:
        """Take the rights of staff from an account. It stays, as a rider's, and all its sessions end.

        Of two commands at once that would leave no active member of staff, one is refused.

        Raises:
            NoSuchName: there is no such account.
            NoMemberOfStaff: it is not one of staff.
            LastOfStaff: it is the last active one.
        """
        await self._shield.run(self._revoke_staff(username))

    async def _revoke_staff(self, username: str) -> None:
        async with self._outbox.transaction() as transaction:
            found = await transaction.fetch(
                "SELECT id FROM users WHERE username_key = $1 AND deleted IS NULL", usernames.lookup_key(username)
            )
            if not found:
                raise NoSuchName(username)
            user_id = uuid(found[0]["id"])
            staff = await lock_staff(transaction, self._database.sql)
            if user_id not in staff:
                raise NoMemberOfStaff
            check_not_last(staff, user_id)
            await transaction.fetch("UPDATE users SET is_staff = $2 WHERE id = $1", user_id, False)
            await self._sessions.end_all(transaction, user_id)
            await self._trail.record(transaction, self._by, StaffActionKind.REVOKE_STAFF, user_id=user_id)

    async def set_password(self, *, username: str, password: str) -> None:
        """Set the password of an account. All its sessions end.

        Raises:
            NoSuchName, PasswordWeak: as ``Recovery.set_password`` does.
        """

        async def also(transaction: OutboxTransaction, user_id: UUID) -> None:
            await self._trail.record(transaction, self._by, StaffActionKind.SET_PASSWORD, user_id=user_id)

        await self._recovery.set_password(username=username, password=password, also=also)

    async def export_user(self, *, username: str) -> tuple[UUID, bytes]:
        """The id of an account, and everything that is stored about the person, as ``PersonalData.of`` makes it.

        Raises:
            NoSuchName: there is no such account.
            PhotosUnavailable: the photo cannot be read at the moment.
        """
        user_id = await self._personal_data.find(username)
        data = await self._personal_data.of(user_id) if user_id is not None else None
        if user_id is None or data is None:
            raise NoSuchName(username)
        await self._trail.record(
            self._database, self._by, StaffActionKind.EXPORT, user_id=user_id, detail="everything about the user"
        )
        return user_id, data
