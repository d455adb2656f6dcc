"""What whoever runs the server does about accounts on the command line. The audit trail has each of it."""

from uuid import UUID

from models.staff_action import StaffActionKind
from models.values import UserValue
from services.accounts.accounts import Accounts
from services.accounts.recovery import NoSuchName, Recovery
from services.database.connections import Database, Transaction
from services.events.outbox import OutboxTransaction
from services.staff.personal_data import PersonalData
from services.staff.trail import NO_LETTER, CommandLine, record_command


class Operator:
    """The use cases of the command line. They need no account: whoever runs a command has the database."""

    def __init__(
        self,
        by: CommandLine,
        database: Database,
        *,
        accounts: Accounts,
        recovery: Recovery,
        personal_data: PersonalData,
    ) -> None:
        self._by = by
        self._database = database
        self._accounts = accounts
        self._recovery = recovery
        self._personal_data = personal_data

    async def create_staff(self, *, username: str, password: str) -> UserValue:
        """Create a member of staff.

        Raises:
            UserFaults: as ``Accounts.create_staff`` does.
        """

        async def also(transaction: Transaction, user: UserValue) -> None:
            await record_command(
                transaction, self._by, StaffActionKind.ADD_USER, user_id=user.id, detail="a member of staff"
            )

        return await self._accounts.create_staff(username=username, password=password, also=also)

    async def set_password(self, *, username: str, password: str) -> None:
        """Set the password of an account. All its sessions end.

        Raises:
            NoSuchName, PasswordWeak: as ``Recovery.set_password`` does.
        """

        async def also(transaction: OutboxTransaction, user_id: UUID) -> None:
            await record_command(
                transaction,
                self._by,
                StaffActionKind.SEND_PASSWORD_RESET,
                user_id=user_id,
                detail=NO_LETTER,
            )

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
        await record_command(
            self._database, self._by, StaffActionKind.EXPORT, user_id=user_id, detail="everything about the user"
        )
        return user_id, data
