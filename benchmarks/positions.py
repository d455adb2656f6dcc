"""Positions: drivers on a trip report them over sockets of their own; the rider of each watches the car."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from benchmarks import operations
from benchmarks.http_client import HttpClient, check, request
from benchmarks.latencies import Latencies
from benchmarks.live_socket import LiveSocket, open_sockets
from benchmarks.measures import Figures
from benchmarks.stage import Stage
from models.geo import GeoPoint

POSITIONS_PER_S = 500.0
LOST_AFTER_S = 3.0
OPEN_AT_ONCE = 20
# The time from the first report until the driver is known.
SETTLE_S = 2.0
# A report is recognised by its longitude.
STEP = 1e-7


@dataclass(slots=True, eq=False)
class Car:
    """A driver's socket, the rider's socket, and the report that is under way."""

    number: int
    phone: LiveSocket | None = None
    lng: float = 0.0
    sent_s: float = 0.0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    latencies_s: list[float] = field(default_factory=list)

    def receive(self, message: bytes) -> None:
        """Record a message of the rider's socket."""
        now_s = time.perf_counter()
        body = orjson.loads(message)
        if body["type"] == "next" and body["payload"]["data"]["driverLocation"]["point"]["lng"] == self.lng:
            self.latencies_s.append(now_s - self.sent_s)
            self.arrived.set()


class Cars:
    """All cars, and how many reports have been sent."""

    def __init__(self, cars: Sequence[Car]) -> None:
        self.all = cars
        self.sent = 0
        self._numbers = itertools.count(1)

    def report(self, car: Car) -> None:
        """Send the next position of a car."""
        number = next(self._numbers)
        self.sent += 1
        car.lng = round(4 + number * STEP, 7)
        car.arrived.clear()
        assert car.phone is not None, "it is open"
        point = GeoPoint(52 + car.number * 1e-4, car.lng)
        message = operations.report_location_on_socket(f"r{number}", point, datetime.now(UTC))
        car.sent_s = time.perf_counter()
        car.phone.send(message)

    def clear(self) -> None:
        """Discard the measurements."""
        self.sent = 0
        for car in self.all:
            car.latencies_s.clear()

    @property
    def latencies_s(self) -> list[float]:
        """The latencies of all reports that arrived."""
        return list(itertools.chain.from_iterable(car.latencies_s for car in self.all))


async def positions(stage: Stage) -> Figures:
    """Measure the latency and the CPU of a position at a steady rate, then the highest rate and its CPU."""
    cars = Cars([Car(number) for number in range(stage.scale.pairs)])
    opened = await _open(stage, cars)
    await _steadily(cars, SETTLE_S)
    cars.clear()
    meter = stage.meter()
    await _steadily(cars, stage.scale.seconds)
    steady, steady_sent, steady_usage = cars.latencies_s, cars.sent, meter.read()
    cars.clear()
    meter = stage.meter()
    await _flat_out(cars, stage.scale.seconds)
    usage, fast = meter.read(), cars.latencies_s
    for socket in opened:
        socket.close()
    latencies = Latencies(steady)
    return {
        "p50_ms": latencies.percentile_ms(50),
        "p99_ms": latencies.percentile_ms(99),
        "cpu_us": steady_usage.server_cpu_s / steady_sent * 1e6,
        "max_per_s": len(fast) / usage.elapsed_s,
        "cpu_at_max_us": usage.server_cpu_s / max(1, len(fast)) * 1e6,
        "lost": steady_sent - len(steady) + cars.sent - len(fast),
        "load_share": usage.load_share,
    }


async def _open(stage: Stage, cars: Cars) -> list[LiveSocket]:
    """Let each driver accept a trip, and open the sockets of both."""
    people, count = stage.people, len(cars.all)
    riders, drivers = people.riders[:count], people.reporters[:count]
    trips = [str(await people.add_open_trip(rider)) for rider in riders]
    async with HttpClient(stage.port) as http:
        for car, driver, trip in zip(cars.all, drivers, trips, strict=True):
            check(await http.post(request(driver.token, operations.update_trip(trip, "STARTED"))))
            # The first message of a rider's subscription.
            point = GeoPoint(52 + car.number * 1e-4, 4)
            check(await http.post(request(driver.token, operations.report_location(point, datetime.now(UTC)))))
    watching = await open_sockets(
        stage.port,
        [rider.token for rider in riders],
        lambda number: [operations.follow_car(trips[number])],
        lambda number, message: cars.all[number].receive(message),
        at_once=OPEN_AT_ONCE,
    )
    phones = await open_sockets(
        stage.port,
        [driver.token for driver in drivers],
        lambda _: [operations.follow_own_trips()],
        lambda _, __: None,
        at_once=OPEN_AT_ONCE,
    )
    for car, phone in zip(cars.all, phones, strict=True):
        car.phone = phone
    return [*watching, *phones]


async def _steadily(cars: Cars, seconds: float) -> None:
    """Report in an open loop, one car after the other, and wait until the last has arrived."""
    began_s = time.perf_counter()
    for number in range(round(seconds * POSITIONS_PER_S)):
        late_s = began_s + number / POSITIONS_PER_S - time.perf_counter()
        if late_s > 0:
            await asyncio.sleep(late_s)
        cars.report(cars.all[number % len(cars.all)])
    await asyncio.gather(*(_arrival(car) for car in cars.all))


async def _flat_out(cars: Cars, seconds: float) -> None:
    """Report the next position of each car as soon as the last has arrived."""
    until_s = time.perf_counter() + seconds

    async def drive(car: Car) -> None:
        while time.perf_counter() < until_s:
            cars.report(car)
            await _arrival(car)

    await asyncio.gather(*(drive(car) for car in cars.all))


async def _arrival(car: Car) -> None:
    try:
        async with asyncio.timeout(LOST_AFTER_S):
            await car.arrived.wait()
    except TimeoutError:
        print(f"a position of car {car.number} did not arrive")
