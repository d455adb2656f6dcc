"""What a request and a position cost each of several processes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from application.settings import load_settings
from benchmarks import operations
from benchmarks.cores import cpu_s
from benchmarks.http_client import HttpClient, check, request
from benchmarks.live_socket import LiveSocket, open_socket
from benchmarks.people import People
from benchmarks.site import Site
from benchmarks.target import Running
from models.geo import GeoPoint

# Each has a socket and a driver near every request.
REQUESTS_PER_S = 20.0
# Drivers on a trip, at the processes in turn; the rider of each is at another process, if there is one.
CARS = 40
POSITIONS_PER_S = 200.0
SECONDS = 8.0


async def requests(site: Site, number: int) -> str:
    """What a request costs its own process and each other one; each process has one driver near it."""
    async with _people(site, riders=16, drivers=number) as people, site.processes(number) as processes:
        place = GeoPoint(52.37, 4.89)
        sockets: list[LiveSocket] = []
        for process, driver in zip(processes, people.drivers, strict=True):
            async with HttpClient(process.port) as http:
                check(await http.post(request(driver.token, operations.report_location(place, datetime.now(UTC)))))
            sockets.append(
                await open_socket(process.port, driver.token, [operations.follow_pool()], lambda _: None)
            )
        async with HttpClient(processes[0].port) as http:

            async def make(n: int) -> None:
                body = operations.create_trip(operations.marked_address(n), place)
                check(await http.post(request(people.riders[n % 16].token, body)))

            figures = await cost_of(processes, make, per_s=REQUESTS_PER_S)
        for socket in sockets:
            socket.close()
    others = figures[1:]
    other = f", {sum(others) / len(others):.2f} ms in each other" if others else ""
    return f"a request costs {figures[0]:.2f} ms in its process{other}, {sum(figures):.2f} ms in all"


async def positions(site: Site, number: int) -> str:
    """What a position costs; the rider who watches is at another process than the driver."""
    async with _people(site, riders=CARS, drivers=CARS) as people, site.processes(number) as processes:
        phones: list[LiveSocket] = []
        opened: list[LiveSocket] = []
        for n, (rider, driver) in enumerate(zip(people.riders, people.drivers, strict=True)):
            own, other = processes[n % number], processes[(n + 1) % number]
            trip_id = str(await people.add_open_trip(rider))
            async with HttpClient(own.port) as http:
                check(await http.post(request(driver.token, operations.update_trip(trip_id, "STARTED"))))
                first = operations.report_location(_place(n, 0), datetime.now(UTC))
                check(await http.post(request(driver.token, first)))
            opened.append(
                await open_socket(other.port, rider.token, [operations.follow_car(trip_id)], lambda _: None)
            )
            phones.append(
                await open_socket(own.port, driver.token, [operations.follow_own_trips()], lambda _: None)
            )

        async def report(n: int) -> None:
            message = operations.report_location_on_socket(f"r{n}", _place(n % CARS, n + 1), datetime.now(UTC))
            phones[n % CARS].send(message)

        figures = await cost_of(processes, report, per_s=POSITIONS_PER_S)
        for socket in (*opened, *phones):
            socket.close()
    return f"a position costs {sum(figures):.2f} ms in all, {max(figures):.2f} ms at most in one process"


def _place(car: int, step: int) -> GeoPoint:
    return GeoPoint(52 + car * 1e-3, round(4 + step * 1e-6, 6))


async def cost_of(
    processes: Sequence[Running], work: Callable[[int], Awaitable[None]], *, per_s: float
) -> list[float]:
    """The CPU time of each process for one piece of work, in milliseconds, beyond what it spends anyway."""
    # Drivers become known, plans are made.
    await _at_rate(work, 0, round(2 * per_s), per_s)
    await asyncio.sleep(1)
    before = [cpu_s(process.process) for process in processes]
    await asyncio.sleep(SECONDS)
    idle = [cpu_s(process.process) - spent for process, spent in zip(processes, before, strict=True)]
    count = round(SECONDS * per_s)
    before = [cpu_s(process.process) for process in processes]
    await _at_rate(work, round(2 * per_s), count, per_s)
    await asyncio.sleep(0.2)
    after = [cpu_s(process.process) for process in processes]
    return [(late - early - other) / count * 1000 for late, early, other in zip(after, before, idle, strict=True)]


async def _at_rate(work: Callable[[int], Awaitable[None]], first: int, count: int, per_s: float) -> None:
    began_s = time.perf_counter()
    under_way: list[asyncio.Task[None]] = []
    for n in range(count):
        await asyncio.sleep(began_s + n / per_s - time.perf_counter())
        under_way.append(asyncio.ensure_future(work(first + n)))
    await asyncio.gather(*under_way)


@asynccontextmanager
async def _people(site: Site, *, riders: int, drivers: int) -> AsyncGenerator[People]:
    people = People(load_settings(database_url=site.database_url, redis_url=site.redis_url))
    await people.arrive(riders=riders, drivers=drivers, reporters=0, cruisers=0, crowd=0)
    yield people
    await people.leave()
