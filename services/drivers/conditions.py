"""What a driver needs in order to take trips, as SQL; ``DriverRules.obstacle`` is the same."""

from models.standing import DriverRules
from models.values import Approval
from services.database.dialects import Dialect


def may_take_trips(rules: DriverRules, sql: Dialect, table: str = "") -> str:
    """The driver may take trips. ``table`` is the alias of ``users``, if there is one."""
    column = f"{table}." if table else ""
    conditions = [sql.is_true(f"{column}on_duty")]
    if rules.needs_approval:
        conditions.append(f"{column}approval = '{Approval.APPROVED.value}'")
    if rules.needs_vehicle:
        conditions.append(f"{column}vehicle IS NOT NULL")
    return " AND ".join(conditions)
