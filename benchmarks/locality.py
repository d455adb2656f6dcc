"""How many processes a request wakes, with and without drivers of one part of the town at one process.

``python -m benchmarks.locality --help``. The drivers of a town are brought to the processes in turn; by the hash
of their cell, as nginx does; and as ``deploy/haproxy/areas.sql`` divides the town. A process is woken by a request
if one of its drivers listens to the cell of the pick-up. ``--served`` does the same with servers behind HAProxy.
"""

import os
import random
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from redis.asyncio import Redis

from application.settings import load_settings
from benchmarks import cores, operations
from benchmarks.divisions import by_hash, divided, in_turn, share, woken
from benchmarks.http_client import HttpClient, check, request
from benchmarks.live_socket import open_socket
from benchmarks.people import People
from benchmarks.places import radius_of_town_m, somewhere
from benchmarks.process_costs import cost_of
from benchmarks.rolling import started
from benchmarks.site import Site
from models.geo import GeoPoint
from services.events.topics import Topics
from services.positions.cells import cell_of, cells_of
from tests.support import haproxy, servers
from tests.support.brokers import free_port

REQUESTS = 500
# From these the town is divided.
EARLIER_REQUESTS = 100_000
RIDERS = 16
REQUESTS_PER_S = 10.0


def _show_calculated(rng: random.Random, drivers: int, processes: int, *, per_km2: float, radius_m: float) -> None:
    town_m = radius_of_town_m(drivers, per_km2)

    def places(number: int) -> Sequence[GeoPoint]:
        return [somewhere(rng, town_m) for _ in range(number)]

    people, requests, cells = places(drivers), places(REQUESTS), divided(places(EARLIER_REQUESTS), processes)
    ways = {
        "in turn": in_turn(people, processes),
        "by the hash of the cell": by_hash(people, processes),
        "by the town's division": [cells.get(cell_of(each), n % processes) for n, each in enumerate(people)],
    }
    print(f"{drivers:,} drivers in {drivers / per_km2:,.0f} km², {processes} processes, {radius_m:,.0f} m")
    print("| | processes woken by a request | drivers of the fullest process, times the average |\n|---|---|---|")
    for name, where in ways.items():
        print(
            f"| {name} | {woken(people, where, requests, radius_m=radius_m):.1f} | {share(where, processes):.2f} |"
        )


async def _serve(site: Site, drivers: int, number: int, *, per_km2: float, radius_m: float, is_named: bool) -> str:
    """What a request wakes and costs, with all servers behind HAProxy."""
    rng, town_m = random.Random(1), radius_of_town_m(drivers, per_km2)
    cells = divided([somewhere(rng, town_m) for _ in range(EARLIER_REQUESTS)], number)
    areas = "".join(f"{cell:x} server{server + 1}\n" for cell, server in cells.items())
    people = People(load_settings(database_url=site.database_url, redis_url=site.redis_url))
    await people.arrive(riders=RIDERS, drivers=drivers, reporters=0, cruisers=0, crowd=0)
    port = free_port()
    async with AsyncExitStack() as stack:
        settings = {"TAXIRANK_OFFER_RADIUS_M": str(radius_m), "TAXIRANK_REDIS_PREFIX": "locality"}
        processes = await stack.enter_async_context(site.processes(number, **settings))
        command = haproxy.command(
            site.folder,
            servers=[f"127.0.0.1:{each.port}" for each in processes],
            port=port,
            plain_port=free_port(),
            certificate=None,
            areas=areas,
        )
        stack.enter_context(started(command, port))
        http = await stack.enter_async_context(HttpClient(port))
        places = [somewhere(rng, town_m) for _ in range(REQUESTS)]
        for driver in people.drivers:
            place = somewhere(rng, town_m)
            report = operations.report_location(place, datetime.now(UTC))
            check(await http.post(request(driver.token, report)))
            area = f"?area={cell_of(place):x}" if is_named else ""
            await open_socket(port, driver.token, [operations.follow_pool()], lambda _: None, query_string=area)

        async def make(n: int) -> None:
            body = operations.create_trip(operations.marked_address(n), places[n % len(places)])
            check(await http.post(request(people.riders[n % RIDERS].token, body)))

        heard = await _listening(site, places)
        figures = await cost_of(processes, make, per_s=REQUESTS_PER_S)
    await people.leave()
    return f"a request wakes {heard:.1f} of {number} processes and costs {sum(figures):.1f} ms in all"


async def _listening(site: Site, places: Iterable[GeoPoint]) -> float:
    """How many processes listen to the cells of a request there."""
    redis, topics = Redis.from_url(site.redis_url), Topics("locality")
    counts = [
        max(count for _, count in await redis.pubsub_numsub(*map(topics.pool_cell, cells_of(place))))
        for place in places
    ]
    await redis.aclose()
    return sum(counts) / len(counts)


def main(
    drivers: Annotated[int, typer.Option(min=1, help="Drivers without a trip.")] = 80_000,
    processes: Annotated[int, typer.Option(min=1, help="Server processes.")] = 60,
    per_km2: Annotated[float, typer.Option(min=0.01, help="Drivers in a square kilometre.")] = 53.0,
    radius_m: Annotated[float, typer.Option(min=1, max=5000, help="TAXIRANK_OFFER_RADIUS_M.")] = 1000.0,
    served: Annotated[bool, typer.Option("--served", help="With servers behind HAProxy.")] = False,
) -> None:
    """Print how many processes a request wakes.

    With ``--served`` all servers share one core; HAProxy, PostgreSQL, Redis and the clients another.
    """
    _show_calculated(random.Random(1), drivers, processes, per_km2=per_km2, radius_m=radius_m)
    if not served:
        return
    if haproxy.program() is None:
        raise typer.BadParameter("HAProxy is not installed")
    cores.pin(os.getpid(), cores.LOAD_CORE)
    for is_named in (False, True):
        with (
            tempfile.TemporaryDirectory() as folder,
            servers.postgres(Path(folder)) as postgres,
            servers.redis() as redis_url,
        ):
            site = Site(postgres.copy(), redis_url, Path(folder))
            serving = _serve(site, drivers, processes, per_km2=per_km2, radius_m=radius_m, is_named=is_named)
            print(f"{'by the division' if is_named else 'in turn'}, served: {uvloop.run(serving)}", flush=True)


if __name__ == "__main__":
    typer.run(main)
