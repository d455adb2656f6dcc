"""The state that subscriptions start from, read from the database."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from uuid import UUID

import structlog

from models.standing import Standing
from models.values import Location, TripValue
from models.visibility import Actor
from services.database.connections import Database
from services.drivers.standings import Standings
from services.live.events import StateRead
from services.live.offer_area import Area
from services.positions.cells import cell_of
from services.positions.reporting import Positions
from services.runtime.counters import Counters
from services.runtime.crowd import CROWD, QUIET_S
from services.runtime.fair_queue import FairQueue
from services.runtime.shared_result import SharedResult
from services.trips import rows as trip_rows
from services.trips.rows import TripsAt

_log = structlog.stdlib.get_logger(__name__)

POOL_SNAPSHOT_LIMIT = 200
ENDED_TRIPS_LIMIT = 20
ENDED_TRIPS_AGE_S = 24 * 3600
# The limit for all areas of one statement.
AREAS_LIMIT = 20_000
# If a crowd shares a read, many clients are connecting. The next read of the same state then begins only after a
# pause, or when no more come, and serves all callers that have come by then. Each read costs a statement, and an
# execution for each different operation.
CROWD_INTERVAL_S = 0.05
# How many areas are answered in one iteration of the event loop: the trips of each have to be selected.
AREAS_AT_ONCE = 16


class StateReader:
    """Reads state for subscribers.

    A read serves only callers that asked before it began. Their topics were confirmed before, so no change is
    missed. Callers that ask for the same state share one read, and one statement reads all areas: 1,000 drivers
    who reconnect together cost a few statements. Callers that share a read continue a few at a time.
    """

    def __init__(self, database: Database, positions: Positions, standings: Standings, counters: Counters) -> None:
        self._database = database
        self._standings = standings
        self._nothing: StateRead | None = None
        self._positions = positions
        self._counters = counters
        wake_ups = FairQueue()
        self._reads = _SharedReads(counters, wake_ups)
        self._areas = _AreaReads(database, counters, wake_ups)

    async def trip(self, trip_id: UUID) -> StateRead:
        """One trip, if there is one."""
        return await self._reads.read(("trip", trip_id), lambda: trip_rows.find_at(self._database, trip_id))

    async def trips_of(self, actor: Actor) -> StateRead:
        """The active trips of a user, and the newest that ended lately."""
        return await self._reads.read(
            ("user", actor.id),
            lambda: trip_rows.trips_of(
                self._database,
                actor.id,
                actor.user.role,
                ended_limit=ENDED_TRIPS_LIMIT,
                ended_since_s=ENDED_TRIPS_AGE_S,
            ),
        )

    async def open_trips(self) -> StateRead:
        """The newest open trips: one more than are shown, to know whether there are more."""
        return await self._reads.read(
            "pool", lambda: trip_rows.open_trips(self._database, limit=POOL_SNAPSHOT_LIMIT + 1)
        )

    async def open_trips_in(self, area: Area) -> StateRead:
        """The open trips in the cells of an area, and those without coordinates."""
        return await self._areas.read(area.fine_cells)

    async def location_of(self, driver_id: UUID) -> Location | None:
        """The last position of a driver."""
        return await self._positions.last(driver_id)

    async def standing_of(self, driver_id: UUID) -> Standing:
        """A driver's standing; drivers who come together share one statement."""
        return await self._standings.of(driver_id)

    def nothing_at(self, standing: Standing) -> StateRead:
        """No trips, at the time of a standing; one for all drivers of the same statement."""
        if self._nothing is None or self._nothing.as_of != standing.as_of:
            self._nothing = StateRead(TripsAt((), standing.begun, standing.as_of))
        return self._nothing


class _Asked:
    """A requested read and its callers."""

    __slots__ = ("answer", "future")

    def __init__(self, wake_ups: FairQueue) -> None:
        self.future: asyncio.Future[StateRead] = asyncio.get_running_loop().create_future()
        self.answer = SharedResult(self.future, wake_ups)

    def fail(self, error: Exception) -> None:
        """Answer with an error."""
        if not self.future.done():
            self.future.set_exception(error)
            # All waiting callers may have been cancelled.
            self.future.exception()


class _SharedReads:
    """Shares a read among concurrent callers with the same scope; later callers share the next one.

    The next read begins when all callers of the last one have continued; if there were many, not before 50 ms have
    passed. So ten thousand clients who reconnect one after the other cost twenty reads a second.
    """

    def __init__(self, counters: Counters, wake_ups: FairQueue) -> None:
        self._counters = counters
        self._wake_ups = wake_ups
        self._asked: dict[Hashable, _Asked] = {}
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}

    async def read(self, scope: Hashable, query: Callable[[], Awaitable[TripsAt]]) -> StateRead:
        """The state of ``scope``, by a read that begins after this call."""
        asked = self._asked.get(scope)
        if asked is None:
            asked = self._asked[scope] = _Asked(self._wake_ups)
            if scope not in self._tasks:
                self._tasks[scope] = asyncio.create_task(self._read(scope, query))
        return await asked.answer.wait()

    async def _read(self, scope: Hashable, query: Callable[[], Awaitable[TripsAt]]) -> None:
        loop = asyncio.get_running_loop()
        while (asked := self._asked.pop(scope, None)) is not None:
            began_s = loop.time()
            try:
                self._counters.reads += 1
                asked.future.set_result(StateRead(await query()))
            except Exception as error:
                # Logged once, however many callers wait.
                _log.warning("reading the state failed", scope=scope, error=str(error) or type(error).__name__)
                asked.fail(error)
            is_crowd = asked.answer.waiting >= CROWD
            await asked.answer.all_woken()
            if is_crowd:
                await self._gather(scope, began_s + CROWD_INTERVAL_S)
        del self._tasks[scope]

    async def _gather(self, scope: Hashable, until_s: float) -> None:
        """Return when the crowd has come: when for a moment nobody did, or at the latest then."""
        before, loop = 0, asyncio.get_running_loop()
        while loop.time() < until_s:
            await asyncio.sleep(QUIET_S)
            asked = self._asked.get(scope)
            if asked is not None and asked.answer.waiting == before:
                return
            before = asked.answer.waiting if asked is not None else 0


class _AreaReads:
    """Reads the areas of all waiting callers together; calls during a read share the next one."""

    def __init__(self, database: Database, counters: Counters, wake_ups: FairQueue) -> None:
        self._database = database
        self._counters = counters
        self._wake_ups = wake_ups
        self._asked: dict[frozenset[int], _Asked] = {}
        self._task: asyncio.Task[None] | None = None

    async def read(self, cells: frozenset[int]) -> StateRead:
        """The open trips in those cells and those without a cell, by a read that begins after this call."""
        asked = self._asked.get(cells)
        if asked is None:
            asked = self._asked[cells] = _Asked(self._wake_ups)
            if self._task is None:
                self._task = asyncio.create_task(self._read_all())
        return await asked.answer.wait()

    async def _read_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                self._counters.reads += 1
                found = await trip_rows.open_trips_in(
                    self._database, frozenset[int]().union(*asked), limit=AREAS_LIMIT
                )
                await self._answer(asked, found)
            except Exception as error:
                _log.warning("reading areas failed", areas=len(asked), error=str(error) or type(error).__name__)
                for each in asked.values():
                    each.fail(error)
            for each in asked.values():
                await each.answer.all_woken()
        self._task = None

    async def _answer(self, asked: dict[frozenset[int], _Asked], found: TripsAt) -> None:
        by_cell = _by_cell(found.trips)
        for number, (cells, each) in enumerate(asked.items(), 1):
            trips = tuple(_in_cells(by_cell, cells))
            each.future.set_result(
                StateRead(TripsAt(trips, found.begun, found.as_of), is_cut=len(found.trips) == AREAS_LIMIT)
            )
            if number % AREAS_AT_ONCE == 0:
                await asyncio.sleep(0)


def _by_cell(trips: Iterable[TripValue]) -> dict[int | None, list[TripValue]]:
    by_cell: dict[int | None, list[TripValue]] = {}
    for trip in trips:
        cell = cell_of(trip.pick_up) if trip.pick_up is not None else None
        by_cell.setdefault(cell, []).append(trip)
    return by_cell


def _in_cells(by_cell: dict[int | None, list[TripValue]], cells: frozenset[int]) -> Iterable[TripValue]:
    wanted = by_cell.keys() & cells if len(by_cell) < len(cells) else (cell for cell in cells if cell in by_cell)
    for cell in (None, *wanted):
        yield from by_cell.get(cell, ())
