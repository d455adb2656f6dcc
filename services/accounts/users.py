"""The row of a user as a value."""

from typing import Any

from models.values import Role, UserValue
from services.database.dialects import Row, uuid

_ROLES = {role.value: role for role in Role}
# By the prefix of the columns in a joined row.
_COLUMNS = {
    prefix: tuple(f"{prefix}{column}" for column in ("username", "first_name", "last_name", "role", "photo"))
    for prefix in ("", "r_", "d_")
}


def user_of(row: Row) -> UserValue:
    """The user of a row of ``users``."""
    return user_in(row, row["id"])


def user_in(row: Row, user_id: Any, prefix: str = "") -> UserValue:
    """The user in a joined row, whose columns begin with ``prefix``."""
    username, first_name, last_name, role, photo = _COLUMNS[prefix]
    return UserValue(
        id=uuid(user_id),
        username=row[username],
        first_name=row[first_name],
        last_name=row[last_name],
        role=_ROLES[row[role]],
        photo=row[photo],
    )
