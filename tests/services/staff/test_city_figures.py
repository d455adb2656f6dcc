"""The figures of the city, compared with figures computed from the trips one by one."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest

from application.application import Application
from models.trip_life import CancelCode, TripStatus
from models.visibility import Actor
from services.database.connections import Database
from services.runtime.counters import Counters
from services.staff import city_figures, city_parts
from services.staff.city_figures import CityPeriod, CityStatistics
from services.trips.retention import TripRetention
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_driver, add_rider

S = TripStatus


@pytest.fixture
async def application(application: Application) -> Application:
    """Nothing expires by itself."""
    await application.periodic_jobs.stop()
    return application


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


@contextmanager
def rows_read() -> Iterator[list[int]]:
    """The numbers of trips that each statement of the figures returns."""
    read: list[int] = []
    fetch = Database.fetch

    async def spy(self: Database, sql: str, *args: object) -> Any:
        rows = await fetch(self, sql, *args)
        if "trip_changes" in sql:
            read.append(len(rows))
        return rows

    with patch.object(Database, "fetch", spy):
        yield read


def nearest_rank(waits: list[float], percent: int) -> float:
    return sorted(waits)[math.ceil(len(waits) * percent / 100) - 1]


@pytest.mark.parametrize("at_once", [city_parts.SLICE, 7])
async def test_figures_are_those_of_the_trips_in_total_and_in_each_part(
    application: Application, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(city_parts, "SLICE", at_once)
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

    now_s = 0.0
    statistics = CityStatistics(database, clock=lambda: now_s)
    first = await statistics.of(CityPeriod.DAY)
    now_s += 61
    # The parts in which all trips had ended are not read again.
    figures = await statistics.of(CityPeriod.DAY)

    assert figures.total == first.total
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
    assert len([sql for sql in seen if "trip_changes" in sql]) == 2


async def test_only_parts_in_which_something_can_still_happen_are_read_again(application: Application) -> None:
    database, now_s = application.database, 0.0
    rider, driver = await add_rider(database), await add_driver(database)
    statistics = CityStatistics(database, clock=lambda: now_s)
    now = datetime.now(UTC)
    ages_h = (1, 5, 9)
    under_way = [
        await add(database, rider, driver, created=now - timedelta(hours=hours), status=S.REQUESTED)
        for hours in ages_h
    ]
    for hours in (2, 6, 10, 20):
        await add(database, rider, driver, created=now - timedelta(hours=hours), status=S.EXPIRED)
    first = await statistics.of(CityPeriod.DAY)
    assert (first.total.requested, first.total.expired) == (7, 4)
    for trip_id in under_way:
        await database.fetch("UPDATE trips SET status = 'EXPIRED', expires_at = NULL WHERE id = $1", trip_id)
    await add(database, rider, driver, created=now, status=S.EXPIRED)
    # Ended parts have no more trips in them, except in this test.
    await add(database, rider, driver, created=now - timedelta(hours=20), status=S.EXPIRED)
    now_s += 61
    with rows_read() as read:
        second = await statistics.of(CityPeriod.DAY)
    assert (second.total.requested, second.total.expired) == (8, 8)
    assert sum(read) <= len(under_way) + 1
    # Now they have all ended.
    now_s += 61
    with rows_read() as read:
        third = await statistics.of(CityPeriod.DAY)
    assert third.total == second.total
    assert sum(read) <= 1


async def test_parts_as_old_as_trips_that_are_removed_are_not_kept(application: Application) -> None:
    database, now_s = application.database, 0.0
    rider, driver = await add_rider(database), await add_driver(database)
    statistics = CityStatistics(database, retention_days=1, clock=lambda: now_s)
    for hours in (20, 30):
        created = datetime.now(UTC) - timedelta(hours=hours)
        await add(database, rider, driver, created=created, status=S.EXPIRED)
    assert (await statistics.of(CityPeriod.WEEK)).total.requested == 2
    await TripRetention(database, Counters(), days=1).remove_old()
    now_s += 301
    assert (await statistics.of(CityPeriod.WEEK)).total.requested == 1


async def test_a_period_is_read_in_statements_of_few_trips(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city_parts, "SLICE", 4)
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    # Of the same moment: the place in between two slices has the id too.
    created = datetime.now(UTC) - timedelta(hours=3)
    for _ in range(10):
        await add(database, rider, driver, created=created, status=S.EXPIRED)
    with rows_read() as read:
        assert (await CityStatistics(database).of(CityPeriod.DAY)).total.expired == 10
    assert read == [4, 4, 2]


@pytest.mark.parametrize("at_once", [city_parts.SLICE, 3])
async def test_of_more_trips_than_are_counted_the_newest_count_and_it_is_said(
    application: Application, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(city_parts, "SLICE", at_once)
    monkeypatch.setattr(city_parts, "MAX_TRIPS", 5)
    database, now_s = application.database, 0.0
    rider, driver = await add_rider(database), await add_driver(database)
    statistics = CityStatistics(database, clock=lambda: now_s)
    now = datetime.now(UTC)
    for hours in (1, 2, 3, 4, 4, 4, 6):
        created = now - timedelta(hours=hours)
        await add(database, rider, driver, created=created, status=S.EXPIRED)
    for _ in range(2):
        figures = await statistics.of(CityPeriod.DAY)
        assert figures.is_cut
        # Five would fit, but parts are whole.
        assert figures.total.requested == sum(part.requested for part in figures.parts) == 3
        assert figures.parts[0].start == figures.total.start
        assert figures.total.start > now - timedelta(hours=4)
        # The second time most parts are known.
        now_s += 61


async def test_a_single_part_with_too_many_trips_is_shown_as_far_as_it_was_read(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city_parts, "MAX_TRIPS", 3)
    database, now_s = application.database, 0.0
    rider, driver = await add_rider(database), await add_driver(database)
    statistics = CityStatistics(database, clock=lambda: now_s)
    for _ in range(5):
        created = datetime.now(UTC) - timedelta(hours=2)
        await add(database, rider, driver, created=created, status=S.COMPLETED, wait_s=4)
    for _ in range(2):
        figures = await statistics.of(CityPeriod.DAY)
        assert figures.is_cut
        assert (figures.total.requested, figures.total.accepted) == (3, 3)
        now_s += 61


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
