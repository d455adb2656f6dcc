"""Changes of drivers' own standing, and what follows from any change, whoever makes it."""

from functools import partial

from models.standing import DriverRules
from models.values import Approval
from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.database.dialects import Row, uuid
from services.drivers.announcements import COLUMNS, StandingAnnouncements
from services.events.outbox import Outbox, OutboxTransaction
from services.positions.forgetting import Forgetting
from services.runtime.shield import Shield


class StandingChanges:
    """Ends what processes remember of a driver, announces the new standing, and forgets the position."""

    def __init__(
        self,
        outbox: Outbox,
        shield: Shield,
        announcements: StandingAnnouncements,
        forgetting: Forgetting,
        *,
        sessions: Sessions,
        rules: DriverRules,
    ) -> None:
        self._outbox = outbox
        self._shield = shield
        self._sessions = sessions
        self._announcements = announcements
        self._forgetting = forgetting
        self._rules = rules

    async def make(self, actor: Actor, *, assignment: str, condition: str, value: object) -> None:
        """Change the calling driver's own row; nothing is written or announced if nothing changes.

        ``assignment`` and ``condition`` are SQL with the value as ``$2``: what to set, and whether it is new.

        Raises:
            SessionEnded: the caller's session has ended.
        """
        await self._shield.run(self._make(actor, assignment, condition, value))

    async def _make(self, actor: Actor, assignment: str, condition: str, value: object) -> None:
        caller = self._sessions.live_sql("$3") + self._sessions.user_lock_sql
        async with self._outbox.transaction() as transaction:
            written = await transaction.fetch(
                f"WITH caller AS ({caller}) UPDATE users SET {assignment} WHERE id = $1 AND {condition} "
                f"AND EXISTS (SELECT 1 FROM caller) RETURNING {COLUMNS}",
                actor.id,
                value,
                actor.session_id,
            )
            if written:
                await self.made(transaction, written[0])
            else:
                await self._sessions.require(transaction, actor.session_id)

    async def made(self, transaction: OutboxTransaction, row: Row) -> None:
        """This transaction has changed a driver's standing; ``row`` has ``announcements.COLUMNS`` after it.

        When the transaction's block ends, no position is stored that the driver reported before, and none is
        stored that is reported later, if the driver may not take trips now; except during a trip.
        """
        driver_id = uuid(row["id"])
        obstacle = self._rules.obstacle(
            on_duty=bool(row["on_duty"]),
            approval=Approval(row["approval"]),
            has_vehicle=row["vehicle"] is not None,
        )
        # Positions are stored by what is remembered of the driver.
        await transaction.change_of(driver_id, is_end=obstacle is not None)
        await self._announcements.changed(transaction, row)
        if obstacle is not None:
            transaction.then(partial(self._forgetting.forget_if_idle, driver_id))
