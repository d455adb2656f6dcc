"""What webhooks tell: the type of each change of a trip, and its payload, made of the trip's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from models.trip_life import EVENTS, OPEN, TripEvent, TripStatus, is_on_the_way, is_open
from services.database.connections import Database
from services.database.dialects import Row, moment, uuid
from services.trips.conditions import has_status

EVENT_TYPES = tuple(event.value for event in TripEvent)
TEST_TYPE = "webhook.test"


def event_type_sql(change: str) -> str:
    """SQL for the type of a change; ``change`` is the alias of its row in ``trip_changes``."""
    others = " ".join(f"WHEN '{status.value}' THEN '{event.value}'" for status, event in EVENTS.items())
    return (
        f"CASE WHEN {change}.is_arrival THEN '{TripEvent.DRIVER_ARRIVED.value}' "
        f"WHEN {has_status(OPEN, change)} AND {change}.version > 1 THEN '{TripEvent.GIVEN_BACK.value}' "
        f"ELSE CASE {change}.status {others} END END"
    )


@dataclass(frozen=True, slots=True)
class TripAtChange:
    """A trip as it was after one change. It has no PIN, no names, and no text but the addresses."""

    at: datetime
    data: dict[str, Any]


async def trips_at(database: Database, wanted: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], TripAtChange]:
    """The trips as they were at those versions, with one statement. A trip that was removed has none."""
    if not wanted:
        return {}
    rows = await database.fetch(
        "SELECT c.trip_id, c.version, c.status, c.at, c.changed_by, c.user_id, c.is_arrival, c.cancel_code, "
        "t.created, t.rider_id, t.pick_up_address, t.drop_off_address, t.pick_up_lat, t.pick_up_lng, "
        "t.drop_off_lat, t.drop_off_lng FROM trip_changes c JOIN trips t ON t.id = c.trip_id "
        f"WHERE {database.sql.among('c.trip_id', 1)} ORDER BY c.trip_id, c.version",
        list({trip_id for trip_id, _ in wanted}),
    )
    asked = set(wanted)
    found: dict[tuple[UUID, int], TripAtChange] = {}
    of_trip, driver_id, arrived_at = None, None, None
    for row in rows:
        trip_id = uuid(row["trip_id"])
        if trip_id != of_trip:
            of_trip, driver_id, arrived_at = trip_id, None, None
        status = TripStatus(row["status"])
        if is_open(status):
            driver_id, arrived_at = None, None
        elif row["is_arrival"]:
            arrived_at = moment(row["at"])
        elif is_on_the_way(status):
            driver_id = uuid(row["user_id"]) if row["user_id"] is not None else None
        if (key := (trip_id, row["version"])) in asked:
            found[key] = TripAtChange(moment(row["at"]), _data(row, driver_id, arrived_at))
    return found


def payload(event_type: str, at: datetime, data: dict[str, Any]) -> bytes:
    """The body of a webhook. It is the same for each attempt."""
    return orjson.dumps({"type": event_type, "timestamp": time_text(at), "data": data})


def time_text(at: datetime) -> str:
    """A time as ISO 8601 in UTC, with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _data(row: Row, driver_id: UUID | None, arrived_at: datetime | None) -> dict[str, Any]:
    return {
        "id": str(uuid(row["trip_id"])),
        "version": row["version"],
        "status": row["status"],
        "created": time_text(moment(row["created"])),
        "updated": time_text(moment(row["at"])),
        "pickUpAddress": row["pick_up_address"],
        "dropOffAddress": row["drop_off_address"],
        "pickUp": _point(row["pick_up_lat"], row["pick_up_lng"]),
        "dropOff": _point(row["drop_off_lat"], row["drop_off_lng"]),
        "riderId": str(uuid(row["rider_id"])),
        "driverId": str(driver_id) if driver_id is not None else None,
        "arrivedAt": time_text(arrived_at) if arrived_at is not None else None,
        "cancelCode": row["cancel_code"],
        "changedBy": row["changed_by"],
        "changedById": str(uuid(row["user_id"])) if row["user_id"] is not None else None,
    }


def _point(lat: float | None, lng: float | None) -> dict[str, float] | None:
    return {"lat": lat, "lng": lng} if lat is not None and lng is not None else None
