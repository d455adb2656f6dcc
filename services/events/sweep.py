"""The sweep of the outbox: announces what was committed and not published, each change by one process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from models.frozen import frozen
from services.database.connections import Database
from services.database.dialects import Row, uuid
from services.database.horizon import HORIZON, Horizon
from services.events.bus import Bus, BusState
from services.events.handover import Handover
from services.events.settled_notes import SettledNotes
from services.events.topics import Topics
from services.runtime.waits import about
from services.tracing.tracing import SpanContext

_log = structlog.stdlib.get_logger(__name__)

SWEEP_INTERVAL_S = 1.0
# By then a process has published its own changes.
SWEEP_AGE_S = 1
SWEEP_LIMIT = 500
# Longer than a process needs for SWEEP_LIMIT notes. The notes of a process that dies meanwhile wait that long.
CLAIM_S = 5


@frozen
class Announcement:
    """A bus message, its topics, and the outbox rows to delete once it is published.

    ``caller``: the span of whoever asked for the change, if it is traced and not the current one.
    """

    note_ids: Sequence[int]
    topics: Sequence[str]
    message: bytes
    caller: SpanContext | None = None


# Builds announcements of the current state of changed trips, or drivers. The argument has the outbox rows of each.
FindChanged = Callable[[Mapping[UUID, Sequence[Row]]], Awaitable[Mapping[UUID, Announcement]]]


def session_end(topics: Topics, row: Row) -> Announcement:
    """The announcement that a session has ended; ``row`` is its outbox row."""
    return Announcement([row["id"]], [topics.sessions], str(uuid(row["session_id"])).encode())


class Sweep:
    """Publishes the changes whose processes have not: they died, or the broker was away.

    All processes sweep. Each claims the notes that it publishes, for ``CLAIM_S``: no other takes them, and if it
    dies, another one does afterwards. A note is deleted after it was published, so a change may be published
    again, and is never lost.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        topics: Topics,
        handover: Handover,
        *,
        find_changed: FindChanged,
        find_standings: FindChanged,
    ) -> None:
        """``find_changed`` is for trips, ``find_standings`` for drivers."""
        self._database = database
        self._bus = bus
        self._topics = topics
        self._handover = handover
        self._find_changed = find_changed
        self._find_standings = find_standings
        self._settled = SettledNotes()

    async def keep_sweeping(self) -> None:
        """Sweep again and again while the broker accepts messages."""
        while True:
            await asyncio.sleep(about(SWEEP_INTERVAL_S))
            if self._bus.state is not BusState.OK:
                continue
            try:
                await self.run_once()
            except Exception:
                _log.exception("sweeping the outbox failed")

    async def run_once(self) -> None:
        """Publish every note that is old enough and that no other process has claimed."""
        if not await self._look():
            return
        last_id = self._settled.up_to
        while rows := await self._claim(last_id):
            last_id = rows[-1]["id"]
            if not await self._publish(rows) or len(rows) < SWEEP_LIMIT:
                return

    async def oldest_age_s(self) -> float:
        """How long the change that was noted first has waited to be published, in seconds; 0 when none waits."""
        age_s = self._database.sql.epoch_s
        rows = await self._database.fetch(
            f"SELECT {age_s('{now}')} - {age_s('created')} AS age_s FROM outbox WHERE id > $1 ORDER BY id LIMIT 1",
            self._settled.up_to,
        )
        return max(rows[0]["age_s"], 0.0) if rows else 0.0

    async def _look(self) -> bool:
        """Whether there is any note. Learns up to which id there is none."""
        if self._database.sql.writes_one_by_one:
            return True
        (row,) = await self._database.fetch(
            f"SELECT {HORIZON}, COALESCE(pg_sequence_last_value('outbox_id_seq'), 0) AS last_id, "
            "(SELECT id FROM outbox WHERE id > $1 ORDER BY id LIMIT 1) AS first_id",
            self._settled.up_to,
        )
        return self._settled.learn(Horizon.of(row), first_id=row["first_id"], last_id=row["last_id"])

    async def _claim(self, last_id: int) -> Sequence[Row]:
        sql = self._database.sql
        # Materialized, because PostgreSQL could otherwise run the SELECT, with its LIMIT, more than once.
        claimed = await self._database.fetch(
            "WITH next AS MATERIALIZED (SELECT id FROM outbox WHERE id > $1 "
            f"AND created < {sql.ago(SWEEP_AGE_S)} AND (claimed_until IS NULL OR claimed_until < {{now}}) "
            f"ORDER BY id LIMIT {SWEEP_LIMIT}{sql.locked('UPDATE SKIP LOCKED')}) "
            f"UPDATE outbox SET claimed_until = {sql.ago(-CLAIM_S)} WHERE id IN (SELECT id FROM next) "
            "RETURNING id, trip_id, former_driver_id, for_pool, session_id, driver_id",
            last_id,
        )
        return sorted(claimed, key=lambda row: row["id"])

    async def _publish(self, rows: Sequence[Row]) -> bool:
        """Publish claimed notes; False: the broker does not accept them, and they are not claimed any more."""
        try:
            announcements = await self._announcements(rows)
            published = await self._bus.publish([(a.topics, a.message) for a in announcements])
        except Exception:
            await self._release(rows)
            raise
        if not published:
            await self._release(rows)
            return False
        # All of them: of a trip or driver that is gone, nobody is left to hear.
        await self._handover.published([row["id"] for row in rows])
        return True

    async def _announcements(self, rows: Sequence[Row]) -> Sequence[Announcement]:
        """Each trip and driver once, as it is now, on the topics of all its changes; and each ended session."""
        of_trips: dict[UUID, list[Row]] = {}
        of_drivers: dict[UUID, list[Row]] = {}
        announcements: list[Announcement] = []
        for row in rows:
            if row["trip_id"] is not None:
                of_trips.setdefault(uuid(row["trip_id"]), []).append(row)
            elif row["driver_id"] is not None:
                of_drivers.setdefault(uuid(row["driver_id"]), []).append(row)
            else:
                announcements.append(session_end(self._topics, row))
        for noted, find in ((of_trips, self._find_changed), (of_drivers, self._find_standings)):
            if noted:
                announcements += (await find(noted)).values()
        return announcements

    async def _release(self, rows: Sequence[Row]) -> None:
        """Let any process take these notes now. If that fails, they wait for the end of the claim."""
        with suppress(Exception):
            await self._database.fetch(
                f"UPDATE outbox SET claimed_until = NULL WHERE {self._database.sql.among('id', 1)}",
                [row["id"] for row in rows],
            )
