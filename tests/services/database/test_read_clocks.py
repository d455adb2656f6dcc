"""A change that is committed during a read counts as newer than that read."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from application.application import Application
from application.settings import Settings
from models.trip_life import TripStatus
from models.values import Role
from services.events import sweep as sweep_module
from services.live.events import StateRead
from services.live.messages import PoolSnapshot, TripOffered
from services.live.pool_feed import PoolFeed
from services.trips import rows as trip_rows
from tests.support.database_rows import add_person, notes
from tests.support.live import RecordingSink
from tests.support.waiting import PATIENCE_S, until

# For `find_all` the clock is read late: after the snapshot of its statement, which nothing else makes so long.
LATE_CLOCK = """
    CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        IF current_query() LIKE '%t.id = ANY($1)%' THEN
            PERFORM pg_advisory_xact_lock_shared(1);
        END IF;
        RETURN pg_catalog.clock_timestamp();
    END $$
"""
WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""
# After this many steps of SQLite a statement has begun and is far from its end.
HALF_WAY = 50


class Postgres:
    """Reads of trips by id that stop after they have their snapshot, until they are released."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def hold(self, application: Application) -> None:
        """Hold the next read."""
        await self._connection.fetchval("SELECT pg_advisory_lock(1)")

    async def is_held(self) -> bool:
        """Whether a read is held."""
        return await self._connection.fetchval(WAITING) == 1

    async def pass_by(self, other: asyncio.Task[Any]) -> None:
        """Let another statement finish before it."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait([other])

    async def let_go(self) -> None:
        """Let it finish."""
        await self._connection.fetchval("SELECT pg_advisory_unlock(1)")


class Sqlite:
    """The same for SQLite, where no other statement can run in between."""

    def __init__(self) -> None:
        self._is_held = threading.Event()
        self._go_on = threading.Event()

    async def hold(self, application: Application) -> None:
        """Hold the next read."""
        database = cast("Any", application.database)
        connection = database._context.db(database._name)._connection
        await connection.set_progress_handler(self._wait, HALF_WAY)

    def _wait(self) -> None:
        self._is_held.set()
        self._go_on.wait(PATIENCE_S)

    async def is_held(self) -> bool:
        """Whether a read is held."""
        return self._is_held.is_set()

    async def pass_by(self, other: asyncio.Task[Any]) -> None:
        """Check that another statement waits for it, while the clock, which counts milliseconds, advances."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until(lambda: loop.time() > began + 0.002)
        assert not other.done()

    async def let_go(self) -> None:
        """Let it finish."""
        self._go_on.set()


Reads = Postgres | Sqlite


@pytest.fixture
async def reads(settings: Settings) -> AsyncIterator[Reads]:
    """The first fixture of a test: existing connections have the previous clock."""
    if settings.sqlite_path is not None:
        yield Sqlite()
        return
    async with connected(settings.database_url) as connection:
        name = await connection.fetchval("SELECT quote_ident(current_database())")
        await connection.execute(LATE_CLOCK)
        await connection.execute(f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
        try:
            yield Postgres(connection)
        finally:
            await connection.execute(f"ALTER DATABASE {name} RESET search_path")
            await connection.execute("DROP FUNCTION public.clock_timestamp()")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def requested(application: Application) -> UUID:
    """A new trip."""
    rider = await add_person(application.database, Role.RIDER)
    trips = application.services.trips
    return (await trips.request(rider, pick_up_address="Here", drop_off_address="There")).id


async def take(application: Application, trip_id: UUID) -> Any:
    driver = await add_person(application.database, Role.DRIVER)
    return await application.services.trips.update(driver, trip_id=trip_id, status=TripStatus.STARTED)


async def test_a_change_that_is_committed_while_a_read_is_under_way_is_newer_than_that_read(
    reads: Reads, application: Application
) -> None:
    trip_id = await requested(application)
    await reads.hold(application)
    reading = asyncio.create_task(trip_rows.find_all(application.database, [trip_id]))
    await until(reads.is_held)
    taking = asyncio.create_task(take(application, trip_id))
    await reads.pass_by(taking)
    await reads.let_go()
    read, taken = await reading, await taking
    # The change was not visible yet, and the read ended after it: `as_of` alone does not show that.
    assert [trip.version for trip in read.trips] == [1]
    assert application.database.is_sqlite or taken.updated < read.as_of
    event = StateRead(read).event()
    assert event is not None
    assert event.as_of < taken.updated


async def test_a_slow_sweep_offers_nobody_a_trip_that_was_accepted_in_the_meantime(
    reads: Reads, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also changes of this millisecond.
    monkeypatch.setattr(sweep_module, "SWEEP_AGE_S", -1)
    services, outbox, sink = application.services, cast("Any", application.outbox), RecordingSink()
    watcher = await add_person(application.database, Role.DRIVER)
    with monkeypatch.context() as dying:
        dying.setattr(outbox, "_enqueue", lambda _: None)
        trip_id = await requested(application)
    await reads.hold(application)
    sweeping = asyncio.create_task(outbox.sweep.run_once())
    await until(reads.is_held)

    async def take_and_watch() -> None:
        await take(application, trip_id)
        await services.hub.subscribe(PoolFeed(watcher, services.topics, radius_m=3_000), sink)

    watching = asyncio.create_task(take_and_watch())
    await reads.pass_by(watching)
    await reads.let_go()
    await sweeping
    await watching
    await until(lambda: none_is_left(application))
    assert await sink.next() == PoolSnapshot((), truncated=False)
    sentinel = await requested(application)
    offered = await sink.next()
    assert isinstance(offered, TripOffered)
    assert offered.trip.id == sentinel


async def none_is_left(application: Application) -> bool:
    return not await notes(application.database)
