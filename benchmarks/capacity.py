"""How many processes, how much of PostgreSQL and Redis a city needs: ``python -m benchmarks.capacity --help``.

It measures in a town of a hundredth of the city, at the city's density, what one position, one trip and so on
cost. From these it calculates what the city needs. ``--check`` lets a town do everything at once, and compares.
"""

import json
import math
import os
import random
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import asyncpg
import h3.api.basic_int as h3
import typer
import uvloop
from redis.asyncio import Redis

from application.settings import load_settings
from benchmarks import cores
from benchmarks.costs import Costs, Load
from benchmarks.crowd import MORE_FILES, raise_file_limit
from benchmarks.latencies import Latencies
from benchmarks.meters import Meters
from benchmarks.people import People
from benchmarks.places import radius_of_town_m, somewhere
from benchmarks.site import Site
from benchmarks.spent import Spent
from benchmarks.town import NEARLY_REMOTE, REMOTE, Phase, Town
from services.live.offer_area import Area
from tests.support import servers

# The part of the city in which costs are measured, and the processes of that town and of the one that is compared.
PART = 100
PROCESSES = 2
# The more positions a process gets, the less each costs. One of both gets these multiples of the town's rate.
POSITION_RATES = (0.5, 1, 2, 4)
# These are measured at higher rates than the town has, so that they can be told from the rest.
TRIPS_PER_S = 10.0
ARRIVALS_PER_S = 20.0
REQUESTERS = 20


@asynccontextmanager
async def _town(
    load: Load, processes: int, *, per_km2: float, radius_m: float
) -> AsyncGenerator[tuple[Town, Meters]]:
    """A town that nobody has come to yet."""
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.own_postgres() as postgres,
        servers.redis() as redis_url,
    ):
        site = Site(postgres.copy(), redis_url, Path(folder))
        people = People(load_settings(database_url=site.database_url, redis_url=redis_url))
        await people.arrive(
            riders=load.on_trip + REQUESTERS, drivers=load.drivers, reporters=0, cruisers=0, crowd=0
        )
        async with site.processes(processes, TAXIRANK_OFFER_RADIUS_M=str(radius_m)) as running:
            database, redis = await asyncpg.connect(site.database_url), Redis.from_url(redis_url)
            meters = Meters(running, postgres.pid, database, redis)
            radius_of_town = radius_of_town_m(load.drivers - load.on_trip, per_km2)
            town = Town(people, running, meters, radius_m=radius_of_town, offer_radius_m=radius_m)
            await town.connect()
            yield town, meters
            await database.close()
            await redis.aclose()
        await people.leave()


async def _measure(load: Load, seconds: float, *, per_km2: float, radius_m: float) -> Costs:
    async with _town(load, PROCESSES, per_km2=per_km2, radius_m=radius_m) as (town, meters):
        await meters.tidy_database()
        empty = (await town.live(seconds)).per_s
        empty_mb, empty_redis_kb = meters.memory_mb(), await meters.redis_memory_kb()
        await town.arrive(on_trip=load.on_trip)
        redis_kb = await meters.redis_memory_kb() - empty_redis_kb
        await town.warm_up(seconds)
        per_s = (await town.live(seconds)).per_s

        def one(phase: Phase, count: int) -> Spent:
            return (phase.spent - per_s * phase.seconds) * (1 / count)

        arrivals = await town.live(seconds, arrivals_per_s=ARRIVALS_PER_S)
        positions: list[tuple[float, Spent]] = []
        for times in POSITION_RATES:
            rate = load.positions_per_s * times
            phase = await town.live(seconds, positions_per_s=rate, at_one_process=True)
            positions.append((rate, one(phase, phase.positions).without_noise))
        alone, near, edge, inside = [
            await town.live(seconds, trips_per_s=TRIPS_PER_S, at=place)
            for place in (REMOTE, NEARLY_REMOTE, town.edge, None)
        ]
        trip, a_near, at_edge, an_inside = [one(phase, phase.trips) for phase in (alone, near, edge, inside)]
        asked = ((at_edge - a_near) * (1 / (2 * town.listening(town.edge)))).without_noise
        # What the drivers on trips hear of their own trips is part of a trip.
        told = inside.deliveries / inside.trips - near.deliveries / near.trips
        return Costs(
            process=(empty * (1 / PROCESSES)).without_noise,
            socket=((per_s - empty) * (1 / town.sockets)).without_noise,
            arrival=one(arrivals, arrivals.arrivals).without_noise,
            positions=positions,
            trip=trip.without_noise,
            woken=((a_near - trip) * (1 / PROCESSES)).without_noise,
            asked=asked,
            delivery=((an_inside - a_near - asked * (2 * town.listening())) * (1 / told)).without_noise,
            process_mb=empty_mb / PROCESSES,
            socket_kb=(meters.memory_mb() - empty_mb) * 1000 / town.sockets,
            redis_driver_kb=redis_kb / load.drivers,
        )


async def _check(load: Load, seconds: float, *, per_km2: float, radius_m: float) -> tuple[Phase, Load]:
    """What a town used that did everything at once; and its load, with the drivers that requests reached."""
    async with _town(load, PROCESSES, per_km2=per_km2, radius_m=radius_m) as (town, _):
        await town.arrive(on_trip=load.on_trip)
        await town.warm_up(seconds / 2)
        alone = await town.live(min(seconds, 5.0), trips_per_s=TRIPS_PER_S, at=NEARLY_REMOTE)
        phase = await town.live(
            seconds,
            positions_per_s=load.positions_per_s,
            trips_per_s=load.trips_per_s,
            arrivals_per_s=load.arrivals_per_s,
        )
        reached = (phase.deliveries / phase.trips - alone.deliveries / alone.trips) / 2
        return phase, replace(load, reached=reached, listening=town.listening())


_USED = (
    ("server_ms", "ms of the servers"),
    ("postgres_ms", "ms of PostgreSQL"),
    ("redis_ms", "ms of Redis"),
    ("wal_kb", "KB of PostgreSQL's log"),
    ("redis_kb", "KB between servers and Redis"),
    ("sent_kb", "KB to clients"),
    ("received_kb", "KB from clients"),
)


def _show_costs(costs: Costs) -> None:
    print(
        "| one | servers | PostgreSQL | Redis | log of PostgreSQL | with Redis | to, from clients |\n|"
        + "---|" * 7
    )
    rows = [
        ("second of an idle process", costs.process),
        ("second of an idle socket", costs.socket),
        ("socket that comes and goes", costs.arrival),
        *((f"position, of {rate:,.0f} a second and process", each) for rate, each in costs.positions),
        ("trip, far from everybody", costs.trip),
        ("process woken by a request", costs.woken),
        ("driver who listens, asked", costs.asked),
        ("delivery to a driver", costs.delivery),
    ]
    for name, each in rows:
        print(
            f"| {name} | {each.server_ms:.3f} ms | {each.postgres_ms:.3f} ms | {each.redis_ms:.3f} ms | "
            f"{each.wal_kb:.1f} KB | {each.redis_kb:.2f} KB | {each.sent_kb:.2f}, {each.received_kb:.2f} KB |"
        )
    print(
        f"\na process has {costs.process_mb:.0f} MB, and {costs.socket_kb:.0f} KB more for each socket; "
        f"Redis has {costs.redis_driver_kb:.1f} KB for each driver\n"
    )


def _show_check(load: Load, costs: Costs, phase: Phase, part: int) -> None:
    # As many as there were: positions and trips end before the phase does.
    done = replace(
        load,
        positions_per_s=phase.positions / phase.seconds,
        trips_per_s=phase.trips / phase.seconds,
        arrivals_per_s=phase.arrivals / phase.seconds,
    )
    said = done.total(costs, PROCESSES)
    print(
        f"a town of 1/{part}: {load.drivers:,} drivers, {PROCESSES} processes; a request reaches "
        f"{load.reached:.0f} of {load.listening:.0f} drivers who listen"
    )
    print("| in a second | calculated | used | used of it |\n|---|---|---|---|")
    for name, unit in _USED:
        used, calculated = getattr(phase.per_s, name), getattr(said, name)
        share = f"{used / calculated:.0%}" if calculated else ""
        print(f"| {unit} | {calculated:,.0f} | {used:,.0f} | {share} |")
    answers = Latencies(phase.answers_s)
    print(f"answers to requests, p50, p99: {answers.percentile_ms(50):.1f}, {answers.percentile_ms(99):.1f} ms\n")


def _show_city(load: Load, costs: Costs) -> None:
    processes = load.processes(costs)
    print(f"| the city, {processes} processes | in a second | cores of servers | of PostgreSQL | of Redis |")
    print("|" + "---|" * 5)
    for name, rate, each in load.parts(costs, processes):
        spent = each * (rate / 1000)
        print(f"| {name} | {rate:,.0f} | {spent.server_ms:.2f} | {spent.postgres_ms:.2f} | {spent.redis_ms:.2f} |")
    total = load.total(costs, processes)
    cores_of = [each / 1000 for each in (total.server_ms, total.postgres_ms, total.redis_ms)]
    print(f"| all | | {cores_of[0]:.1f} | {cores_of[1]:.2f} | {cores_of[2]:.2f} |\n")
    servers_gb = processes * costs.process_mb / 1000 + load.sockets * costs.socket_kb / 1e6
    redis_gb = load.drivers * costs.redis_driver_kb / 1e6
    to_clients, from_clients, with_redis = [
        each * 8 / 1000 for each in (total.sent_kb, total.received_kb, total.redis_kb)
    ]
    print(
        f"memory: {servers_gb:.1f} GB of the servers, {redis_gb:.2f} GB of Redis\n"
        f"log of PostgreSQL: {total.wal_kb / 1000:.1f} MB/s\n"
        f"network: {to_clients:.0f} Mbit/s to clients, {from_clients:.0f} from them, {with_redis:.0f} between "
        "servers and Redis"
    )


def _listened_km2(radius_m: float) -> float:
    """How large the cells are together that a driver listens to, on average."""
    rng = random.Random(1)
    areas = [Area.around(somewhere(rng, 20_000), radius_m).cells for _ in range(100)]
    return sum(h3.cell_area(cell, "km^2") for area in areas for cell in area) / len(areas)


def main(
    drivers: Annotated[int, typer.Option(min=1, help="Drivers in the city, each with a socket.")] = 100_000,
    on_trip: Annotated[int, typer.Option(min=1, help="Of them on a trip; the rider of each watches.")] = 20_000,
    requests: Annotated[float, typer.Option(min=0.01, help="Requests a second.")] = 100.0,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds from a driver's position to the next.")] = 4.0,
    arrivals: Annotated[float, typer.Option(min=0.01, help="Sockets that are opened in a second.")] = 200.0,
    per_km2: Annotated[float, typer.Option(min=0.1, help="Drivers without a trip in a square kilometre.")] = 53.0,
    radius_m: Annotated[float, typer.Option(min=1, max=50_000, help="TAXIRANK_OFFER_RADIUS_M.")] = 1000.0,
    woken: Annotated[
        float | None, typer.Option(min=1, help="Processes that a request wakes. By default all.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long each stretch is measured.")] = 10.0,
    costs_file: Annotated[
        Path | None, typer.Option("--costs", help="Do not measure costs: take those of this file.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write the measured costs to this file.")] = None,
    check: Annotated[
        int | None, typer.Option(min=1, help="Compare with a town of this part of the city: 20 is a twentieth.")
    ] = None,
) -> None:
    """Print what one of each costs, what a town uses, and what the city needs.

    All servers share one core; PostgreSQL (without fsync), Redis and the clients another.
    """
    # A request reaches a circle around it. More drivers listen: whole cells, which touch any circle around them.
    reached, listening = per_km2 * math.pi * (radius_m / 1000) ** 2, per_km2 * _listened_km2(radius_m)
    city = Load(drivers, on_trip, drivers / every, requests, arrivals, listening, reached, woken)
    if on_trip >= drivers:
        raise typer.BadParameter("fewer drivers are on a trip than there are")
    smallest = max(part for part in (PART if costs_file is None else 0, check or 0, 1))
    if city.part(smallest).drivers - city.part(smallest).on_trip <= PROCESSES:
        raise typer.BadParameter("the town has too few drivers: measure a larger city, or use --costs")
    cores.pin(os.getpid(), cores.LOAD_CORE)
    if costs_file is not None:
        costs = Costs.read(costs_file.read_text(encoding="utf-8"))
    else:
        raise_file_limit(city.sockets // PART + MORE_FILES)
        costs = uvloop.run(_measure(city.part(PART), seconds, per_km2=per_km2, radius_m=radius_m))
    _show_costs(costs)
    if save is not None:
        save.write_text(json.dumps(asdict(costs), indent=1) + "\n", encoding="utf-8")
    if check is not None:
        raise_file_limit(city.sockets // check + MORE_FILES)
        phase, town = uvloop.run(_check(city.part(check), 2 * seconds, per_km2=per_km2, radius_m=radius_m))
        _show_check(town, costs, phase, check)
    _show_city(city, costs)


if __name__ == "__main__":
    typer.run(main)
