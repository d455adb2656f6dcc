"""Finds existing user names that look alike."""

from uuid import UUID

from services.accounts.skeletons import skeleton
from services.database.connections import Database
from services.database.dialects import uuid
from services.database.failures import Conflict

FILL_INTERVAL_S = 60.0
BATCH = 500
_BEFORE_ALL = UUID(int=0)


async def fill_skeletons(database: Database) -> None:
    """Give a skeleton to each user without one, unless another user has the same: both keep their names.

    Such users were created before names that look alike were refused, or by a server of the previous version. If
    such a server has deleted a user, the skeleton is removed. Several processes may run this at the same time.
    """
    after = _BEFORE_ALL
    while rows := await database.fetch(
        "SELECT id, username, deleted FROM users "
        f"WHERE (username_skeleton IS NULL) = (deleted IS NULL) AND id > $1 ORDER BY id LIMIT {BATCH}",
        after,
    ):
        for row in rows:
            after = uuid(row["id"])
            wanted = skeleton(row["username"]) if row["deleted"] is None else None
            try:
                # One statement for each user: it holds no lock that a log-in would wait for.
                await database.fetch(
                    "UPDATE users SET username_skeleton = $2 WHERE id = $1 "
                    "AND (username_skeleton IS NULL) = (deleted IS NULL) "
                    "AND NOT EXISTS (SELECT 1 FROM users other WHERE other.username_skeleton = $2)",
                    after,
                    wanted,
                )
            except Conflict:
                # Another process was faster.
                continue
