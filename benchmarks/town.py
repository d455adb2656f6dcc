"""A town that uses several servers: what its parts cost the servers, PostgreSQL and Redis."""

import asyncio
import itertools
import math
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks import operations
from benchmarks.http_client import HttpClient, check, request
from benchmarks.live_socket import LiveSocket, open_socket, open_sockets
from benchmarks.meters import Meters
from benchmarks.people import People, Person
from benchmarks.places import CENTER, moved, somewhere
from benchmarks.spent import Spent
from benchmarks.target import Running
from models.geo import GeoPoint
from services.live.offer_area import Area
from services.positions.cells import cells_of

# Where nobody is near, and where one driver of each process is.
REMOTE, NEARLY_REMOTE = GeoPoint(53.2, 4.89), GeoPoint(51.5, 4.89)
MOVES_M = 20
OPEN_AT_ONCE = 20
# From a request to the acceptance, to the pick-up and to the drop-off.
STEP_S = 0.5
SETTLE_S = 2.0
# Where it is counted how many listen.
PLACES = 200


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time: what it used, and what happened. ``deliveries``: messages to drivers; ``answers_s``: how
    long each request took to be answered.
    """

    seconds: float
    spent: Spent
    positions: int
    trips: int
    arrivals: int
    deliveries: int
    answers_s: Sequence[float]

    @property
    def per_s(self) -> Spent:
        """What a second used."""
        return self.spent * (1 / self.seconds)


class Town:
    """Drivers in a disc, some on a trip whose rider watches the car; everybody has one socket."""

    def __init__(
        self,
        people: People,
        processes: Sequence[Running],
        meters: Meters,
        *,
        radius_m: float,
        offer_radius_m: float,
    ) -> None:
        self._people = people
        self._processes = processes
        self._meters = meters
        self._rng = random.Random(1)
        self._radius_m = radius_m
        self._offer_radius_m = offer_radius_m
        self._places = [self._somewhere() for _ in people.drivers]
        self._phones: list[LiveSocket] = []
        self._free: Sequence[int] = ()
        self._numbers = itertools.count()
        self._reported = self._driven = self._arrived = self._deliveries = self._watching = 0
        self._answers_s: list[float] = []
        self._http: list[HttpClient] = []

    @property
    def sockets(self) -> int:
        """How many are open."""
        return len(self._phones) + self._watching

    async def connect(self) -> None:
        """Open the connections for requests."""
        self._http = [await HttpClient(each.port).__aenter__() for each in self._processes]

    async def arrive(self, *, on_trip: int) -> None:
        """Open all sockets. The last drivers are on trips; one of each process is far away, alone."""
        number, drivers = len(self._processes), self._people.drivers
        for n in range(number):
            self._places[n] = NEARLY_REMOTE
        for n, driver in enumerate(drivers):
            await self._ask(n, driver, operations.report_location(self._places[n], datetime.now(UTC)))
        phones: dict[int, LiveSocket] = {}
        for n, each in enumerate(self._processes):
            of_this = range(n, len(drivers), number)
            opened = await open_sockets(
                each.port,
                [drivers[driver].token for driver in of_this],
                lambda _: [operations.follow_pool()],
                lambda _, message: self._delivered(message),
                at_once=OPEN_AT_ONCE,
            )
            phones |= dict(zip(of_this, opened, strict=True))
        self._phones = [phones[n] for n in range(len(drivers))]
        self._free = range(number, len(drivers) - on_trip)
        for n, rider in zip(range(len(drivers) - on_trip, len(drivers)), self._people.riders, strict=False):
            trip_id = str(await self._people.add_open_trip(rider))
            await self._ask(n, drivers[n], operations.update_trip(trip_id, "STARTED"))
            # As in a city of many processes, the rider is at another one than the driver.
            port = self._processes[(n + 1) % number].port
            follow = [operations.follow_car(trip_id), operations.follow_trip(trip_id)]
            await open_socket(port, rider.token, follow, self._received, self._received)
        self._watching = on_trip
        await asyncio.sleep(SETTLE_S)

    async def warm_up(self, seconds: float) -> None:
        """Do a little of everything, everywhere: plans are made, statements prepared. Then nothing is left to be
        tidied in the database.
        """
        for place in (REMOTE, NEARLY_REMOTE, self.edge, None):
            await self.live(seconds / 4, positions_per_s=20, trips_per_s=10, arrivals_per_s=5, at=place)
        await self._meters.tidy_database()

    async def live(
        self,
        seconds: float,
        *,
        positions_per_s: float = 0.0,
        trips_per_s: float = 0.0,
        arrivals_per_s: float = 0.0,
        at: GeoPoint | None = None,
        at_one_process: bool = False,
    ) -> Phase:
        """Report positions, drive trips, and open sockets; nobody does anything else.

        ``at``: where the trips begin; None: anywhere in the town. ``at_one_process``: only its drivers report.
        """
        every = len(self._processes) if at_one_process else 1
        work: list[Awaitable[None]] = []
        if positions_per_s:
            work.append(self._at_rate(seconds, positions_per_s, lambda: self._report(every)))
        if trips_per_s:
            work.append(self._at_rate(seconds, trips_per_s, lambda: self._trip(at or self._somewhere())))
        if arrivals_per_s:
            work.append(self._at_rate(seconds, arrivals_per_s, self._come_and_go))
        before, began_s = await self._meters.read(), time.perf_counter()
        counts, self._answers_s = self._counts, []
        await asyncio.gather(*work, asyncio.sleep(seconds))
        # What is under way reaches its receivers.
        await asyncio.sleep(STEP_S)
        positions, trips, arrivals, deliveries = [
            now - then for now, then in zip(self._counts, counts, strict=True)
        ]
        return Phase(
            time.perf_counter() - began_s,
            await self._meters.read() - before,
            positions,
            trips,
            arrivals,
            deliveries,
            self._answers_s,
        )

    def listening(self, *places: GeoPoint) -> float:
        """How many drivers without a trip listen to the cells of a request at one of these places, on average; at
        none: of requests anywhere in the town.
        """
        areas = [Area.around(self._places[n], self._offer_radius_m).cells for n in self._free]
        heard = [
            sum(not area.isdisjoint(cells_of(place)) for area in areas)
            for place in places or [self._somewhere() for _ in range(PLACES)]
        ]
        return sum(heard) / len(heard)

    @property
    def edge(self) -> GeoPoint:
        """A place that no driver is near, and drivers of the town listen to."""
        return moved(CENTER, self._radius_m + self._offer_radius_m + 2 * MOVES_M, 0)

    @property
    def _counts(self) -> tuple[int, int, int, int]:
        return self._reported, self._driven, self._arrived, self._deliveries

    async def _at_rate(self, seconds: float, per_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for n in range(round(seconds * per_s)):
                await asyncio.sleep(began_s + n / per_s - time.perf_counter())
                group.create_task(work())

    async def _report(self, every: int) -> None:
        self._reported += 1
        number = next(self._numbers)
        driver = number * every % (len(self._phones) // every * every)
        turn, place = number * 0.7, self._places[driver]
        point = moved(place, MOVES_M * math.cos(turn), MOVES_M * math.sin(turn))
        message = operations.report_location_on_socket(f"r{number}", point, datetime.now(UTC))
        self._meters.received_bytes += len(message)
        self._phones[driver].send(message)

    async def _trip(self, place: GeoPoint) -> None:
        self._driven += 1
        number = next(self._numbers)
        driver = self._people.drivers[self._free[self._driven % len(self._free)]]
        riders = self._people.riders[self._watching :]
        body = operations.create_trip(operations.marked_address(number), place)
        began_s = time.perf_counter()
        answer = await self._ask(number, riders[number % len(riders)], body)
        self._answers_s.append(time.perf_counter() - began_s)
        for status in ("STARTED", "IN_PROGRESS", "COMPLETED"):
            await asyncio.sleep(STEP_S)
            await self._ask(number + 1, driver, operations.update_trip(answer["trip"]["id"], status))

    async def _come_and_go(self) -> None:
        """A driver's app starts again: the socket is the person's second one for a moment."""
        self._arrived += 1
        number = next(self._numbers)
        driver = self._people.drivers[self._free[number % len(self._free)]]
        port = self._processes[number % len(self._processes)].port
        follow = [operations.follow_pool()]
        socket = await open_socket(port, driver.token, follow, self._received, self._received)
        socket.close()
        await socket.lost.wait()

    async def _ask(self, at: int, person: Person, body: bytes) -> dict[str, Any]:
        message = request(person.token, body)
        self._meters.received_bytes += len(message)
        answer = await self._http[at % len(self._http)].post(message)
        self._received(answer)
        return check(answer)

    def _delivered(self, message: bytes) -> None:
        self._received(message)
        if b'"pool"' in message[:40]:
            self._deliveries += 1

    def _received(self, message: bytes) -> None:
        self._meters.sent_bytes += len(message)

    def _somewhere(self) -> GeoPoint:
        return somewhere(self._rng, self._radius_m)
