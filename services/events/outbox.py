"""The outbox: every committed change reaches its subscribers.

A use case changes data in an ``Outbox.transaction``, which also writes an outbox row. After the commit, the
change is published and the row deleted, which hands the change over to background work (``handover.py``). If that
fails (no broker, or the process died), a sweep by any process finds the row and announces the current state
(``sweep.py``).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from uuid import UUID

import structlog

from services.database.connections import Database, Source
from services.database.dialects import Row, uuid
from services.events.bus import Bus
from services.events.handover import Handover
from services.events.leases import MAX_UNCHECKED_S, Leases
from services.events.sweep import Announcement, FindChanged, Sweep, session_end
from services.events.topics import Topics
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running

_log = structlog.stdlib.get_logger(__name__)

MAX_WAITING = 10_000


def note_sql(changed: str, *, former: str, pool: str) -> str:
    """SQL that writes an outbox row for every trip in ``changed``; ``former`` and ``pool`` are SQL values.

    It returns their ``id`` and ``trip_id``.
    """
    return (
        "INSERT INTO outbox (trip_id, version, former_driver_id, for_pool, created) "
        f"SELECT id, version, {former}, {pool}, {{now}} FROM {changed} RETURNING id, trip_id"
    )


class Publisher(Protocol):
    """What an outbox needs of the bus."""

    async def publish(self, events: Sequence[tuple[Sequence[str], bytes]]) -> bool:
        """As ``Bus.publish``."""
        ...


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
        # Since when (``time.monotonic``).
        self.changing_since = 0.0
        # Whether the block must end only when no process uses the outdated data.
        self.is_end = False
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
            self.changing_since = self.changing_since or time.monotonic()
            self.changing |= new
            self.is_end = self.is_end or is_end
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
            self.announce(session_end(self._topics, row))


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
        self._bus: Publisher = bus
        self._topics = topics
        self._leases = leases
        self._handover = handover
        self.sweep = Sweep(
            database, bus, topics, handover, find_changed=find_changed, find_standings=find_standings
        )
        self._waiting: list[Announcement] = []
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to publish and to sweep."""
        self._tasks = [
            asyncio.create_task(keep_running("outbox", self._publish_waiting, self._counters)),
            asyncio.create_task(keep_running("outbox sweep", self.sweep.keep_sweeping, self._counters)),
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
            still_known = self._leases.end_change(changes.changing, since=changes.changing_since)
            changes.reached_all = changes.reached_all and (still_known or not changes.is_end)
        for work in changes.after_commit:
            try:
                await work()
            except Exception:
                _log.exception("work after a commit failed")
        if not changes.reached_all:
            # Other processes may still use outdated data: wait until they cannot.
            await asyncio.sleep(MAX_UNCHECKED_S)

    def _enqueue(self, announcement: Announcement) -> bool:
        # Above the bound, leave it to the sweep: memory must stay bounded while the broker hangs.
        has_room = len(self._waiting) < MAX_WAITING
        if has_room:
            self._waiting.append(announcement)
            self._work.set()
        return has_room

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
