"""The use case of going on and off duty."""

from models.values import Role
from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.drivers.announcements import COLUMNS
from services.drivers.standing_changes import StandingChanges
from services.errors import SessionEnded
from services.events.outbox import Outbox
from services.limits.throttle import PerUser
from services.runtime.shield import Shield
from services.trips.faults import NotADriver


class Duty:
    """Whether drivers are on duty. It stays as it is when sockets close, sessions end or servers restart."""

    def __init__(
        self, outbox: Outbox, shield: Shield, *, sessions: Sessions, changes: StandingChanges, changing: PerUser
    ) -> None:
        """``changing``: how often a user may change anything of their own."""
        self._outbox = outbox
        self._shield = shield
        self._sessions = sessions
        self._changes = changes
        self._changing = changing

    async def set(self, actor: Actor, *, on_duty: bool) -> None:
        """Go on or off duty. Repeating it changes nothing and announces nothing.

        Off duty no trip can be accepted. When this returns, no position is stored that the driver reported before,
        and none is stored that is reported later, unless a trip is under way: then that happens at its end.

        Raises:
            NotADriver: the caller is a rider.
            RateLimited: the caller changes things too often.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.DRIVER:
            raise NotADriver("Only drivers go on and off duty.")
        await self._changing.count(actor)
        await self._shield.run(self._set(actor, on_duty))

    async def _set(self, actor: Actor, on_duty: bool) -> None:
        caller = self._sessions.live_sql("$3") + self._sessions.user_lock_sql
        async with self._outbox.transaction() as transaction:
            written = await transaction.fetch(
                f"WITH caller AS ({caller}) UPDATE users SET on_duty = $2 WHERE id = $1 AND on_duty <> $2 "
                f"AND EXISTS (SELECT 1 FROM caller) RETURNING {COLUMNS}",
                actor.id,
                on_duty,
                actor.session_id,
            )
            if written:
                await self._changes.made(transaction, written[0])
            elif not await transaction.fetch(self._sessions.live_sql("$1"), actor.session_id):
                raise SessionEnded
