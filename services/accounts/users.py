"""The row of a user as a value."""

from typing import Any

from models.values import Role, UserValue
from services.database.dialects import Row, uuid


def user_of(row: Row) -> UserValue:
    """The user of a row of ``users``."""
    return user_in(row, row["id"])


def user_in(row: Row, user_id: Any, prefix: str = "") -> UserValue:
    """The user in a joined row, whose columns begin with ``prefix``."""
    return UserValue(
        id=uuid(user_id),
        username=row[prefix + "username"],
        first_name=row[prefix + "first_name"],
        last_name=row[prefix + "last_name"],
        role=Role(row[prefix + "role"]),
        photo=row[prefix + "photo"],
    )
