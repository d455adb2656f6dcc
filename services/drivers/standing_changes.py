"""What follows from a change of a driver's standing, whoever makes it."""

from functools import partial

from models.standing import DriverRules
from models.values import Approval
from services.database.dialects import Row, uuid
from services.drivers.announcements import StandingAnnouncements
from services.events.outbox import OutboxTransaction
from services.positions.forgetting import Forgetting


class StandingChanges:
    """Ends what processes remember of a driver, announces the new standing, and forgets the position."""

    def __init__(
        self, announcements: StandingAnnouncements, forgetting: Forgetting, *, rules: DriverRules
    ) -> None:
        self._announcements = announcements
        self._forgetting = forgetting
        self._rules = rules

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
