"""What the statements of a server read when trips accumulate: ``python -m benchmarks.growth --help``.

The city stays as large as it is: as many users, open requests and trips under way. Only what is over becomes more.
So the cost of a statement should not grow, but for the height of an index. PostgreSQL is from the wheel, without
fsync.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import typer
import uvloop

from benchmarks.latencies import Latencies
from benchmarks.old_trips import APART_S, City, fill
from benchmarks.plans import Cost, measured
from models.geo import GeoPoint
from models.trip_life import DRIVING, OPEN, TripStatus
from models.values import Role
from services.live.city_reads import CityReads
from services.runtime.counters import Counters
from services.staff import lists
from services.staff.city_figures import CityPeriod, CityStatistics
from services.staff.list_query import Group, Match, Rule
from services.trips import rows as trip_rows
from services.trips.retention import BEFORE_ALL, TripRetention
from tests.support import servers

SMALL = 10_000
# Retention looks for trips that are older than all but one in a hundred.
OLD_SHARE = 0.99

Work = Callable[[City], Awaitable[Any]]


async def _found(city: City, condition: str, *args: object) -> UUID:
    """A trip of which the condition is true."""
    trip_id = await city.aside.fetchval(f"SELECT id FROM trips WHERE {condition} LIMIT 1", *args)
    assert trip_id is not None
    return trip_id


async def _create(city: City) -> None:
    await city.application.services.trips.request(
        city.rider, pick_up_address="Here", drop_off_address="There", pick_up=GeoPoint(52.0, 4.0)
    )


def _move(status: TripStatus, before: TripStatus) -> Work:
    async def work(city: City) -> None:
        mine = "status = $1 AND (driver_id IS NULL OR driver_id = $2) ORDER BY created DESC"
        trip_id = await _found(city, mine, before, city.driver.id)
        await city.application.services.trips.update(city.driver, trip_id=trip_id, status=status)

    return work


async def _page_deep(city: City) -> None:
    """The page in the middle of all that the rider has."""
    middle = datetime.now(UTC) - timedelta(seconds=city.trips * APART_S / 2)
    await city.application.services.trips.page(city.rider, after=(middle, UUID(int=0)))


async def _remove_some(city: City) -> None:
    """A batch of retention: it begins at the oldest trip."""
    age_s = int(city.trips * APART_S * OLD_SHARE)
    retention: Any = TripRetention(city.database, Counters(), days=1)
    await retention._remove_some(age_s, BEFORE_ALL)


async def _use(connection: asyncpg.Connection, ids: Sequence[UUID], waits_s: list[float]) -> None:
    """Change trips, among them those that are being removed, and write notes; keep how long each took."""
    while True:
        for statement, *args in (
            ("UPDATE trips SET version = version + 1 WHERE id = $1", ids[len(waits_s) % len(ids)]),
            ("INSERT INTO outbox (session_id, for_pool, created) VALUES (gen_random_uuid(), FALSE, now())",),
        ):
            began_s = time.perf_counter()
            await connection.execute(statement, *args)
            waits_s.append(time.perf_counter() - began_s)
        await asyncio.sleep(0.002)


async def _show_retention(city: City, url: str) -> None:
    """How long a writer waits while retention removes a tenth of all trips beside a dump."""
    writer, dump = [await asyncpg.connect(url) for _ in range(2)]
    ids = [
        row["id"] for row in await writer.fetch("SELECT id FROM trips ORDER BY created LIMIT $1", city.trips // 5)
    ]
    random.shuffle(ids)
    waits_s: list[float] = []
    days = round(city.trips * APART_S * 0.9 / 86_400)
    counters = Counters()
    async with dump.transaction(isolation="repeatable_read", readonly=True):
        await dump.fetch("SELECT 1 FROM trips LIMIT 1")
        using = asyncio.create_task(_use(writer, ids, waits_s))
        began_s = time.perf_counter()
        await TripRetention(city.database, counters, days=days).remove_old()
        took_s = time.perf_counter() - began_s
        using.cancel()
    waits = Latencies(waits_s)
    print(
        f"retention beside a dump: {counters.removed_trips:,} trips removed in {took_s:.0f} s; a writer waited "
        f"p50 {waits.percentile_ms(50):.1f} ms, p99 {waits.percentile_ms(99):.0f} ms, "
        f"longest {waits.percentile_ms(100):.0f} ms",
        flush=True,
    )
    writer.terminate()
    await dump.close()


async def _staff_search(city: City) -> None:
    trips = lists.trips(city.database)
    await trips.page(search=city.rider.user.username, limit=25)
    await trips.count(search=city.rider.user.username)


async def _staff_filter(city: City) -> None:
    trips, where = lists.trips(city.database), Group([Rule("status", Match.ONE_OF, ["CANCELLED"])])
    await trips.page(where=where, limit=25)
    await trips.count(where=where)


def _limits() -> dict[str, int]:
    return {"ended_limit": 20, "ended_since_s": 86_400}


# Everything that a server does often, and what staff look at.
_WORK: dict[str, Work] = {
    "createTrip": _create,
    "updateTrip: accept": _move(TripStatus.STARTED, TripStatus.REQUESTED),
    "updateTrip: pick up": _move(TripStatus.IN_PROGRESS, TripStatus.STARTED),
    "updateTrip: complete": _move(TripStatus.COMPLETED, TripStatus.IN_PROGRESS),
    "trips, of a rider": lambda c: c.application.services.trips.page(c.rider),
    "trips, of a rider, a late page": _page_deep,
    "trips, of a rider, the cancelled": lambda c: c.application.services.trips.page(
        c.rider, statuses=[TripStatus.CANCELLED]
    ),
    "trips, of a driver": lambda c: c.application.services.trips.page(c.driver),
    "myTripsUpdated, of a rider": lambda c: trip_rows.trips_of(c.database, c.rider.id, Role.RIDER, **_limits()),
    "myTripsUpdated, of a driver": lambda c: trip_rows.trips_of(c.database, c.driver.id, Role.DRIVER, **_limits()),
    "driverPool": lambda c: trip_rows.open_trips(c.database, limit=1000),
    "driverPool, of an area": lambda c: trip_rows.open_trips_in(
        c.database, range(600000000000000000, 600000000000000030), limit=1000
    ),
    "reportLocation": lambda c: c.application.services.positions.report(
        c.driver, point=GeoPoint(1, 2), recorded_at=datetime.now(UTC)
    ),
    "the history of a trip": lambda c: _history(c),
    "sweep of the outbox": lambda c: c.application.outbox.sweep.run_once(),
    "sweep of overdue trips": lambda c: c.application.services.trips.expire_overdue(),
    "sweep of abandoned trips": lambda c: c.application.services.trips.end_abandoned(),
    "metrics: open trips": lambda c: trip_rows.count_trips(c.database, OPEN),
    "metrics: trips under way": lambda c: trip_rows.count_trips(c.database, DRIVING),
    "city, a second": lambda c: CityReads(c.database).read(
        people=[c.driver.id], since=datetime.now(UTC), watchers=[c.rider.id]
    ),
    "cityFigures, the first of an hour": lambda c: CityStatistics(c.database).of(CityPeriod.HOUR),
    "admin: trips": lambda c: lists.trips(c.database).page(limit=25),
    "admin: count of trips": lambda c: lists.trips(c.database).count(),
    "admin: trips by name": _staff_search,
    "admin: cancelled trips": _staff_filter,
    "admin: a person's trips": lambda c: c.application.people.trips(c.driver.id, Role.DRIVER),
    "admin: a person's ratings": lambda c: c.application.people.ratings(c.driver.id),
    "admin: all about a person": lambda c: c.application.personal_data.of(c.rider.id),
    "retention: a batch": _remove_some,
}


async def _history(city: City) -> None:
    await city.application.services.history.of(await _found(city, "status = 'COMPLETED' ORDER BY created"))


async def _measure(postgres: servers.OwnPostgres, trips: int) -> dict[str, Cost]:
    url, began_s = postgres.copy(), time.perf_counter()
    city = await fill(url, trips)
    size = await city.aside.fetchval("SELECT pg_database_size(current_database())")
    print(
        f"{trips:,} trips: {(size or 0) / 1e9:.1f} GB, filled in {time.perf_counter() - began_s:.0f} s", flush=True
    )
    costs: dict[str, Cost] = {}
    for name, work in _WORK.items():
        async with measured(city.database) as cost:
            await work(city)
        costs[name] = cost
    if trips > SMALL:
        await _show_retention(city, url)
    await city.aside.close()
    await city.application.bus.disconnect()
    await city.database.disconnect()
    postgres.drop(url)
    return costs


def main(
    trips: Annotated[int, typer.Option(min=SMALL, help="How many trips there are at last.")] = 1_000_000,
) -> None:
    """Print what each use case reads of PostgreSQL with 10,000 trips, a million, and as many as are asked for."""
    sizes = sorted({SMALL, min(trips, 1_000_000), trips})
    with servers.own_postgres() as postgres:
        found = [uvloop.run(_measure(postgres, size)) for size in sizes]
    width = max(map(len, _WORK))
    for name in _WORK:
        costs = [costs[name] for costs in found]
        blocks = f"{costs[-1].blocks / max(costs[0].blocks, 1):.1f} times"
        print(f"{name:{width}}  " + " | ".join(map(str, costs)) + f" | {blocks}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        typer.run(main)
