"""What accepting a trip requires of the driver, as SQL of the statement that accepts."""

from models.standing import DriverRules
from models.values import Approval
from services.accounts.sessions import Sessions
from services.database.dialects import Dialect

# SQL for the vehicle of the driver who accepts.
VEHICLE = "(SELECT vehicle FROM caller)"


class Acceptance:
    """The session and the driver of a statement that accepts, and what they must fulfil."""

    def __init__(self, sessions: Sessions, sql: Dialect, rules: DriverRules) -> None:
        self._sessions = sessions
        conditions = [sql.is_true("on_duty")]
        if rules.needs_approval:
            conditions.append(f"approval = '{Approval.APPROVED.value}'")
        if rules.needs_vehicle:
            conditions.append("vehicle IS NOT NULL")
        self.condition = f"EXISTS (SELECT 1 FROM caller WHERE {' AND '.join(conditions)})"
        # The driver's row is locked against changes: of accepting and going off duty at the same time, each sees
        # the other, or comes first. A statement that has waited for the row has it as it is then.
        self._lock = sql.locked("SHARE OF u FOR KEY SHARE OF s")

    def caller_sql(self, session_id: str) -> str:
        """SQL for ``caller``: the driver in that session, while it is live."""
        return self._sessions.live_sql(session_id, "s.id, u.on_duty, u.approval, u.vehicle") + self._lock
