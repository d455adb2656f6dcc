"""Callers who confirm with their password what a stolen session alone must not do."""

from models.visibility import Actor
from services.accounts import usernames
from services.accounts.passwords import Passwords
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import Row
from services.errors import UserFault
from services.limits.log_in_rate import LogInRate


class Confirmations:
    """Verifies the password of a caller. Tries count as log-ins: a confirmation tells as much as a log-in does."""

    def __init__(self, database: Database, *, passwords: Passwords, sessions: Sessions, rate: LogInRate) -> None:
        self._database = database
        self._passwords = passwords
        self._sessions = sessions
        self._rate = rate

    async def count(self, actor: Actor, *, address: str | None) -> None:
        """Count a try. ``address``: the client's network; None: this machine.

        Raises:
            RateLimited: too many tries from the address, or for the name.
        """
        await self._rate.count(name=usernames.lookup_key(actor.user.username), address=address)

    async def succeeded(self, actor: Actor) -> None:
        """The confirmed change was made: the earlier tries for the name no longer count."""
        await self._rate.succeeded(name=usernames.lookup_key(actor.user.username))

    async def verify(self, actor: Actor, password: str, *columns: str, wrong: UserFault) -> Row:
        """The caller's ``password_hash``, against which the password was verified, and ``columns`` of ``users u``.

        The caller's change must find the same ``password_hash``, or fail too.

        Raises:
            SessionEnded: the caller's session has ended.
            UserFault: ``wrong``, if the password is wrong.
        """
        row = await self._sessions.require(
            self._database, actor.session_id, ", ".join(("u.password_hash", *columns))
        )
        if not await self._passwords.verify(row["password_hash"], password):
            raise wrong
        return row
