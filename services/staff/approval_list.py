"""The list of drivers who wait for the decision of staff."""

from collections.abc import Sequence
from uuid import UUID

from models.values import Approval
from services.database.connections import Database
from services.staff.list_query import MAX_ROWS, ListedTable, Query, StaffList
from services.staff.lists import UserRow, user_row, users_in


def waiting_drivers(database: Database) -> StaffList[UserRow]:
    """Active drivers who wait for approval, those who have waited longest first."""
    names = ("id", "username", "first_name", "last_name", "created")
    # The condition of the partial index, and what else makes a decision pointless.
    waits = (
        f"t.approval = '{Approval.WAITING.value}' AND t.deleted IS NULL AND {database.sql.is_true('t.is_active')}"
    )
    return StaffList(
        database,
        ListedTable(
            columns={name: f"w.{name}" for name in names},
            time="created",
            rows=users_in,
            newest=lambda where: (
                f"SELECT t.* FROM users t WHERE {waits} AND {where} ORDER BY t.created, t.id LIMIT {MAX_ROWS}"
            ),
            searched=_searched,
            make=user_row,
        ),
    )


def _searched(query: Query, text: str, an_id: UUID | None) -> tuple[Sequence[str], str | None]:
    if an_id is not None:
        return [], f"w.id = {query.bind(an_id)}"
    named = [query.like(f"w.{column}", "%", text) for column in ("username", "first_name", "last_name")]
    return [], f"({' OR '.join((*named, query.with_plate('w.vehicle', text)))})"
