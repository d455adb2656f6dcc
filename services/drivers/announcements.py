"""Bus messages about the standing of drivers, on the driver's own topic."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from models.values import Approval
from services.database.connections import Database
from services.database.dialects import Row, uuid
from services.events.outbox import OutboxTransaction
from services.events.sweep import Announcement
from services.events.topics import Topics

# No message about a trip or a position begins with it.
PREFIX = b'{"standing":'
# The columns that an announcement is made of.
COLUMNS = "id, on_duty, approval, vehicle"


class StandingAnnouncements:
    """Announces the standing of drivers, after the commit or by a sweep."""

    def __init__(self, database: Database, topics: Topics) -> None:
        self._database = database
        self._topics = topics

    async def changed(self, transaction: OutboxTransaction, row: Row) -> None:
        """Note and announce a driver's standing, which this transaction has changed; ``row`` has ``COLUMNS``."""
        notes = await transaction.fetch(
            "INSERT INTO outbox (driver_id, for_pool, created) VALUES ($1, $2, {now}) RETURNING id",
            uuid(row["id"]),
            False,
        )
        transaction.announce(self._announcement([notes[0]["id"]], row))

    async def find_changed(self, noted: Mapping[UUID, Sequence[Row]]) -> dict[UUID, Announcement]:
        """The standing of drivers as it is now. ``noted``: rows of the outbox."""
        rows = await self._database.fetch(
            f"SELECT {COLUMNS} FROM users WHERE {self._database.sql.among('id', 1)}", list(noted)
        )
        found: dict[UUID, Announcement] = {}
        for row in rows:
            driver_id = uuid(row["id"])
            found[driver_id] = self._announcement([note["id"] for note in noted[driver_id]], row)
        return found

    def _announcement(self, note_ids: Sequence[int], row: Row) -> Announcement:
        driver_id = uuid(row["id"])
        message = standing_message(
            driver_id,
            on_duty=bool(row["on_duty"]),
            approval=Approval(row["approval"]),
            has_vehicle=row["vehicle"] is not None,
        )
        return Announcement(note_ids, [self._topics.driver(driver_id)], message)


def standing_message(driver_id: UUID, *, on_duty: bool, approval: Approval, has_vehicle: bool) -> bytes:
    """The message that a driver's standing has become this."""
    return orjson.dumps(
        {
            "standing": {
                "driver_id": str(driver_id),
                "on_duty": on_duty,
                "approval": approval,
                "has_vehicle": has_vehicle,
            }
        }
    )


def read_standing(message: bytes) -> tuple[UUID, bool, Approval, bool]:
    """The driver's id, and whether they are on duty, approved, and have a vehicle.

    Raises: ValueError, KeyError, TypeError
    """
    raw: dict[str, Any] = orjson.loads(message)["standing"]
    return UUID(raw["driver_id"]), bool(raw["on_duty"]), Approval(raw["approval"]), bool(raw["has_vehicle"])
