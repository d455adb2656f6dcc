"""What accepting a trip requires of the driver, as SQL of the statement that accepts."""

from models.standing import DriverRules
from services.accounts.sessions import Sessions
from services.database.dialects import Dialect
from services.drivers.conditions import may_take_trips

# SQL for the vehicle of the driver who accepts.
VEHICLE = "(SELECT vehicle FROM caller)"


class Acceptance:
    """The session and the driver of a statement that accepts, and what they must fulfil."""

    def __init__(self, sessions: Sessions, sql: Dialect, rules: DriverRules) -> None:
        self._sessions = sessions
        self.condition = f"EXISTS (SELECT 1 FROM caller WHERE {may_take_trips(rules, sql)})"
        # The driver's row is locked against changes: of accepting and going off duty at the same time, each sees
        # the other, or comes first. A statement that has waited for the row has it as it is then. The same holds
        # for approval and vehicle.
        self._lock = sql.locked("SHARE OF u FOR KEY SHARE OF s")

    def caller_sql(self, session_id: str) -> str:
        """SQL for ``caller``: the driver in that session, while it is live."""
        return self._sessions.live_sql(session_id, "s.id, u.on_duty, u.approval, u.vehicle") + self._lock
