"""The values of a trip that is requested."""

from uuid import UUID, uuid4

from services.positions.cells import cell_of
from services.trips.checks import Journey

# What a request says of its trip: the columns, and their types in PostgreSQL.
REQUESTED = {
    "id": "uuid",
    "pick_up_address": "text",
    "drop_off_address": "text",
    "pick_up_lat": "float8",
    "pick_up_lng": "float8",
    "pick_up_cell": "int8",
    "drop_off_lat": "float8",
    "drop_off_lng": "float8",
    "idempotency_key": "text",
    "rider_id": "uuid",
}


def requested(rider_id: UUID, journey: Journey, key: str | None) -> tuple[object, ...]:
    """The values of ``REQUESTED`` for a new trip."""
    pick_up, drop_off = journey.pick_up, journey.drop_off
    return (
        uuid4(),
        journey.pick_up_address,
        journey.drop_off_address,
        pick_up.lat if pick_up else None,
        pick_up.lng if pick_up else None,
        cell_of(pick_up) if pick_up else None,
        drop_off.lat if drop_off else None,
        drop_off.lng if drop_off else None,
        key,
        rider_id,
    )
