"""The use cases of a forgotten password."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from models.email_token import TokenPurpose
from models.letter import LetterKind
from services.accounts import usernames
from services.accounts.email_tokens import EmailTokens
from services.accounts.new_passwords import NewPasswords
from services.accounts.passwords import Passwords
from services.accounts.sessions import NewSession, PasswordChanged, token_hash
from services.accounts.users import user_of
from services.database.connections import Database
from services.database.dialects import Row, uuid
from services.errors import ErrorCode, UserFault
from services.events.outbox import Outbox, OutboxTransaction
from services.limits.log_in_rate import LogInRate
from services.notifications.letters import Letters
from services.runtime.shield import Shield

# Writes more in the transaction that sets the password of the account with this id.
AlsoWrites = Callable[[OutboxTransaction, UUID], Awaitable[None]]


class ResetTokenInvalid(UserFault):
    """The token was never made, has expired, was used, or was ended by a newer one or a change of the password."""

    code = ErrorCode.RESET_TOKEN_INVALID


class NoSuchName(Exception):
    """No account has the user name."""


class Recovery:
    """Gives accounts back to people who have forgotten their password."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        shield: Shield,
        *,
        letters: Letters,
        tokens: EmailTokens,
        passwords: Passwords,
        new_passwords: NewPasswords,
        rate: LogInRate,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self._letters = letters
        self._tokens = tokens
        self._passwords = passwords
        self._new_passwords = new_passwords
        self._rate = rate

    async def request_reset(self, *, username: str, address: str | None = None) -> None:
        """Send a letter with a link to the verified address of the account, at most once an hour.

        Does the same for every name, and looks for no account: only the process that sends the letter does, at a
        random moment. So neither this answer nor the next one, nor their times, tell whether there is such an
        account, or an address. ``address``: the client's network; None: this machine.

        Raises:
            RateLimited: too many requests from the network, or for the name.
        """
        key = usernames.lookup_key(username)
        # No account has a longer one.
        key = key if len(key) <= usernames.MAX_KEY_CHARS else ""
        await self._rate.count(name=key, address=address)
        await self._shield.run(self._letters.add_for_name(LetterKind.RESET_PASSWORD, key))

    async def reset(
        self,
        *,
        token: str,
        password1: str,
        password2: str,
        address: str | None = None,
        replaces: str | None = None,
    ) -> NewSession:
        """Set a new password with the token of a letter. All sessions of the account end, and a new one begins.

        The session of the token ``replaces`` ends too. Of several uses of a token exactly one succeeds; a password
        that is refused does not use it up. ``address``: the client's network; None: this machine.

        Raises:
            RateLimited: too many attempts from the network.
            ResetTokenInvalid: the token is not valid, or the account is not active.
            PasswordMismatch, PasswordWeak: the new password is invalid.
        """
        await self._rate.count(name=token_hash(token), address=address)
        owner = await self._tokens.owner(TokenPurpose.RESET_PASSWORD, token)
        if owner is None:
            raise _invalid()
        await self._passwords.check(
            password1,
            password2,
            about_user=[owner["username"], owner["first_name"], owner["last_name"]],
        )
        return await self._shield.run(self._reset(owner, token, await self._passwords.hash(password1), replaces))

    async def _reset(self, owner: Row, token: str, new_hash: str, replaces: str | None) -> NewSession:
        user = user_of(owner)
        async with self._outbox.transaction() as transaction:
            # The user first, as in all places that lock both; and the user's running writes end before.
            lock = self._database.sql.locked("UPDATE")
            await transaction.fetch(f"SELECT id FROM users WHERE id = $1{lock}", user.id)
            if not await self._tokens.use(transaction, TokenPurpose.RESET_PASSWORD, token):
                raise _invalid()
            return await self._new_passwords.reset_in(transaction, user, new_hash, replaces=replaces)

    async def set_password(self, *, username: str, password: str, also: AlsoWrites | None = None) -> None:
        """Set the password of an account, for whoever runs the server. All its sessions end.

        ``also`` writes more about the account with that id, in the same transaction.

        Raises:
            NoSuchName: there is no such account.
            PasswordWeak: the password is invalid.
        """
        rows = await self._database.fetch(
            "SELECT id, username, first_name, last_name FROM users WHERE username_key = $1 AND deleted IS NULL",
            usernames.lookup_key(username),
        )
        if not rows:
            raise NoSuchName(username)
        (row,) = rows
        await self._passwords.check(
            password, password, about_user=[row["username"], row["first_name"], row["last_name"]]
        )
        new_hash = await self._passwords.hash(password)

        async def change() -> None:
            async with self._outbox.transaction() as transaction:
                lock = self._database.sql.locked("UPDATE")
                await transaction.fetch(f"SELECT id FROM users WHERE id = $1{lock}", row["id"])
                await self._new_passwords.set_in(transaction, uuid(row["id"]), new_hash)
                if also is not None:
                    await also(transaction, uuid(row["id"]))

        try:
            await self._shield.run(change())
        except PasswordChanged:
            # Deleted in the meantime.
            raise NoSuchName(username) from None


def _invalid() -> ResetTokenInvalid:
    return ResetTokenInvalid("This link has expired or was used. Request a new letter.", field=("token",))
