"""The outbox: no committed change stays unseen.

A change is noted in its own transaction, published after the commit, and the note deleted. Whatever was not
published (the broker was away, the process died in between) is found by a sweep of any process, which
announces the state of then.
"""

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog

from models.values import TripSnapshot
from services.positions import areas
from services.trips import rows as trip_rows
from services.events.bus import (Bus, BusState)
from services.database.connections import (Database, Row, Transaction, moment, uuid)
from services.runtime.tasks import end
from services.live.events import found
from services.events.channels import Topics

_log = structlog.stdlib.get_logger(__name__)

SWEEP_INTERVAL_S = 1.0
SWEEP_AGE_S = 1
SWEEP_LIMIT = 500
MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Note:
    """A row of the outbox: what changed, and who has to hear of it beyond the trip's present parties."""

    id: int
    trip_id: UUID | None = None
    former_driver_id: UUID | None = None
    for_pool: bool = False
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Publication:
    note_ids: Sequence[int]
    topics: Sequence[str]
    message: bytes


def note_sql(changed: str, *, former: str, pool: str) -> str:
    """SQL that notes a change of every trip in ``changed``; ``former`` and ``pool`` are SQL values."""
    return (
        "INSERT INTO outbox (trip_id, former_driver_id, for_pool, created) "
        f"SELECT id, {former}, {pool}, {{now}} FROM {changed} RETURNING id"
    )


class Outbox:
    """Notes changes and announces them."""

    def __init__(self, database: Database, bus: Bus, topics: Topics) -> None:
        self._database = database
        self._bus = bus
        self._topics = topics
        self._waiting: list[_Publication] = []
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to publish and to sweep."""
        self._tasks = [
            asyncio.create_task(self._publish_waiting()),
            asyncio.create_task(self._sweep()),
        ]

    async def stop(self) -> None:
        """Publish what waits, then end. What the broker does not take stays noted."""
        await end(self._tasks)
        if self._waiting:
            with suppress(Exception):
                await self._publish_batch()

    async def note_trip(
        self,
        transaction: Database | Transaction,
        trip_id: UUID,
        *,
        for_pool: bool,
        former_driver_id: UUID | None = None,
    ) -> Note:
        """Write down that a trip changed, in the transaction of the change."""
        rows = await transaction.fetch(
            note_sql("(SELECT $1 AS id) changed", former="$2", pool="$3"), trip_id, former_driver_id, for_pool
        )
        return Note(rows[0]["id"], trip_id=trip_id, former_driver_id=former_driver_id, for_pool=for_pool)

    async def note_session_ends(self, transaction: Transaction, session_ids: Sequence[UUID]) -> Sequence[Note]:
        """Write down that sessions ended, in the transaction that ended them."""
        if not session_ids:
            return ()
        rows = await transaction.fetch(
            "INSERT INTO outbox (session_id, for_pool, created) "
            f"SELECT ended.id, FALSE, {{now}} FROM {self._database.ids(1)} ended RETURNING id, session_id",
            list(session_ids),
        )
        return [Note(row["id"], session_id=uuid(row["session_id"])) for row in rows]

    def announce_trip(self, note: Note, trip: TripSnapshot) -> None:
        """Publish a change soon. Call it after the commit."""
        former = () if note.former_driver_id is None else (note.former_driver_id,)
        topics = self._topics_of(trip, former, for_pool=note.for_pool)
        self._enqueue(_Publication([note.id], topics, trip.to_json()))

    def _topics_of(self, trip: TripSnapshot, former_driver_ids: Collection[UUID], *, for_pool: bool) -> list[str]:
        topics = [self._topics.trip(trip.id), self._topics.user(trip.rider.id)]
        if trip.driver is not None:
            topics.append(self._topics.user(trip.driver.id))
        topics += [self._topics.user(driver_id) for driver_id in former_driver_ids]
        if for_pool:
            topics.append(self._topics.pool)
            if trip.pick_up is None:
                topics.append(self._topics.pool_any)
            else:
                topics += [self._topics.pool_cell(cell) for cell in areas.cells_of(trip.pick_up)]
        return topics

    def announce_session_end(self, note: Note) -> None:
        """Publish the end of a session soon. Call it after the commit."""
        self._enqueue(_Publication([note.id], [self._topics.sessions], str(note.session_id).encode()))

    async def oldest_age_s(self) -> float:
        """How long the oldest change has waited to be published, in seconds; 0 when none waits."""
        rows = await self._database.fetch("SELECT {now} AS now, min(created) AS oldest FROM outbox")
        oldest = rows[0]["oldest"]
        return (moment(rows[0]["now"]) - moment(oldest)).total_seconds() if oldest is not None else 0.0

    def _enqueue(self, publication: _Publication) -> None:
        # Beyond the bound the sweep has to find it: memory stays bounded while the broker hangs.
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(publication)
            self._work.set()

    async def _publish_waiting(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._publish_batch()
            except Exception:
                # The notes stay, and the sweep finds them.
                _log.exception("publishing failed")

    async def _publish_batch(self) -> None:
        batch, self._waiting = self._waiting, []
        published = await self._bus.publish([(p.topics, p.message) for p in batch])
        if published:
            await self._forget([note_id for p in batch for note_id in p.note_ids])

    async def _forget(self, note_ids: Sequence[int]) -> None:
        await self._database.fetch(f"DELETE FROM outbox WHERE {self._database.among('id', 1)}", list(note_ids))

    async def _sweep(self) -> None:
        while True:
            # Jitter: processes that started together would otherwise all sweep the same rows.
            await asyncio.sleep(SWEEP_INTERVAL_S * random.uniform(0.7, 1.3))  # noqa: S311 - no secret
            if self._bus.state is not BusState.OK:
                continue
            try:
                await self._sweep_once()
            except Exception:
                _log.exception("sweeping the outbox failed")

    async def _sweep_once(self) -> None:
        last_id = 0
        while rows := await self._left_over(last_id):
            last_id = rows[-1]["id"]
            of_trips: dict[UUID, list[Row]] = {}
            for row in rows:
                if row["trip_id"] is None:
                    self.announce_session_end(Note(row["id"], session_id=uuid(row["session_id"])))
                else:
                    of_trips.setdefault(uuid(row["trip_id"]), []).append(row)
            if of_trips:
                await self._announce_as_found(of_trips)
            if len(rows) < SWEEP_LIMIT:
                return

    async def _left_over(self, last_id: int) -> Sequence[Row]:
        return await self._database.fetch(
            "SELECT id, trip_id, former_driver_id, for_pool, session_id FROM outbox "
            f"WHERE id > $1 AND created < {self._database.ago(SWEEP_AGE_S)} ORDER BY id LIMIT {SWEEP_LIMIT}",
            last_id,
        )

    async def _announce_as_found(self, of_trips: Mapping[UUID, Sequence[Row]]) -> None:
        """Announce each trip once, as it is now, to all who had to hear of any of its changes."""
        read = await trip_rows.find_all(self._database, list(of_trips))
        trips = {trip.id: trip for trip in read.trips}
        for trip_id, rows in of_trips.items():
            note_ids = [row["id"] for row in rows]
            trip = trips.get(trip_id)
            if trip is None:
                await self._forget(note_ids)
                continue
            former = {uuid(row["former_driver_id"]) for row in rows if row["former_driver_id"] is not None}
            topics = self._topics_of(trip, former, for_pool=any(row["for_pool"] for row in rows))
            self._enqueue(_Publication(note_ids, topics, found(trip, read.begun)))
