"""Bus messages about trips: their topics and their encoding."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from models.values import TripValue
from services.database.connections import Database
from services.database.dialects import Row, uuid
from services.events.sweep import Announcement
from services.events.topics import Topics
from services.positions.cells import cells_of
from services.runtime.memory_cache import compact
from services.tracing.tracing import SpanContext
from services.trips import rows as trip_rows

# A byte with which no JSON begins.
_FOUND = b"@"
# No message about a position or a standing begins so.
_BEGINNINGS = (b'{"id":', _FOUND)


class TripAnnouncements:
    """Builds announcements of changes: of a new change, and of changes that a sweep has found."""

    def __init__(self, database: Database, topics: Topics) -> None:
        self._database = database
        self._topics = topics

    def changed(
        self,
        note_id: int,
        trip: TripValue,
        *,
        for_pool: bool,
        former_driver_id: UUID | None,
        caller: SpanContext | None = None,
    ) -> Announcement:
        """The announcement of a trip's new state; its former driver receives it too. ``caller``: as there."""
        former = () if former_driver_id is None else (former_driver_id,)
        topics = self._topics_of(trip, former, for_pool=for_pool)
        # Compact, because thousands may wait while the broker is away.
        return Announcement([note_id], topics, compact(trip.to_json()), caller)

    async def find_changed(self, noted: Mapping[UUID, Sequence[Row]]) -> dict[UUID, Announcement]:
        """The current trips, each for everybody who should have received a change in ``noted``: rows of the
        outbox.
        """
        read = await trip_rows.find_all(self._database, list(noted))
        found: dict[UUID, Announcement] = {}
        for trip in read.trips:
            rows = noted[trip.id]
            former = {uuid(row["former_driver_id"]) for row in rows if row["former_driver_id"] is not None}
            topics = self._topics_of(trip, former, for_pool=any(row["for_pool"] for row in rows))
            found[trip.id] = Announcement([row["id"] for row in rows], topics, found_message(trip, read.begun))
        return found

    def _topics_of(self, trip: TripValue, former_driver_ids: Collection[UUID], *, for_pool: bool) -> list[str]:
        topics = [self._topics.trip(trip.id), self._topics.user(trip.rider.id)]
        drivers = (*former_driver_ids,) if trip.driver is None else (trip.driver.id, *former_driver_ids)
        for driver_id in drivers:
            topics += (self._topics.user(driver_id), self._topics.driver(driver_id))
        if for_pool:
            topics.append(self._topics.pool)
            if trip.pick_up is None:
                topics.append(self._topics.pool_any)
            else:
                topics += [self._topics.pool_cell(cell) for cell in cells_of(trip.pick_up)]
        return topics


def found_message(trip: TripValue, as_of: datetime) -> bytes:
    """The message for the state of a trip that a read found; the read began at ``as_of``."""
    return _FOUND + as_of.isoformat().encode() + b" " + trip.to_json()


def is_of_trip(message: bytes) -> bool:
    """Whether a message is about a trip."""
    return message.startswith(_BEGINNINGS)


def read_message(message: bytes) -> tuple[TripValue, datetime]:
    """The trip of a message, and the database's time of its change, or of the beginning of the read that found it.

    Raises:
        ValueError, KeyError, TypeError
    """
    if not message.startswith(_FOUND):
        trip = TripValue.from_json(message)
        return trip, trip.updated
    stamp, _, found = message[len(_FOUND) :].partition(b" ")
    return TripValue.from_json(found), datetime.fromisoformat(stamp.decode())
