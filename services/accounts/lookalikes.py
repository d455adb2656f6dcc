"""User names that look alike: their skeletons (Unicode Technical Standard 39), which are equal."""

import hashlib
import unicodedata
from functools import cache
from pathlib import Path
from uuid import UUID

from services.database.connections import Database
from services.database.dialects import uuid
from services.database.failures import Conflict
from services.validation import texts

FILL_INTERVAL_S = 60.0
BATCH = 500
_BEFORE_ALL = UUID(int=0)
_TABLE = Path(__file__).with_name("confusables.txt")


def skeleton(username: str) -> str:
    """64 characters that are equal for names that look alike, such as CAPA in Latin and in Cyrillic letters.

    It is a digest, because a skeleton may be longer than PostgreSQL allows in an index. It depends on the case of
    the name, as its look does.

    Source: Unicode Technical Standard 39, section 4, ``internalSkeleton``, of form KC, with case folded after it.
    """
    shown = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", username.strip()))
    visible = "".join(char for char in shown if char not in texts.INVISIBLE and unicodedata.category(char) != "Cf")
    alike = unicodedata.normalize("NFD", visible.translate(_prototypes()))
    return hashlib.sha256(unicodedata.normalize("NFD", alike.casefold()).encode()).hexdigest()


@cache
def _prototypes() -> dict[int, str]:
    """The prototype of each character that has one."""
    prototypes: dict[int, str] = {}
    for line in _TABLE.read_text("ascii").splitlines():
        if line and not line.startswith("#"):
            prototype, _, chars = line.partition(" ; ")
            text = "".join(chr(int(code, 16)) for code in prototype.split())
            prototypes.update((int(code, 16), text) for code in chars.split())
    return prototypes


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
