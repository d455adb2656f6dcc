"""The use cases that need a password: log-in, and changing the password."""

from uuid import UUID

from models.visibility import Actor
from services.accounts import usernames
from services.accounts.confirmations import Confirmations
from services.accounts.new_passwords import NewPasswords
from services.accounts.passwords import Passwords
from services.accounts.sessions import NewSession, PasswordChanged, Sessions
from services.accounts.users import user_of
from services.database.connections import Database
from services.errors import ErrorCode, UserFault
from services.limits.log_in_rate import LogInRate
from services.runtime.shield import Shield


class BadCredentials(UserFault):
    """No such name, a wrong password, or a deactivated account: all get the same answer."""

    code = ErrorCode.BAD_CREDENTIALS


class LogIns:
    """Log-ins of one application."""

    def __init__(
        self,
        database: Database,
        shield: Shield,
        *,
        passwords: Passwords,
        sessions: Sessions,
        new_passwords: NewPasswords,
        confirmations: Confirmations,
        rate: LogInRate,
    ) -> None:
        self._database = database
        self._shield = shield
        self._passwords = passwords
        self._sessions = sessions
        self._new_passwords = new_passwords
        self._confirmations = confirmations
        self._rate = rate

    async def log_in(
        self,
        *,
        username: str,
        password: str,
        address: str | None = None,
        replaces: str | None = None,
        staff_only: bool = False,
    ) -> NewSession:
        """Begin a session. Takes as long for an unknown name as for a wrong password.

        ``staff_only``: other users get the same answer as for a wrong password. ``address``: the client's network;
        None: this machine. The session of the token ``replaces`` ends.

        Raises:
            RateLimited: too many attempts from the address, or for the name.
            BadCredentials: the name or the password is wrong.
        """
        key = usernames.lookup_key(username)
        await self._rate.count(name=key, address=address)
        rows = await self._database.fetch(
            "SELECT id, username, first_name, last_name, role, photo, password_hash, is_active, is_staff "
            "FROM users WHERE username_key = $1",
            key,
        )
        row = rows[0] if rows else None
        right = await self._passwords.verify(row["password_hash"] if row else None, password)
        wrong = BadCredentials("The user name or the password is wrong.")
        if row is None or not right or not row["is_active"] or (staff_only and not row["is_staff"]):
            raise wrong
        try:
            session = await self._sessions.begin(
                user_of(row), password_hash=row["password_hash"], replaces=replaces
            )
        except PasswordChanged:
            raise wrong from None
        await self._rate.succeeded(name=key)
        if self._passwords.is_outdated(row["password_hash"]):
            await self._shield.run(self._hash_anew(session.actor.id, row["password_hash"], password))
        return session

    async def _hash_anew(self, user_id: UUID, old_hash: str, password: str) -> None:
        new_hash = await self._passwords.hash(password)
        await self._database.fetch(
            "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user_id, old_hash, new_hash
        )

    async def change_password(
        self, actor: Actor, *, current: str, password1: str, password2: str, address: str | None = None
    ) -> NewSession:
        """Change the caller's password. All of their sessions end, including this one, and a new one begins.

        This locks out anyone who has stolen a session or the password.

        Raises:
            RateLimited: too many attempts from the address, or for the name; they count as log-ins.
            BadCredentials: the current password is wrong.
            PasswordMismatch, PasswordWeak: the new password is invalid.
            SessionEnded: the caller's session has ended.
        """
        user = actor.user
        await self._confirmations.count(actor, address=address)
        wrong = BadCredentials("The current password is wrong.", field=("currentPassword",))
        confirmed = await self._confirmations.verify(actor, current, wrong=wrong)
        await self._passwords.check(
            password1, password2, about_user=[user.username, user.first_name, user.last_name]
        )
        try:
            session = await self._new_passwords.change(
                actor, old_hash=confirmed["password_hash"], new_hash=await self._passwords.hash(password1)
            )
        except PasswordChanged:
            raise wrong from None
        await self._confirmations.succeeded(actor)
        return session
