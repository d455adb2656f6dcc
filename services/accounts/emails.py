"""The use cases of an account's e-mail address: changing and confirming it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.email_token import TokenPurpose
from models.letter import LetterKind
from models.visibility import Actor
from services.accounts.confirmations import Confirmations
from services.accounts.email_tokens import EmailTokens, end_all
from services.accounts.log_in import BadCredentials
from services.accounts.sessions import Sessions, token_hash
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.errors import ErrorCode, UserFault
from services.limits.log_in_rate import LogInRate
from services.limits.rates import RateLimited
from services.limits.throttle import PerUser
from services.notifications.addresses import checked_address
from services.notifications.letters import REPEAT_S, Letters
from services.runtime.data_loader import DataLoader
from services.runtime.shield import Shield


class EmailRequired(UserFault):
    """The account has no e-mail address."""

    code = ErrorCode.EMAIL_REQUIRED


class EmailTokenInvalid(UserFault):
    """The token was never made, has expired, was used, or is for another address than the account's."""

    code = ErrorCode.EMAIL_TOKEN_INVALID


@dataclass(frozen=True, slots=True)
class Email:
    """The address of an account, and since when it is verified."""

    address: str | None
    verified_at: datetime | None


class Emails:
    """E-mail addresses of accounts. Only the account itself, and staff, see its address.

    Several accounts may have the same address, and no answer tells whether another account has it.
    """

    def __init__(
        self,
        database: Database,
        shield: Shield,
        *,
        letters: Letters,
        tokens: EmailTokens,
        confirmations: Confirmations,
        sessions: Sessions,
        recovery_rate: LogInRate,
        changing: PerUser,
    ) -> None:
        """``changing`` limits the letters that one account causes, to any addresses."""
        self._database = database
        self._shield = shield
        self._letters = letters
        self._tokens = tokens
        self._confirmations = confirmations
        self._sessions = sessions
        self._recovery_rate = recovery_rate
        self._changing = changing
        self._found = DataLoader(self._find)

    async def of(self, user_id: UUID) -> Email:
        """The address of an account. Concurrent calls share one statement. Raises: LookupError: no such user."""
        found = await self._found.get(user_id)
        if found is None:
            raise LookupError(f"there is no user {user_id}")
        return found

    async def _find(self, user_ids: Sequence[UUID]) -> Mapping[UUID, Email]:
        rows = await self._database.fetch(
            f"SELECT id, email, email_verified_at FROM users WHERE {self._database.sql.among('id', 1)}",
            list(user_ids),
        )
        return {
            uuid(row["id"]): Email(
                row["email"], moment(row["email_verified_at"]) if row["email_verified_at"] is not None else None
            )
            for row in rows
        }

    async def change(
        self, actor: Actor, *, email: str | None, current_password: str, address: str | None = None
    ) -> None:
        """Change the caller's e-mail address; None removes it. Repeating it changes nothing.

        The new address is not verified until somebody uses the link in the letter to it. Links that reset the
        password end, and a letter tells the former address if it was verified. ``address``: the client's network;
        None: this machine.

        Raises:
            RateLimited: too many changes, or too many attempts from the network or for the name, which count as
                log-ins.
            EmailInvalid: the text is no e-mail address.
            BadCredentials: the password is wrong.
            SessionEnded: the caller's session has ended.
        """
        email = checked_address(email) if email is not None else None
        await self._changing.count(actor)
        await self._confirmations.count(actor, address=address)
        wrong = BadCredentials("The password is wrong.", field=("currentPassword",))
        confirmed = await self._confirmations.verify(actor, current_password, wrong=wrong)
        if not await self._shield.run(self._change(actor, email, confirmed["password_hash"])):
            raise wrong
        await self._confirmations.succeeded(actor)
        self._letters.wake()

    async def _change(self, actor: Actor, email: str | None, password_hash: str) -> bool:
        """Returns False if the password was changed in the meantime."""
        async with self._database.transaction() as transaction:
            # Locked, so that the address before the change is known.
            caller = await self._sessions.require(
                transaction,
                actor.session_id,
                "u.email, u.email_verified_at, u.password_hash",
                lock=self._sessions.user_lock_sql,
            )
            former, is_verified = caller["email"], caller["email_verified_at"] is not None
            if caller["password_hash"] != password_hash:
                return False
            if former == email:
                return True
            await transaction.fetch(
                "UPDATE users SET email = $2, email_verified_at = NULL WHERE id = $1", actor.id, email
            )
            await end_all(transaction, actor.id, TokenPurpose.RESET_PASSWORD)
            if is_verified:
                await self._letters.add(transaction, LetterKind.EMAIL_CHANGED, user_id=actor.id, address=former)
            if email is not None:
                await self._letters.add(transaction, LetterKind.VERIFY_EMAIL, user_id=actor.id, address=email)
        return True

    async def request_verification(self, actor: Actor) -> None:
        """Send another letter to the caller's address. A verified address gets none.

        Raises:
            RateLimited: a letter to that address was sent within an hour, or too many were requested.
            EmailRequired: the account has no address.
            SessionEnded: the caller's session has ended.
        """
        await self._changing.count(actor)
        await self._shield.run(self._request_verification(actor))
        self._letters.wake()

    async def _request_verification(self, actor: Actor) -> None:
        async with self._database.transaction() as transaction:
            caller = await self._sessions.require(
                transaction,
                actor.session_id,
                "u.email, u.email_verified_at",
                lock=self._sessions.session_lock_sql,
            )
            email = caller["email"]
            if email is None:
                raise EmailRequired("The account has no e-mail address.")
            if caller["email_verified_at"] is not None:
                return
            if not await self._letters.add(transaction, LetterKind.VERIFY_EMAIL, user_id=actor.id, address=email):
                raise RateLimited(REPEAT_S)

    async def verify(self, token: str, *, address: str | None = None) -> None:
        """Confirm the address to which the token was sent. Whoever has the token may do this, without a session.

        ``address``: the client's network; None: this machine.

        Raises:
            RateLimited: too many attempts from the network.
            EmailTokenInvalid: the token is not valid.
        """
        await self._recovery_rate.count(name=token_hash(token), address=address)
        await self._shield.run(self._verify(token))

    async def _verify(self, token: str) -> None:
        invalid = EmailTokenInvalid("This link has expired or was used. Request a new letter.", field=("token",))
        owner = await self._tokens.owner(TokenPurpose.VERIFY_EMAIL, token)
        if owner is None:
            raise invalid
        async with self._database.transaction() as transaction:
            # The user first, as in all places that lock both.
            lock = self._database.sql.locked("NO KEY UPDATE")
            await transaction.fetch(f"SELECT id FROM users WHERE id = $1{lock}", owner["id"])
            if not await self._tokens.use(transaction, TokenPurpose.VERIFY_EMAIL, token):
                raise invalid
            await transaction.fetch("UPDATE users SET email_verified_at = {now} WHERE id = $1", owner["id"])
