"""Conditions on trips as SQL, built from the rules in ``models/trip_life.py`` and ``models/visibility.py``."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from models.trip_life import OPEN, Guard, TripStatus
from services.database.dialects import Dialect


@dataclass(frozen=True, slots=True)
class Periods:
    """How long a driver waits for a rider, a driver may be silent, and a drive may last without a change."""

    no_show_wait_s: int
    silent_driver_s: int
    trip_max_s: int


def guard_sql(guard: Guard, sql: Dialect, periods: Periods) -> str:
    """The part of a guard that the database alone knows: neither positions nor the caller's PIN are in it."""
    match guard:
        case Guard.IN_TIME:
            return "expires_at > {now}"
        case Guard.OVERDUE:
            return "expires_at <= {now}"
        case Guard.PIN:
            return "pick_up_pin IS NULL"
        case Guard.WAITED:
            return f"arrived_at <= {sql.ago(periods.no_show_wait_s)}"
        case Guard.DRIVER_SILENT:
            return f"updated <= {sql.ago(periods.silent_driver_s)}"
        case Guard.ABANDONED:
            return f"updated <= {sql.ago(periods.trip_max_s)}"


def has_status(statuses: Collection[TripStatus], table: str = "") -> str:
    """The trip has one of the statuses. ``table`` is the alias of ``trips``, if there is one.

    The literals are in the order of a trip's life, as in the conditions of the partial indexes: a database uses
    such an index only for a condition with the same text.
    """
    listed = [f"'{status.value}'" for status in TripStatus if status in statuses]
    column = _column("status", table)
    return f"{column} = {listed[0]}" if len(listed) == 1 else f"{column} IN ({', '.join(listed)})"


def may_take(driver: str, table: str = "") -> str:
    """A driver may accept the trip, and therefore receives the offer. ``driver``: a parameter,
    ``listed(driver_id)``.
    """
    return f"{has_status(OPEN, table)} AND {has_not_given_back(driver, table)}"


def has_not_given_back(driver: str, table: str = "") -> str:
    """The driver has not given the trip back. ``driver``: a parameter, ``listed(driver_id)``."""
    return f"{_column('given_back_by', table)} NOT LIKE {driver}"


def listed(driver_id: UUID | None) -> str:
    """The pattern that finds a driver among those who gave a trip back."""
    return f"%{driver_id}%"


def _column(name: str, table: str) -> str:
    return f"{table}.{name}" if table else name
