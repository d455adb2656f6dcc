"""Replaces passwords, and ends all that could be done with the old one."""

from uuid import UUID

from models.letter import LetterKind
from models.values import UserValue
from models.visibility import Actor
from services.accounts.email_tokens import end_all
from services.accounts.sessions import NewSession, PasswordChanged, Sessions
from services.events.outbox import Outbox, OutboxTransaction
from services.notifications.letters import Letters
from services.runtime.shield import Shield


class NewPasswords:
    """The only place that replaces a password."""

    def __init__(self, outbox: Outbox, shield: Shield, *, sessions: Sessions, letters: Letters) -> None:
        self._outbox = outbox
        self._shield = shield
        self._sessions = sessions
        self._letters = letters

    async def change(self, actor: Actor, *, old_hash: str, new_hash: str) -> NewSession:
        """Change the caller's password, end all of their sessions, and begin one.

        Of several simultaneous changes exactly one succeeds.

        Raises:
            SessionEnded: the caller's own session has ended before.
            PasswordChanged: the password was changed in the meantime.
        """
        return await self._shield.run(self._change(actor, old_hash, new_hash))

    async def _change(self, actor: Actor, old_hash: str, new_hash: str) -> NewSession:
        async with self._outbox.transaction() as transaction:
            await self._sessions.hold(transaction, actor)
            await self.set_in(transaction, actor.id, new_hash, old_hash=old_hash)
            return await self._sessions.begin_in(transaction, actor.user, new_hash, None)

    async def reset_in(
        self, transaction: OutboxTransaction, user: UserValue, new_hash: str, *, replaces: str | None
    ) -> NewSession:
        """Set the password in the caller's transaction, and begin a session, which replaces all others.

        The session of the token ``replaces`` ends too, of whichever user. The caller has locked the user.
        """
        await self.set_in(transaction, user.id, new_hash)
        return await self._sessions.begin_in(transaction, user, new_hash, replaces)

    async def set_in(
        self, transaction: OutboxTransaction, user_id: UUID, new_hash: str, *, old_hash: str | None = None
    ) -> None:
        """Set the password in the caller's transaction; the caller has locked the user.

        All sessions end, and the links of all letters: whoever knew the old password may have entered an address.
        A letter tells the owner, if the address is verified.

        Raises:
            PasswordChanged: the password is not that of ``old_hash`` any more, or the account was deleted.
        """
        unchanged = " AND password_hash = $3" if old_hash is not None else ""
        changed = await transaction.fetch(
            f"UPDATE users SET password_hash = $2 WHERE id = $1 AND deleted IS NULL{unchanged} "
            "RETURNING email, email_verified_at",
            user_id,
            new_hash,
            *([old_hash] if old_hash is not None else []),
        )
        if not changed:
            raise PasswordChanged
        await end_all(transaction, user_id)
        await self._letters.withdraw(transaction, LetterKind.VERIFY_EMAIL, user_id=user_id)
        await self._sessions.end_all(transaction, user_id)
        if changed[0]["email_verified_at"] is not None:
            await self._letters.add(
                transaction, LetterKind.PASSWORD_CHANGED, user_id=user_id, address=changed[0]["email"]
            )
