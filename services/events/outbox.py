"""The outbox: every committed change reaches its subscribers.

A use case changes data in an ``Outbox.transaction``, which also writes an outbox row. After the commit, the
change is published and the row deleted, which hands the change over to background work (``handover.py``). If that
fails (no broker, or the process died), a sweep by any process finds the row and announces the current state.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from models.frozen import frozen
from services.database.connections import Database, Source
from services.database.dialects import Row, moment, uuid
from services.events.bus import Bus, BusState
from services.events.handover import Handover
from services.events.leases import MAX_UNCHECKED_S, Leases
from services.events.topics import Topics
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running
from services.runtime.waits import about

_log = structlog.stdlib.get_logger(__name__)

SWEEP_INTERVAL_S = 1.0
SWEEP_AGE_S = 1
SWEEP_LIMIT = 500
MAX_WAITING = 10_000


@frozen
class Announcement:
    """A bus message, its topics, and the outbox rows to delete once it is published."""

    note_ids: Sequence[int]
    topics: Sequence[str]
    message: bytes


# Builds announcements of the current state of changed trips, or drivers. The argument has the outbox rows of each.
FindChanged = Callable[[Mapping[UUID, Sequence[Row]]], Awaitable[Mapping[UUID, Announcement]]]


def note_sql(changed: str, *, former: str, pool: str) -> str:
    """SQL that writes an outbox row for every trip in ``changed``; ``former`` and ``pool`` are SQL values.

    It returns their ``id`` and ``trip_id``.
    """
    return (
        "INSERT INTO outbox (trip_id, version, former_driver_id, for_pool, created) "
        f"SELECT id, version, {former}, {pool}, {{now}} FROM {changed} RETURNING id, trip_id"
    )


class OutboxTransaction:
    """The transaction of an ``Outbox.transaction`` block: runs statements and collects announcements."""

    def __init__(self, source: Source, database: Database, topics: Topics, leases: Leases) -> None:
        self._source = source
        self._database = database
        self._topics = topics
        self._leases = leases
        self.announcements: list[Announcement] = []
        self.after_commit: list[Callable[[], Awaitable[None]]] = []
        # The users whose cached data changes.
        self.changing: set[UUID] = set()
        # Whether all processes know that it changes.
        self.reached_all = True

    @property
    def commits_at_once(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return self._source is self._database

    async def fetch(self, sql: str, *args: object) -> Sequence[Row]:
        """Run one statement and return its rows."""
        return await self._source.fetch(sql, *args)

    def announce(self, announcement: Announcement) -> None:
        """Publish a change soon after the commit, and only if it commits."""
        self.announcements.append(announcement)

    def then(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do this after the commit, before the ``Outbox``'s block ends. A failure is only logged."""
        self.after_commit.append(work)

    async def change_of(self, *user_ids: UUID, is_end: bool = True) -> None:
        """Call this before a commit that makes cached data of these users outdated.

        ``is_end``: no process uses the outdated data any more when the ``Outbox``'s block ends. Otherwise a
        process without Redis may use it for another ``MAX_UNCHECKED_S`` seconds.
        """
        new = set(user_ids) - self.changing
        if new:
            self.changing |= new
            reached_all = await self._leases.begin_change(new)
            self.reached_all = self.reached_all and (reached_all or not is_end)

    async def note_trip(
        self, trip_id: UUID, version: int, *, for_pool: bool, former_driver_id: UUID | None = None
    ) -> int:
        """Write an outbox row for a trip that has changed to ``version``; returns its id."""
        rows = await self.fetch(
            note_sql("(SELECT $1 AS id, $2 AS version) changed", former="$3", pool="$4"),
            trip_id,
            version,
            former_driver_id,
            for_pool,
        )
        return rows[0]["id"]

    async def end_sessions(self, ended: Sequence[Row]) -> None:
        """Announce that sessions have ended, so that every process closes their sockets.

        ``ended``: their ``id`` and ``user_id``.
        """
        if not ended:
            return
        await self.change_of(*(uuid(row["user_id"]) for row in ended))
        rows = await self.fetch(
            "INSERT INTO outbox (session_id, for_pool, created) "
            f"SELECT ended.id, FALSE, {{now}} FROM {self._database.sql.ids(1)} ended RETURNING id, session_id",
            [uuid(row["id"]) for row in ended],
        )
        for row in rows:
            self.announce(_session_end(self._topics, row))


def _session_end(topics: Topics, row: Row) -> Announcement:
    return Announcement([row["id"]], [topics.sessions], str(uuid(row["session_id"])).encode())


class Outbox:
    """Announces what its transactions have changed: soon after the commit, or later by a sweep."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        topics: Topics,
        leases: Leases,
        handover: Handover,
        counters: Counters,
        *,
        find_changed: FindChanged,
        find_standings: FindChanged,
    ) -> None:
        """``find_changed`` is for trips, ``find_standings`` for drivers."""
        self._database = database
        self._counters = counters
        self._bus = bus
        self._topics = topics
        self._leases = leases
        self._handover = handover
        self._find_changed = find_changed
        self._find_standings = find_standings
        self._waiting: list[Announcement] = []
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to publish and to sweep."""
        self._tasks = [
            asyncio.create_task(keep_running("outbox", self._publish_waiting, self._counters)),
            asyncio.create_task(keep_running("outbox sweep", self._sweep, self._counters)),
        ]

    async def stop(self) -> None:
        """Publish what waits, then stop. Announcements that the broker refuses stay in the outbox."""
        await cancel_and_wait(self._tasks)
        if self._waiting:
            with suppress(Exception):
                await self._publish_batch()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[OutboxTransaction]:
        """A transaction of the database. What it announces is published after its commit.

        Raises: as ``Database.transaction`` does.
        """
        async with self._database.transaction() as transaction:
            changes = OutboxTransaction(transaction, self._database, self._topics, self._leases)
            yield changes
        await self._end(changes)

    @asynccontextmanager
    async def statement(self) -> AsyncGenerator[OutboxTransaction]:
        """As ``transaction``, for a block with one statement: on PostgreSQL it is its own transaction.

        It saves four round trips there. SQLite has no such statement and begins a transaction.
        """
        if not self._database.sql.writes_with_reads:
            async with self.transaction() as changes:
                yield changes
            return
        changes = OutboxTransaction(self._database, self._database, self._topics, self._leases)
        yield changes
        await self._end(changes)

    async def _end(self, changes: OutboxTransaction) -> None:
        """End the changes after the commit. (After an error the commit is uncertain; then they end by timeout.)"""
        for announcement in changes.announcements:
            self._enqueue(announcement)
        if changes.changing:
            self._leases.end_change(changes.changing)
        for work in changes.after_commit:
            try:
                await work()
            except Exception:
                _log.exception("work after a commit failed")
        if not changes.reached_all:
            # Other processes may still use outdated data: wait until they cannot.
            await asyncio.sleep(MAX_UNCHECKED_S)

    async def oldest_age_s(self) -> float:
        """How long the oldest change has waited to be published, in seconds; 0 when none waits."""
        rows = await self._database.fetch("SELECT {now} AS now, min(created) AS oldest FROM outbox")
        oldest = rows[0]["oldest"]
        return (moment(rows[0]["now"]) - moment(oldest)).total_seconds() if oldest is not None else 0.0

    def _enqueue(self, announcement: Announcement) -> None:
        # Above the bound, leave it to the sweep: memory must stay bounded while the broker hangs.
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(announcement)
            self._work.set()

    async def _publish_waiting(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._publish_batch()
            except Exception:
                # The outbox rows remain, and the sweep finds them.
                _log.exception("publishing failed")

    async def _publish_batch(self) -> None:
        batch, self._waiting = self._waiting, []
        published = await self._bus.publish([(p.topics, p.message) for p in batch])
        if published:
            await self._handover.published([note_id for p in batch for note_id in p.note_ids])

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(about(SWEEP_INTERVAL_S))
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
            of_drivers: dict[UUID, list[Row]] = {}
            for row in rows:
                if row["trip_id"] is not None:
                    of_trips.setdefault(uuid(row["trip_id"]), []).append(row)
                elif row["driver_id"] is not None:
                    of_drivers.setdefault(uuid(row["driver_id"]), []).append(row)
                else:
                    self._enqueue(_session_end(self._topics, row))
            await self._announce_as_found(of_trips, self._find_changed)
            await self._announce_as_found(of_drivers, self._find_standings)
            if len(rows) < SWEEP_LIMIT:
                return

    async def _left_over(self, last_id: int) -> Sequence[Row]:
        return await self._database.fetch(
            "SELECT id, trip_id, former_driver_id, for_pool, session_id, driver_id FROM outbox "
            f"WHERE id > $1 AND created < {self._database.sql.ago(SWEEP_AGE_S)} ORDER BY id LIMIT {SWEEP_LIMIT}",
            last_id,
        )

    async def _announce_as_found(self, noted: Mapping[UUID, Sequence[Row]], find: FindChanged) -> None:
        """Announce each trip or driver once, as it is now, on the topics of all its changes."""
        if not noted:
            return
        found = await find(noted)
        for changed_id, rows in noted.items():
            if changed_id in found:
                self._enqueue(found[changed_id])
            else:
                # It is gone: nobody is left to hear of it.
                await self._handover.published([row["id"] for row in rows])
