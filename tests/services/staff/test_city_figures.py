"""The figures of the city, compared with figures computed from the trips one by one."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest

from application.application import Application
from models.trip_life import CancelCode, TripStatus
from models.visibility import Actor
from services.database.connections import Database
from services.staff import city_figures
from services.staff.city_figures import CityPeriod, CityStatistics
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_driver, add_rider

S = TripStatus


async def add(
    database: Database,
    rider: Actor,
    driver: Actor,
    *,
    created: datetime,
    status: TripStatus,
    code: CancelCode | None = None,
    wait_s: float | None = None,
) -> UUID:
    """A trip with its request and, ``wait_s`` later, its acceptance."""
    trip_id = uuid4()
    await database.fetch(
        "INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, "
        "cancel_code, given_back_by, rider_id, driver_id, expires_at) "
        "VALUES ($1, $2, $2, 3, $3, 'a', 'b', $4, '', $5, $6, $7)",
        trip_id,
        created,
        status,
        code,
        rider.id,
        driver.id if status is S.COMPLETED else None,
        created + timedelta(minutes=10) if status is S.REQUESTED else None,
    )
    changes = [(1, S.REQUESTED, created)]
    if wait_s is not None:
        changes.append((2, S.STARTED, created + timedelta(seconds=wait_s)))
    for version, became, at in changes:
        await add_change(database, trip_id, version, became, at)
    return trip_id


async def add_change(database: Database, trip_id: UUID, version: int, status: TripStatus, at: datetime) -> None:
    """A line of the trip's history."""
    await database.fetch(
        "INSERT INTO trip_changes (trip_id, version, status, at, changed_by) VALUES ($1, $2, $3, $4, 'SYSTEM')",
        trip_id,
        version,
        status,
        at,
    )


def nearest_rank(waits: list[float], percent: int) -> float:
    return sorted(waits)[math.ceil(len(waits) * percent / 100) - 1]


async def test_figures_are_those_of_the_trips_in_total_and_in_each_part(application: Application) -> None:
    database, random = application.database, Random(7)
    rider, driver = await add_rider(database), await add_driver(database)
    now = datetime.now(UTC)
    made: list[tuple[datetime, TripStatus, CancelCode | None, float | None]] = []
    for number in range(120):
        age_s = random.uniform(1, 23 * 3600)
        status = random.choice([S.COMPLETED, S.CANCELLED, S.EXPIRED, S.REQUESTED])
        code = random.choice([None, CancelCode.NO_SHOW, CancelCode.STAFF]) if status is S.CANCELLED else None
        is_accepted = status is S.COMPLETED or (status is S.CANCELLED and number % 2 == 0)
        wait_s = round(random.uniform(0.5, 300), 3) if is_accepted else None
        made.append((now - timedelta(seconds=age_s), status, code, wait_s))
        await add(database, rider, driver, created=made[-1][0], status=status, code=code, wait_s=wait_s)
    # Older than the period.
    await add(database, rider, driver, created=now - timedelta(days=2), status=S.EXPIRED)

    figures = await CityStatistics(database).of(CityPeriod.DAY)

    assert not figures.is_cut
    for figure, length_s in [(figures.total, 10**6), *((part, figures.part_s) for part in figures.parts)]:
        end = figure.start + timedelta(seconds=length_s)
        of_it = [each for each in made if figure.start <= each[0] < end]
        by_status = Counter(status for _, status, _, _ in of_it)
        assert figure.requested == len(of_it)
        assert (figure.completed, figure.expired) == (by_status[S.COMPLETED], by_status[S.EXPIRED])
        assert figure.cancelled == Counter(code for _, status, code, _ in of_it if status is S.CANCELLED)
        waits = [wait_s for *_, wait_s in of_it if wait_s is not None]
        assert figure.accepted == len(waits)
        if not waits:
            assert figure.time_to_accept is None
            continue
        assert figure.time_to_accept is not None
        assert figure.time_to_accept.p50_s == pytest.approx(nearest_rank(waits, 50), abs=0.001)
        assert figure.time_to_accept.p99_s == pytest.approx(nearest_rank(waits, 99), abs=0.001)
    starts = [part.start for part in figures.parts]
    assert starts == [starts[0] + n * timedelta(seconds=900) for n in range(len(starts))]
    assert starts[-1] <= now < starts[-1] + timedelta(seconds=1800)
    assert sum(part.requested for part in figures.parts) == len(made)


async def test_a_trip_that_was_given_back_counts_with_its_first_acceptance(application: Application) -> None:
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    created = datetime.now(UTC) - timedelta(minutes=5)
    trip_id = await add(database, rider, driver, created=created, status=S.COMPLETED, wait_s=20)
    for version, became, after_s in ((3, S.REQUESTED, 60), (4, S.STARTED, 100)):
        await add_change(database, trip_id, version, became, created + timedelta(seconds=after_s))
    total = (await CityStatistics(database).of(CityPeriod.HOUR)).total
    assert (total.requested, total.accepted) == (1, 1)
    assert total.time_to_accept is not None
    assert total.time_to_accept.p99_s == pytest.approx(20, abs=0.001)


async def test_without_trips_there_are_parts_without_anything(application: Application) -> None:
    for period, parts in ((CityPeriod.HOUR, 12), (CityPeriod.DAY, 96), (CityPeriod.WEEK, 168)):
        figures = await CityStatistics(application.database).of(period)
        assert len(figures.parts) in (parts, parts + 1)
        assert all(part.requested == 0 and part.time_to_accept is None for part in figures.parts)
        assert (figures.total.requested, figures.drivers_off_duty) == (0, 0)


async def test_figures_are_computed_once_for_all_who_ask_within_the_time_that_they_are_kept(
    application: Application,
) -> None:
    now_s = 100.0
    statistics = CityStatistics(application.database, clock=lambda: now_s)
    await application.periodic_jobs.stop()
    with statements() as seen:
        first = await statistics.of(CityPeriod.DAY)
        assert await statistics.of(CityPeriod.DAY) is first
        now_s += 61
        assert await statistics.of(CityPeriod.DAY) is not first
    assert len([sql for sql in seen if "ranked" in sql]) == 2


async def test_of_more_trips_than_are_counted_the_newest_count_and_it_is_said(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city_figures, "MAX_TRIPS", 4)
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    for hours in range(6):
        created = datetime.now(UTC) - timedelta(hours=hours, seconds=1)
        await add(database, rider, driver, created=created, status=S.EXPIRED)
    figures = await CityStatistics(database).of(CityPeriod.DAY)
    assert figures.is_cut
    assert figures.total.requested == 4
    # The part of the oldest of them may lack others.
    assert sum(part.requested for part in figures.parts) == 3
    assert figures.parts[0].start == figures.total.start


async def test_drivers_off_duty_are_counted_unless_there_are_too_many_accounts(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = application.database
    await add_driver(database)
    driver = await add_driver(database)
    await database.fetch("UPDATE users SET on_duty = $2 WHERE id = $1", driver.id, False)
    assert (await CityStatistics(database).of(CityPeriod.HOUR)).drivers_off_duty == 1
    monkeypatch.setattr(city_figures, "MAX_ACCOUNTS", 1)
    assert (await CityStatistics(database).of(CityPeriod.HOUR)).drivers_off_duty is None
