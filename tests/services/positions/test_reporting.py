"""Reports of positions: who may send them, which are refused, and which trip they are stamped with."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import TripStatus
from models.values import Location
from models.visibility import Actor
from services.errors import BadInput, DatabaseUnavailable
from services.limits.rates import RateLimited
from services.live.feeds import DriverLocationFeed
from services.live.messages import DriverAt
from services.positions.freshness import Freshness
from services.positions.reporting import StaleLocation
from services.trips.faults import NotADriver
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.live import RecordingSink
from tests.support.positions import LNG
from tests.support.waiting import until

HERE = GeoPoint(52.5, LNG)
NAN, INFINITY = float("nan"), float("inf")
LIVE, STALE, GONE = Freshness.LIVE, Freshness.STALE, Freshness.GONE
STARTED, IN_PROGRESS, COMPLETED = TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.COMPLETED


class Town:
    """The use cases of an application, with people and trips inserted directly into its tables."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.services = application.services
        self.database = application.database

    async def rider(self) -> Actor:
        return await add_rider(self.database)

    async def driver(self) -> Actor:
        return await add_driver(self.database)

    async def reports(self, driver: Actor, lat: float = 52.5, *, age_s: float = 0.0, **changes: Any) -> None:
        recorded_at = datetime.now(UTC) - timedelta(seconds=age_s)
        given = {"point": GeoPoint(lat, LNG), "recorded_at": recorded_at, **changes}
        await self.services.positions.report(driver, **given)

    async def moves(self, driver: Actor, trip_id: UUID, *statuses: TripStatus) -> None:
        for status in statuses:
            await self.services.trips.update(driver, trip_id=trip_id, status=status)

    async def request(self, rider: Actor) -> UUID:
        return (await self.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")).id

    async def last(self, driver: Actor) -> Location | None:
        return await self.services.positions.last(driver.id)

    async def hears_late(self, driver: Actor, trip_id: UUID, lat: float) -> None:
        """A report that was under way, and is published only now."""
        now = datetime.now(UTC)
        position = Location(driver.id, trip_id, GeoPoint(lat, LNG), None, now, as_of=now)
        await self.application.bus.publish([([self.services.topics.car(trip_id)], position.to_json())])

    async def follow(self, rider: Actor, trip_id: UUID) -> RecordingSink:
        sink = RecordingSink()
        feed = DriverLocationFeed(rider, self.services.topics, trip_id, self.services.positions.lifetime)
        await self.services.hub.subscribe(feed, sink)
        return sink


@pytest.fixture
async def town(settings: Settings) -> AsyncIterator[Town]:
    application = Application(settings.model_copy(update={"location_rate": "off"}))
    async with running(application):
        await application.periodic_jobs.stop()
        yield Town(application)


def lat(content: object) -> float:
    assert isinstance(content, DriverAt)
    return content.location.point.lat


async def told(followed: RecordingSink) -> tuple[float, Freshness]:
    content = await followed.next()
    assert isinstance(content, DriverAt)
    return content.location.point.lat, content.freshness


# Reporting.


async def test_the_last_report_is_known_and_the_same_one_again_succeeds(town: Town) -> None:
    driver = await town.driver()
    recorded_at = datetime.now(UTC)
    for _ in range(2):
        await town.services.positions.report(driver, point=HERE, heading=359.5, recorded_at=recorded_at)
    found = await town.last(driver)
    assert found is not None
    assert (found.point, found.heading, found.recorded_at, found.trip_id) == (HERE, 359.5, recorded_at, None)


async def test_a_time_is_equal_in_any_time_zone(town: Town) -> None:
    driver = await town.driver()
    moment = datetime.now(timezone(timedelta(hours=-9, minutes=-30)))
    await town.reports(driver, recorded_at=moment)
    found = await town.last(driver)
    assert found is not None
    assert (found.recorded_at, found.recorded_at.utcoffset()) == (moment, timedelta(0))


async def test_a_rider_cannot_report_a_position(town: Town) -> None:
    with pytest.raises(NotADriver):
        await town.reports(await town.rider())


async def test_a_position_older_than_the_last_is_stale(town: Town) -> None:
    driver = await town.driver()
    await town.reports(driver, 1, age_s=1)
    with pytest.raises(StaleLocation, match="newer") as refusal:
        await town.reports(driver, 2, age_s=2)
    assert refusal.value.field == ("recordedAt",)
    found = await town.last(driver)
    assert found is not None
    assert found.point.lat == 1


async def test_of_twenty_simultaneous_reports_the_newest_is_left(town: Town) -> None:
    driver = await town.driver()
    results = await asyncio.gather(
        *(town.reports(driver, age, age_s=age) for age in range(19, -1, -1)), return_exceptions=True
    )
    assert {type(result) for result in results} <= {type(None), StaleLocation}
    found = await town.last(driver)
    assert found is not None
    assert found.point.lat == 0


async def test_a_position_expires_by_the_time_of_its_measurement_and_not_of_its_report(town: Town) -> None:
    driver, ttl_s = await town.driver(), town.application.settings.location_ttl_s
    await town.reports(driver, age_s=ttl_s - 0.3)
    assert await town.last(driver) is not None

    async def is_gone() -> bool:
        return await town.last(driver) is None

    await until(is_gone)
    with pytest.raises(StaleLocation, match="too old"):
        await town.reports(driver, age_s=ttl_s)


IMPOSSIBLE: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"point": GeoPoint(NAN, 0)}, ("point", "lat")),
    ({"point": GeoPoint(INFINITY, 0)}, ("point", "lat")),
    ({"point": GeoPoint(91, 0)}, ("point", "lat")),
    ({"point": GeoPoint(0, -181)}, ("point", "lng")),
    ({"point": GeoPoint(0, NAN)}, ("point", "lng")),
    # The position of a device without a fix.
    ({"point": GeoPoint(0, 0)}, ("point",)),
    ({"point": GeoPoint(1e-7, -1e-7)}, ("point",)),
    ({"heading": -1.0}, ("heading",)),
    ({"heading": 361.0}, ("heading",)),
    ({"heading": NAN}, ("heading",)),
    ({"heading": -INFINITY}, ("heading",)),
    ({"recorded_at": datetime(2026, 1, 1)}, ("recordedAt",)),  # noqa: DTZ001 - that is what is refused
    ({"recorded_at": datetime.max.replace(tzinfo=UTC)}, ("recordedAt",)),
    ({"recorded_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-23)))}, ("recordedAt",)),
    ({"recorded_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=23)))}, ("recordedAt",)),
    ({"age_s": -61}, ("recordedAt",)),
]


async def test_an_impossible_position_is_refused_and_not_kept(town: Town) -> None:
    driver = await town.driver()
    for changes, field in IMPOSSIBLE:
        with pytest.raises(BadInput) as refusal:
            await town.reports(driver, **changes)
        assert refusal.value.field == field
    assert await town.last(driver) is None


async def test_the_earliest_possible_time_is_too_old(town: Town) -> None:
    driver = await town.driver()
    for hours in (-23, 0, 23):
        with pytest.raises(StaleLocation):
            await town.reports(driver, recorded_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=hours))))


async def test_a_phone_whose_clock_was_ahead_can_report_immediately_after_its_correction(town: Town) -> None:
    driver = await town.driver()
    for ahead_s in (9, 59, 11):
        before = datetime.now(UTC)
        await town.reports(driver, 1, age_s=-ahead_s)
        found = await town.last(driver)
        assert found is not None
        # The server's clock limits it.
        assert before <= found.recorded_at <= datetime.now(UTC)
    await town.reports(driver, 2)
    found = await town.last(driver)
    assert found is not None
    assert found.point.lat == 2


async def test_a_driver_who_reports_too_often_gets_the_time_to_wait_and_other_drivers_are_not_limited(
    application: Application,
) -> None:
    town = Town(application)
    flood, other = await town.driver(), await town.driver()
    for _ in range(5):
        await town.reports(flood)
    for _ in range(5):
        with pytest.raises(RateLimited) as refusal:
            await town.reports(flood)
        assert 0 < refusal.value.retry_after_s <= 1
    await town.reports(other)


async def test_stale_positions_do_not_keep_the_newest_out(application: Application) -> None:
    town = Town(application)
    driver = await town.driver()
    await town.reports(driver, 1, age_s=40)
    with statements() as seen:
        for second in range(300):
            with pytest.raises(StaleLocation):
                await town.reports(driver, 2, age_s=41 + second)
        for _ in range(300):
            with pytest.raises(StaleLocation):
                await town.reports(driver, 2, age_s=601)
    # A flood of them costs only dictionary look-ups.
    assert seen == []
    for age_s in (0.4, 0.3, 0.2, 0.1, 0):
        await town.reports(driver, 3, age_s=age_s)
    # Together: a machine that takes long for each would let each through.
    outcomes = await asyncio.gather(*(town.reports(driver, 4) for _ in range(100)), return_exceptions=True)
    assert RateLimited in {type(outcome) for outcome in outcomes}


async def test_a_backlog_that_is_sent_oldest_first_does_not_keep_the_newest_out(application: Application) -> None:
    town = Town(application)
    driver = await town.driver()
    limited = 0
    for second in range(300, 40, -1):
        try:
            await town.reports(driver, 1, age_s=second)
        except RateLimited:
            limited += 1
    assert limited > 200
    await town.reports(driver, 2)
    found = await town.last(driver)
    assert found is not None
    assert found.point.lat == 2


async def test_the_database_holds_no_position_of_a_driver(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await town.reports(driver, 12.345678)
    await town.moves(driver, trip_id, IN_PROGRESS, COMPLETED)
    if town.database.is_sqlite:
        names = await town.database.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")
    else:
        names = await town.database.fetch(
            "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'"
        )
    for (name,) in (row.values() for row in names):
        rows = await town.database.fetch(f'SELECT * FROM "{name}"')
        assert "12.345678" not in str([dict(row) for row in rows]), name


# The trip in the stamp.


async def test_a_position_is_stamped_with_the_trip_that_its_driver_drives(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    for _ in range(2):
        trip_id = await town.request(rider)
        for statuses, stamp in (
            ((), None),
            ((STARTED,), trip_id),
            ((IN_PROGRESS,), trip_id),
            ((COMPLETED,), None),
        ):
            await town.moves(driver, trip_id, *statuses)
            await town.reports(driver)
            found = await town.last(driver)
            assert found is not None
            assert found.trip_id == stamp


async def test_the_trips_of_drivers_who_report_together_are_one_statement(town: Town) -> None:
    drivers = [await town.driver() for _ in range(10)]
    for driver in drivers[:5]:
        await add_trip(town.database, await town.rider(), status=STARTED, driver=driver)
    with statements() as seen:
        await asyncio.gather(*(town.reports(driver) for driver in drivers))
    assert len(seen) == 1
    found = await asyncio.gather(*(town.last(driver) for driver in drivers))
    assert [position is not None and position.trip_id is not None for position in found] == [True] * 5 + [
        False
    ] * 5


async def test_a_report_is_not_kept_if_the_database_does_not_answer(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await town.driver()

    async def fails(*_: object) -> Any:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(town.database, "fetch", fails)
        with pytest.raises(DatabaseUnavailable):
            await town.reports(driver)
    assert await town.last(driver) is None


# The receivers.


async def test_a_rider_receives_positions_from_acceptance_to_the_end(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    followed = await town.follow(rider, trip_id)
    await town.reports(driver, 1)

    await town.moves(driver, trip_id, STARTED)
    assert lat(await followed.next()) == 1
    await town.reports(driver, 2)
    assert lat(await followed.next()) == 2
    await town.moves(driver, trip_id, IN_PROGRESS)
    await town.reports(driver, 3)
    assert lat(await followed.next()) == 3
    await town.moves(driver, trip_id, COMPLETED)

    assert await followed.ended() is None


async def test_a_new_subscriber_gets_the_last_position_and_nothing_twice(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await town.reports(driver, 1)
    followed = await town.follow(rider, trip_id)
    assert lat(await followed.next()) == 1

    town.services.hub.resync()
    await town.reports(driver, 2)

    assert lat(await followed.next()) == 2


async def test_the_rider_of_a_silent_driver_receives_once_that_the_position_is_stale_and_once_that_it_is_gone(
    settings: Settings,
) -> None:
    changes = {"location_rate": "off", "location_stale_s": 0.5, "location_ttl_s": 1}
    application = Application(settings.model_copy(update=changes))
    async with running(application):
        await application.periodic_jobs.stop()
        town = Town(application)
        rider, driver = await town.rider(), await town.driver()
        trip_id = await town.request(rider)
        await town.moves(driver, trip_id, STARTED)
        followed = await town.follow(rider, trip_id)
        await town.reports(driver, 1)
        await town.reports(driver, 2)
        received = [await told(followed)]
        while received[-1] != (2, GONE):
            received.append(await told(followed))
        # On a busy machine a position may already be stale, or replaced, before it is sent.
        in_order = [(number, freshness) for number in (1, 2) for freshness in (LIVE, STALE, GONE)]
        assert received == [each for each in in_order if each in received]
        assert received[-2:] == [(2, STALE), (2, GONE)]
        # A new subscriber receives nothing until there is a position.
        late = await town.follow(rider, trip_id)
        await town.reports(driver, 3)
        assert [(await told(each))[0] for each in (followed, late)] == [3, 3]


async def test_a_position_that_arrives_late_is_stale_immediately(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    followed = await town.follow(rider, trip_id)
    await town.reports(driver, 1, age_s=70)
    await town.reports(driver, 2, age_s=50)
    assert [await told(followed), await told(followed)] == [(1, STALE), (2, LIVE)]


async def test_after_the_end_no_position_is_sent_even_if_no_event_has_arrived(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    followed = await town.follow(rider, trip_id)
    await town.reports(driver, 1)
    assert lat(await followed.next()) == 1
    # From now on no event of a trip is published.
    await town.application.outbox.stop()

    await town.moves(driver, trip_id, IN_PROGRESS, COMPLETED)
    await town.reports(driver, 2)
    next_trip_id = await town.request(await town.rider())
    await town.moves(driver, next_trip_id, STARTED)
    await town.reports(driver, 3)
    # A report that was under way when the trip ended may still come: it shows that nothing else came before.
    await town.hears_late(driver, trip_id, 4)

    assert lat(await followed.next()) == 4


async def test_when_the_trip_is_given_back_the_rider_waits_and_then_follows_the_next_driver(town: Town) -> None:
    rider, first, second = await town.rider(), await town.driver(), await town.driver()
    trip_id = await town.request(rider)
    # The second driver's last report is older than all of the first driver's.
    await town.reports(second, 20, age_s=30)
    followed = await town.follow(rider, trip_id)
    await town.reports(first, 10, age_s=1)
    await town.moves(first, trip_id, STARTED)
    assert lat(await followed.next()) == 10

    await town.moves(first, trip_id, TripStatus.REQUESTED)
    await town.reports(first, 11)
    await town.moves(second, trip_id, STARTED)
    assert lat(await followed.next()) == 20
    await town.reports(first, 12)
    await town.hears_late(first, trip_id, 13)
    await town.reports(second, 21, age_s=20)
    assert lat(await followed.next()) == 21

    await town.services.trips.update(rider, trip_id=trip_id, status=TripStatus.CANCELLED)
    assert await followed.ended() is None


async def test_two_consecutive_trips_of_one_driver_show_nothing_of_each_other(town: Town) -> None:
    one, other, driver = await town.rider(), await town.rider(), await town.driver()
    first_id, second_id = await town.request(one), await town.request(other)
    first, second = await town.follow(one, first_id), await town.follow(other, second_id)
    await town.moves(driver, first_id, STARTED)
    await town.reports(driver, 1)
    assert lat(await first.next()) == 1
    await town.moves(driver, first_id, IN_PROGRESS, COMPLETED)
    assert await first.ended() is None

    await town.reports(driver, 2)
    await town.moves(driver, second_id, STARTED)
    assert lat(await second.next()) == 2
    await town.reports(driver, 3)
    assert lat(await second.next()) == 3

    assert first.is_empty
    ended = await town.follow(one, first_id)
    assert await ended.ended() is None


async def test_a_position_that_was_stamped_after_the_trip_that_is_read_is_not_shown(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await town.reports(driver, 1)
    last = town.services.positions.last

    async def after_the_end(driver_id: UUID) -> Location | None:
        # The trip has been read; it ends before the position is read.
        monkeypatch.undo()
        await town.moves(driver, trip_id, IN_PROGRESS, COMPLETED)
        await town.reports(driver, 2)
        return await last(driver_id)

    monkeypatch.setattr(town.services.positions, "last", after_the_end)
    followed = await town.follow(rider, trip_id)

    assert await followed.ended() is None
