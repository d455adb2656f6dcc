"""The city for staff, below GraphQL: what it costs, and what it says when something is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from application.application import Application
from models.city import CityOutage
from models.geo import GeoPoint
from models.trip_life import TripStatus
from models.visibility import Actor
from services.errors import DatabaseUnavailable
from services.live import city as city_module
from services.live.city import City
from services.live.city_feed import CityFeed
from services.live.city_reads import CityReads
from services.live.messages import CityChange, CitySnapshot, Message
from services.live.topic import Topic
from services.runtime.fair_queue import FairQueue
from services.runtime.shared_result import SharedResult
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_driver, add_rider, add_trip, set_staff
from tests.support.live import RecordingSink
from tests.support.waiting import until

HERE = GeoPoint(52.5, 13.4)


@pytest.fixture
async def quiet(application: Application, monkeypatch: pytest.MonkeyPatch) -> Application:
    """An application whose city is read often, and in which nothing else asks the database."""
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    await application.mailer.stop()
    await application.webhook_sender.stop()
    await application.live_sessions.stop()
    monkeypatch.setattr(application.services.city, "_interval_s", 0.02)
    monkeypatch.setattr(application.services.hub._topics, "_linger_s", 0.0)
    return application


async def add_staff(application: Application) -> Actor:
    member = await add_rider(application.database)
    await set_staff(application.database, member.id)
    return member


@asynccontextmanager
async def watching(application: Application, members: Sequence[Actor]) -> AsyncIterator[list[RecordingSink]]:
    """Watchers who have the snapshot."""
    services, sinks = application.services, [RecordingSink() for _ in members]
    async with AsyncExitStack() as stack:
        for member, sink in zip(members, sinks, strict=True):
            feed = CityFeed(member, services.topics, services.city)
            stack.callback((await services.hub.subscribe(feed, sink)).end)
        yield sinks


def tasks_of(kind: type) -> list["asyncio.Task[Any]"]:
    """The tasks that run a method of this class."""
    return [task for task in asyncio.all_tasks() if f"coro=<{kind.__name__}." in repr(task)]


async def snapshot(sink: RecordingSink) -> CitySnapshot:
    found = await sink.next()
    assert isinstance(found, CitySnapshot)
    return found


async def change_with(sink: RecordingSink, what: str) -> CityChange:
    """The next change that has something in this field."""
    while True:
        found = await sink.next()
        assert isinstance(found, CityChange)
        if getattr(found, what):
            return found


async def report(application: Application, driver: Actor, *, age_s: float = 0.0) -> None:
    await application.services.positions.report(
        driver, point=HERE, recorded_at=datetime.now(UTC) - timedelta(seconds=age_s)
    )


async def test_twenty_watchers_cost_as_many_statements_as_one_and_nobody_costs_none(quiet: Application) -> None:
    members = [await add_staff(quiet) for _ in range(20)]
    driver = await add_driver(quiet.database)
    await report(quiet, driver)
    for watchers in (members[:1], members):
        async with watching(quiet, watchers) as sinks:
            for sink in sinks:
                await snapshot(sink)
            with statements() as seen:
                for sink in sinks:
                    for _ in range(5):
                        await sink.message()
            # Each state is one statement, and the watchers may have read one state less than there is.
            assert 4 <= len(seen) <= 6 + sinks[0].waiting
            assert all("'clock'" in sql for sql in seen)
            # What is waited for at the end is found by these names.
            await until(lambda: tasks_of(City) and tasks_of(Topic))
        await until(lambda: quiet.services.hub.topics == 0)
    with statements() as seen:
        # Whatever was under way ends, perhaps with one more statement, and nothing that could read again is left.
        await until(lambda: not tasks_of(City) and not tasks_of(Topic))
    assert len(seen) <= 1


async def test_all_watchers_get_the_same_message(quiet: Application) -> None:
    members = [await add_staff(quiet) for _ in range(3)]
    async with watching(quiet, members) as sinks:
        for sink in sinks:
            await snapshot(sink)
        trip_id = await add_trip(quiet.database, await add_rider(quiet.database))
        told: list[Any] = []
        for sink in sinks:
            while True:
                message = await sink.message()
                assert isinstance(message.content, CityChange)
                if message.content.trips:
                    told.append(message)
                    break
        assert told[0].content.trips[0].id == trip_id
        assert told[0] is told[1] is told[2]


async def test_a_change_is_told_once_and_what_has_not_changed_is_not_repeated(quiet: Application) -> None:
    rider, driver = await add_rider(quiet.database), await add_driver(quiet.database)
    trip_id = await add_trip(quiet.database, rider)
    await report(quiet, driver)
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        first = await snapshot(sink)
        assert [trip.id for trip in first.trips] == [trip_id]
        assert [shown.person.username for shown in first.drivers] == [driver.user.username]
        await quiet.database.fetch(
            "UPDATE trips SET pick_up_address = 'Elsewhere', version = 2, updated = {now} WHERE id = $1", trip_id
        )
        changed = await change_with(sink, "trips")
        assert [(trip.pick_up_address, trip.version) for trip in changed.trips] == [("Elsewhere", 2)]
        assert changed.drivers == ()
        for _ in range(3):
            later = await sink.next()
            assert isinstance(later, CityChange)
            assert (later.trips, later.gone_trips, later.drivers, later.gone_drivers) == ((), (), (), ())


async def test_a_change_that_is_committed_long_after_it_was_written_is_told_too(quiet: Application) -> None:
    trip_id = await add_trip(quiet.database, await add_rider(quiet.database), age_s=7200)
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        await snapshot(sink)
        await quiet.database.fetch(
            f"UPDATE trips SET version = 2, updated = {quiet.database.sql.ago(3600)} WHERE id = $1", trip_id
        )
        assert [trip.version for trip in (await change_with(sink, "trips")).trips] == [2]


async def test_a_silent_driver_is_told_as_stale_once_and_not_counted_as_available(
    quiet: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await add_driver(quiet.database)
    lifetime = quiet.services.positions.lifetime
    await report(quiet, driver, age_s=lifetime.stale_s - 1)
    monkeypatch.setattr(quiet.services.city, "_lifetime", lifetime)
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        first = await snapshot(sink)
        assert [shown.is_stale for shown in first.drivers] == [False]
        assert (first.counts.available, first.counts.silent) == (1, 0)
        monkeypatch.setattr(quiet.services.city, "_lifetime", replace(lifetime, stale_s=0.001))
        later = await change_with(sink, "drivers")
        assert [shown.is_stale for shown in later.drivers] == [True]
        assert (later.counts.available, later.counts.silent) == (0, 1)


async def test_while_the_database_is_away_the_last_state_stays_and_says_so(quiet: Application) -> None:
    trip_id = await add_trip(quiet.database, await add_rider(quiet.database))
    member, late = await add_staff(quiet), await add_staff(quiet)
    read = CityReads.read

    async def fail(*_: Any, **__: Any) -> Any:
        raise DatabaseUnavailable

    async with watching(quiet, [member]) as (sink,):
        assert (await snapshot(sink)).outages == frozenset()
        with patch.object(CityReads, "read", fail):
            change = await change_with(sink, "outages")
            assert change.outages == {CityOutage.DATABASE}
            assert change.gone_trips == ()
            async with watching(quiet, [late]) as (other,):
                found = await snapshot(other)
                assert [trip.id for trip in found.trips] == [trip_id]
                assert found.outages == {CityOutage.DATABASE}
        assert CityReads.read is read
        while (found := await sink.next()).outages:  # type: ignore[union-attr]
            assert isinstance(found, CityChange)


async def test_a_database_that_hangs_is_told_as_an_outage_before_it_answers(
    quiet: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city_module, "PATIENCE_S", 0.05)
    goes_on = asyncio.Event()
    read = CityReads.read

    async def hang(self: CityReads, **asked: Any) -> Any:
        await goes_on.wait()
        return await read(self, **asked)

    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        await snapshot(sink)
        with patch.object(CityReads, "read", hang):
            assert (await change_with(sink, "outages")).outages == {CityOutage.DATABASE}
            goes_on.set()
            while (found := await sink.next()).outages:  # type: ignore[union-attr]
                assert isinstance(found, CityChange)


@pytest.mark.parametrize("backend", ["production"])
async def test_while_redis_is_away_drivers_stay_where_they_were_and_it_is_said(quiet: Application) -> None:
    driver = await add_driver(quiet.database)
    await report(quiet, driver)
    assert quiet.redis is not None
    # As if another process had taken the report.
    memory = quiet.position_store._memory  # type: ignore[attr-defined]
    memory.forget_here(driver.id, datetime.now(UTC), ttl_s=0.0)
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        assert [shown.person.id for shown in (await snapshot(sink)).drivers] == [driver.id]
        await quiet.redis.went_down(ConnectionError("away"))
        change = await change_with(sink, "outages")
        assert change.outages == {CityOutage.POSITIONS}
        assert change.gone_drivers == ()
        quiet.redis.went_up()
        while (found := await sink.next()).outages:  # type: ignore[union-attr]
            assert isinstance(found, CityChange)
            assert found.gone_drivers == ()


async def test_a_driver_stays_on_the_map_between_the_end_of_a_trip_and_the_next_report(quiet: Application) -> None:
    rider, driver = await add_rider(quiet.database), await add_driver(quiet.database)
    trip_id = await add_trip(quiet.database, rider)
    trips = quiet.services.trips
    await trips.update(driver, trip_id=trip_id, status=TripStatus.STARTED)
    await report(quiet, driver)
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        (shown,) = (await snapshot(sink)).drivers
        assert shown.trip_id == trip_id
        await trips.update(driver, trip_id=trip_id, status=TripStatus.IN_PROGRESS)
        await trips.update(driver, trip_id=trip_id, status=TripStatus.COMPLETED)
        change = await change_with(sink, "gone_trips")
        assert change.gone_drivers == ()
        assert [each.trip_id for each in change.drivers] == [None]


@pytest.mark.parametrize("what", ["a snapshot", "a change"])
async def test_the_next_city_is_not_read_while_messages_of_the_last_are_encoded(
    quiet: Application, what: str
) -> None:
    encoding: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def encode_long(message: Message) -> None:
        if isinstance(message.content, CitySnapshot) is (what == "a snapshot") and not encoding.done():
            message.renditions.setdefault("long", SharedResult(encoding, FairQueue()))

    services, sink = quiet.services, RecordingSink(encode_long)
    feed = CityFeed(await add_staff(quiet), services.topics, services.city)
    subscriber = await services.hub.subscribe(feed, sink)
    await snapshot(sink)
    if what == "a change":
        await sink.next()
    # What was under way when the message was delivered is told; then nothing more is read.
    with statements() as seen:
        await until(lambda: services.hub.waiting == 0)
        for _ in range(3):
            await asyncio.sleep(2 * services.city._interval_s)
    assert sink.waiting <= 1
    assert len(seen) <= 1
    while not sink.is_empty:
        await sink.next()
    encoding.set_result(b"")
    assert isinstance(await sink.next(), CityChange)
    subscriber.end()


async def test_a_state_that_came_late_is_told_with_what_changed_meanwhile(
    quiet: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    trip_id = await add_trip(quiet.database, await add_rider(quiet.database))
    read = CityReads.read

    async def slowly(self: CityReads, **asked: Any) -> Any:
        found = await read(self, **asked)
        # It answers while the outage is being told.
        await asyncio.sleep(0.02)
        return found

    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        assert [trip.version for trip in (await snapshot(sink)).trips] == [1]
        monkeypatch.setattr(city_module, "PATIENCE_S", 0.02)
        with patch.object(CityReads, "read", slowly):
            for version in range(2, 6):
                await quiet.database.fetch(
                    "UPDATE trips SET version = $2, updated = {now} WHERE id = $1", trip_id, version
                )
                assert [trip.version for trip in (await change_with(sink, "trips")).trips] == [version]


async def test_a_new_name_of_a_driver_who_stands_still_is_shown(quiet: Application) -> None:
    driver = await add_driver(quiet.database)
    await report(quiet, driver)
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        assert [each.person.id for each in (await snapshot(sink)).drivers] == [driver.id]
        await quiet.database.fetch("UPDATE users SET first_name = 'Renamed' WHERE id = $1", driver.id)
        (told,) = (await change_with(sink, "drivers")).drivers
        assert (told.person.id, told.person.first_name) == (driver.id, "Renamed")


async def test_of_more_drivers_than_fit_some_are_shown_and_it_is_said(
    quiet: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city_module, "MAX_DRIVERS", 2)
    for _ in range(3):
        await report(quiet, await add_driver(quiet.database))
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        found = await snapshot(sink)
        assert (len(found.drivers), found.is_cut) == (2, True)


async def test_a_read_that_hangs_ends_with_the_last_watcher(quiet: Application) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hang(*_: Any, **__: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        await snapshot(sink)
        with patch.object(CityReads, "read", hang):
            await until(begun.is_set)
    await until(ended.is_set)


async def test_no_more_names_are_kept_than_twice_the_drivers_who_are_shown(
    quiet: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city_module, "MAX_DRIVERS", 2)
    # Of those who are read again, any may count as the oldest.
    monkeypatch.setattr(city_module, "NAMES_AT_ONCE", 1)
    async with watching(quiet, [await add_staff(quiet)]) as (sink,):
        await snapshot(sink)
        for _ in range(6):
            driver = await add_driver(quiet.database)
            await report(quiet, driver)
            assert [each.person.id for each in (await change_with(sink, "drivers")).drivers] == [driver.id]
            await quiet.position_store.forget(driver.id, datetime.now(UTC), ttl_s=60.0)
            assert (await change_with(sink, "gone_drivers")).gone_drivers == (driver.id,)
        assert len(quiet.services.city._people) == 4
