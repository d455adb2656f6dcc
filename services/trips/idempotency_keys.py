"""Idempotency keys of requests: unique for each rider, for 24 hours."""

from uuid import UUID

from models.values import TripValue
from services.database.connections import Database
from services.trips import rows as trip_rows

TTL_S = 24 * 3600


async def release(database: Database, rider_id: UUID, key: str) -> bool:
    """Release the rider's key if it is older than 24 h; returns whether it was."""
    released = await database.fetch(
        "UPDATE trips SET idempotency_key = NULL WHERE rider_id = $1 AND idempotency_key = $2 "
        f"AND created < {database.sql.ago(TTL_S)} RETURNING id",
        rider_id,
        key,
    )
    return bool(released)


async def find(database: Database, rider_id: UUID, key: str) -> TripValue | None:
    """The trip that the rider has requested with the key, if any."""
    rows = await database.fetch("SELECT id FROM trips WHERE rider_id = $1 AND idempotency_key = $2", rider_id, key)
    return await trip_rows.find(database, rows[0]["id"]) if rows else None
