"""The city for staff: read once a second while somebody watches, and told as changes."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from uuid import UUID

import structlog

from models.city import CityCounts, CityDriver, CityOutage, CityPerson, CityTrip
from models.values import Location
from services.errors import DatabaseUnavailable
from services.live.city_reads import EPOCH, CityRead, CityReads
from services.live.city_state import CityState
from services.live.delivered_versions import LONGEST_COMMIT
from services.live.events import CityEvent
from services.positions.freshness import Freshness, Lifetime
from services.positions.store import PositionStore
from services.runtime.counters import Counters
from services.runtime.fair_queue import FairQueue
from services.runtime.pieces import Pieces

_log = structlog.stdlib.get_logger(__name__)

INTERVAL_S = 1.0
# A read that takes longer is told as an outage.
PATIENCE_S = 3.0
MAX_DRIVERS = 5_000
# How many drivers, or trips, are looked at in one iteration of the event loop, and of how many ids.
DRIVERS_AT_ONCE = 250
IDS_AT_ONCE = 1_000
# How many known names are read again in each second: a changed name is shown within a minute.
NAMES_AT_ONCE = 100


_NOTHING = CityState(
    drivers={},
    trips={},
    counts=CityCounts(),
    is_cut=False,
    outages=frozenset(),
    revoked=frozenset(),
)


class City:
    """What all watchers of this process follow: a source of events, like a topic of the bus.

    Each second one statement and one look at the positions serve all watchers; without watchers there are none.
    The statement returns only what has changed of the trips. A watcher who is no member of staff any more is named
    in the next state. While the database does not answer, the last state stays and says so.

    However large the city is, it never holds the event loop: it is read, compared and (by ``turns``) encoded in
    pieces. The next state is read when the messages of the last have been encoded, so they never pile up.
    """

    def __init__(
        self,
        reads: CityReads,
        positions: PositionStore,
        lifetime: Lifetime,
        counters: Counters,
        *,
        watchers: Callable[[], Collection[UUID]],
        interval_s: float = INTERVAL_S,
    ) -> None:
        """``watchers``: the users who watch now."""
        self._reads = reads
        self._positions = positions
        self._lifetime = lifetime
        self._counters = counters
        self._watchers = watchers
        self._interval_s = interval_s
        self._has_state = asyncio.Event()
        # The pieces in which messages are encoded: one in each iteration of the event loop.
        self.turns = FairQueue()
        self._forget()

    def _forget(self) -> None:
        self._has_state.clear()
        self._state = _NOTHING
        self._told: CityEvent | None = None
        # By driver; those whose name was read longest ago come first.
        self._people: OrderedDict[UUID, CityPerson] = OrderedDict()
        self._since = EPOCH

    async def state(self) -> CityState:
        """The latest state; waits for the first one."""
        await self._has_state.wait()
        return self._state

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[AsyncIterator[CityEvent]]:
        """The changes, once a second, until the block is left. Only one listener at a time."""
        try:
            yield self._events()
        finally:
            self._forget()

    async def _events(self) -> AsyncIterator[CityEvent]:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            reading = asyncio.create_task(self._next())
            try:
                await asyncio.wait([reading], timeout=PATIENCE_S)
                if not reading.done():
                    yield await self._tell(self._failed())
                    await asyncio.wait([reading])
                yield await self._tell(reading.result())
            finally:
                reading.cancel()
            await asyncio.sleep(max(0.0, began_s + self._interval_s - loop.time()))
            for event in (self._told, self._state.known_snapshot):
                if event is not None:
                    await event.encoded()

    async def _tell(self, state: CityState) -> CityEvent:
        self._told = event = await state.change_from(self._state)
        self._state = state
        self._has_state.set()
        return event

    async def _next(self) -> CityState:
        try:
            return await self._read()
        except DatabaseUnavailable as error:
            _log.warning("the city cannot be read", error=str(error))
        except Exception:
            _log.exception("reading the city failed")
        return self._failed()

    def _failed(self) -> CityState:
        last = self._state
        return CityState(
            drivers=last.drivers,
            trips=last.trips,
            counts=last.counts,
            is_cut=last.is_cut,
            outages=last.outages | {CityOutage.DATABASE},
            revoked=last.revoked,
        )

    async def _read(self) -> CityState:
        watchers = self._watchers()
        free = await self._positions.free(limit=MAX_DRIVERS + 1)
        is_cut = len(free) > MAX_DRIVERS
        free = free[:MAX_DRIVERS]
        asked = await self._names_to_read(free)
        self._counters.reads += 1
        read = await self._reads.read(people=asked, since=self._since, watchers=watchers)
        await self._learn(asked, read)
        trips, driven = await self._trips(read)
        locations = await self._locations(free, driven)
        is_whole = self._positions.whole_s is not None
        # A later read could not tell an outage from a driver who has gone.
        drivers = await self._drivers(locations if is_whole else await self._with_last(locations), driven)
        fresh = [each.trip_id for each in drivers.values() if not each.is_stale]
        return CityState(
            drivers=drivers,
            trips=trips,
            counts=CityCounts(
                open=read.open,
                under_way=read.under_way,
                available=fresh.count(None),
                silent=len(drivers) - len(fresh),
            ),
            is_cut=is_cut or read.is_cut,
            outages=frozenset() if is_whole else frozenset({CityOutage.POSITIONS}),
            revoked=self._state.revoked.union(watchers) - read.staff,
        )

    async def _names_to_read(self, free: Collection[UUID]) -> list[UUID]:
        """The drivers whose names are unknown, and those whose names were read longest ago."""
        asked = list(islice(self._people, NAMES_AT_ONCE))
        async for some in Pieces(free, IDS_AT_ONCE):
            asked += [driver_id for driver_id in some if driver_id not in self._people]
        return asked

    async def _learn(self, asked: Collection[UUID], read: CityRead) -> None:
        async for some in Pieces(asked, IDS_AT_ONCE):
            for driver_id in some:
                self._people.pop(driver_id, None)
        drivers = [found.trip.driver for found in read.trips if found.trip is not None]
        people = [*read.people, *(person for person in drivers if person is not None)]
        async for learnt in Pieces(people, IDS_AT_ONCE):
            for person in learnt:
                self._people[person.id] = person
        while len(self._people) > 2 * MAX_DRIVERS + len(read.trips):
            self._people.popitem(last=False)

    async def _trips(self, read: CityRead) -> tuple[dict[UUID, CityTrip], dict[UUID, UUID]]:
        """The trips, and for each driver of one the trip."""
        trips: dict[UUID, CityTrip] = {}
        driven: dict[UUID, UUID] = {}
        last, is_whole = self._state.trips, True
        async for some in Pieces(read.trips, IDS_AT_ONCE):
            for found in some:
                known = last.get(found.id)
                trip = known if known is not None and known.version == found.version else found.trip
                if trip is None:
                    # It was committed later than any change should be.
                    is_whole, trip = False, known
                if trip is not None:
                    trips[found.id] = trip
                if found.driver_id is not None:
                    driven[found.driver_id] = found.id
        # What was written before and committed after the read began comes with the next one.
        self._since = read.begun - LONGEST_COMMIT if is_whole else EPOCH
        return trips, driven

    async def _locations(self, free: Collection[UUID], driven: Collection[UUID]) -> dict[UUID, Location]:
        """The last positions of the drivers to show, some of whom may have none."""
        shown: dict[UUID, None] = {}
        # Those who were shown too: at the end of a trip a driver is known as free only with the next report.
        for ids in (free, driven, self._state.drivers):
            async for some in Pieces(ids, IDS_AT_ONCE):
                shown.update(dict.fromkeys(some))
        locations: dict[UUID, Location] = {}
        async for asked in Pieces(list(islice(shown, 2 * MAX_DRIVERS)), DRIVERS_AT_ONCE):
            locations.update(await self._positions.last(asked))
        return locations

    async def _drivers(
        self, locations: Mapping[UUID, Location], driven: Mapping[UUID, UUID]
    ) -> dict[UUID, CityDriver]:
        """The drivers; those who have not changed are the same objects as before."""
        drivers: dict[UUID, CityDriver] = {}
        async for some in Pieces(locations.items(), DRIVERS_AT_ONCE):
            for driver_id, location in some:
                driver = self._driver(location, driven.get(driver_id))
                if driver is not None:
                    drivers[driver_id] = driver
        return drivers

    def _driver(self, location: Location, trip_id: UUID | None) -> CityDriver | None:
        person = self._people.get(location.driver_id)
        freshness = self._lifetime.freshness(location)
        if person is None or freshness is Freshness.GONE:
            return None
        is_stale = freshness is not Freshness.LIVE
        last = self._state.drivers.get(location.driver_id)
        if (
            last is not None
            and last.location.recorded_at == location.recorded_at
            and last.is_stale is is_stale
            and last.trip_id == trip_id
            and last.person == person
        ):
            return last
        return CityDriver(person, location, is_stale, trip_id)

    async def _with_last(self, locations: Mapping[UUID, Location]) -> Mapping[UUID, Location]:
        """These positions, and the last ones of all others who were shown."""
        found: dict[UUID, Location] = {}
        last = [driver.location for driver in self._state.drivers.values()]
        async for some in Pieces([*last, *locations.values()], IDS_AT_ONCE):
            for location in some:
                known = found.get(location.driver_id)
                if known is None or known.recorded_at < location.recorded_at:
                    found[location.driver_id] = location
        return found
