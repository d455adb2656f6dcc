"""The row of a user as a value."""

from typing import Any

from models.values import Role, UserValue
from services.database.dialects import Row, uuid

_ROLES = {role.value: role for role in Role}


def share_a_trip(user_id: str, viewer_id: str) -> str:
    """The SQL of whether two users, given as SQL, are or were the rider and the driver of one trip: then each may
    see the other.
    """
    return (
        f"EXISTS (SELECT 1 FROM trips t WHERE (t.rider_id = {user_id} AND t.driver_id = {viewer_id}) "
        f"OR (t.rider_id = {viewer_id} AND t.driver_id = {user_id}))"
    )


def user_of(row: Row) -> UserValue:
    """The user of a row of ``users``."""
    return user_in(row, row["id"])


def user_in(row: Row, user_id: Any) -> UserValue:
    """The user in a joined row."""
    return user_from(user_id, row["username"], row["first_name"], row["last_name"], row["role"], row["photo"])


def user_from(
    user_id: Any, username: str, first_name: str, last_name: str, role: str, photo: str | None
) -> UserValue:
    """The user of these columns."""
    return UserValue(uuid(user_id), username, first_name, last_name, _ROLES[role], photo)
