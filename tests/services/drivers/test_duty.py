"""Going on and off duty: who may, what is accepted, which positions stay, and what happens at the same time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.standing import Availability, PauseReason
from models.trip_life import TripStatus
from models.visibility import Actor
from services.drivers.faults import OffDuty
from services.errors import SessionEnded
from services.live.messages import PoolSnapshot, TripOffered
from services.live.pool_feed import PoolFeed
from services.positions.reporting import StaleLocation
from services.trips.faults import NotADriver, TripTaken
from tests.services.positions.test_reporting import Town
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import notes
from tests.support.live import RecordingSink
from tests.support.waiting import until

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
COMPLETED, CANCELLED = TripStatus.COMPLETED, TripStatus.CANCELLED
NO_OFFERS = PoolSnapshot((), truncated=False)


def paused(reason: PauseReason) -> PoolSnapshot:
    return PoolSnapshot((), truncated=False, paused=reason)


@pytest.fixture
async def town(settings: Settings) -> AsyncIterator[Town]:
    application = Application(settings.model_copy(update={"location_rate": "off"}))
    async with running(application):
        await application.periodic_jobs.stop()
        yield Town(application)


@pytest.fixture
async def other(settings: Settings, town: Town, backend: str) -> AsyncIterator[Town]:
    """Another process on the same database, where there can be one."""
    if backend == "embedded":
        yield town
        return
    application = Application(settings.model_copy(update={"location_rate": "off"}))
    async with running(application):
        await application.periodic_jobs.stop()
        yield Town(application)


async def goes(town: Town, driver: Actor, *, on_duty: bool) -> None:
    await town.services.duty.set(driver, on_duty=on_duty)


async def availability(town: Town, driver: Actor) -> Availability:
    return (await town.services.standings.of(driver.id)).availability


async def follow_pool(town: Town, driver: Actor) -> RecordingSink:
    sink = RecordingSink()
    feed = PoolFeed(driver, town.services.topics, radius_m=3_000, rules=town.services.driver_rules)
    await town.services.hub.subscribe(feed, sink)
    return sink


# Going on and off duty.


async def test_a_new_driver_is_on_duty_and_stays_as_they_last_said(town: Town) -> None:
    driver = await town.driver()
    assert await availability(town, driver) is Availability.AVAILABLE
    await goes(town, driver, on_duty=False)
    await town.services.sessions.end(driver)
    assert await availability(town, driver) is Availability.OFF_DUTY


async def test_saying_it_again_changes_nothing_and_announces_nothing(town: Town) -> None:
    await town.application.outbox.stop()
    driver = await town.driver()
    for on_duty in (True, False, False, True, True):
        await goes(town, driver, on_duty=on_duty)
    assert len(await notes(town.database)) == 2


async def test_riders_have_no_duty_and_an_ended_session_changes_none(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    with pytest.raises(NotADriver):
        await goes(town, rider, on_duty=False)
    await town.services.sessions.end(driver)
    for on_duty in (True, False):
        with pytest.raises(SessionEnded):
            await goes(town, driver, on_duty=on_duty)
    assert await availability(town, driver) is Availability.AVAILABLE


async def test_on_a_trip_is_derived_from_the_trips_whatever_the_duty(town: Town) -> None:
    driver, trip_id = await town.driver(), await town.request(await town.rider())
    await town.moves(driver, trip_id, STARTED)
    await goes(town, driver, on_duty=False)
    assert await availability(town, driver) is Availability.ON_TRIP
    await town.moves(driver, trip_id, IN_PROGRESS, COMPLETED)
    assert await availability(town, driver) is Availability.OFF_DUTY


# Accepting.


async def test_off_duty_a_driver_cannot_accept_but_finishes_the_trip_under_way(town: Town) -> None:
    driver, rider = await town.driver(), await town.rider()
    trip_id, next_id = await town.request(rider), await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await goes(town, driver, on_duty=False)
    # The same acceptance again succeeds.
    await town.moves(driver, trip_id, STARTED, IN_PROGRESS, COMPLETED)
    with pytest.raises(OffDuty):
        await town.moves(driver, next_id, STARTED)
    await goes(town, driver, on_duty=True)
    await town.moves(driver, next_id, STARTED)


async def test_a_driver_who_is_off_duty_and_too_late_is_told_that_another_was_first(town: Town) -> None:
    driver, trip_id = await town.driver(), await town.request(await town.rider())
    await goes(town, driver, on_duty=False)
    await town.moves(await town.driver(), trip_id, STARTED)
    with pytest.raises(TripTaken):
        await town.moves(driver, trip_id, STARTED)


async def test_of_accepting_and_going_off_duty_at_once_one_is_first_and_the_other_sees_it(
    town: Town, other: Town
) -> None:
    """Never: the driver has gone off duty, and then accepts."""
    for _ in range(10):
        driver, trip_id = await town.driver(), await town.request(await town.rider())
        accepted, _ = await asyncio.gather(
            town.moves(driver, trip_id, STARTED), goes(other, driver, on_duty=False), return_exceptions=True
        )
        if accepted is None:
            assert await availability(town, driver) is Availability.ON_TRIP
        else:
            assert isinstance(accepted, OffDuty)
            assert await availability(town, driver) is Availability.OFF_DUTY


@pytest.mark.parametrize("backend", ["production"])
async def test_an_acceptance_that_waits_for_the_driver_who_goes_off_duty_fails(town: Town, other: Town) -> None:
    driver, trip_id = await town.driver(), await town.request(await town.rider())
    async with other.database.transaction() as transaction:
        await transaction.fetch("UPDATE users SET on_duty = FALSE WHERE id = $1", driver.id)
        accepting = asyncio.create_task(town.moves(driver, trip_id, STARTED))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not await town.database.fetch(waiting):
            assert not accepting.done()
    with pytest.raises(OffDuty):
        await accepting


# Positions.


async def test_off_duty_the_position_is_forgotten_in_all_processes_and_none_is_stored(
    town: Town, other: Town
) -> None:
    driver = await town.driver()
    await town.reports(driver, age_s=2)
    await other.reports(driver, age_s=1)
    await goes(town, driver, on_duty=False)
    assert (await town.last(driver), await other.last(driver)) == (None, None)
    for process in (town, other):
        with pytest.raises(OffDuty):
            await process.reports(driver)
    assert (await town.last(driver), await other.last(driver)) == (None, None)
    await goes(other, driver, on_duty=True)
    await town.reports(driver)
    assert await other.last(driver) is not None


async def test_a_position_from_before_the_end_of_duty_is_never_stored_after_it(town: Town) -> None:
    driver = await town.driver()
    await goes(town, driver, on_duty=False)
    await goes(town, driver, on_duty=True)
    with pytest.raises(StaleLocation):
        await town.reports(driver, age_s=1)
    assert await town.last(driver) is None


async def test_remembered_duty_is_not_used_after_its_end(town: Town, other: Town) -> None:
    driver = await town.driver()
    await town.reports(driver)
    await town.application.active_trips.check()
    with statements() as asked:
        await town.reports(driver)
    assert asked == []
    await goes(other, driver, on_duty=False)
    with pytest.raises(OffDuty):
        await town.reports(driver)
    # Also when only the database knows of it.
    await town.application.active_trips.check()
    await town.database.fetch("UPDATE users SET on_duty = $1 WHERE id = $2", True, driver.id)
    await town.application.active_trips.check()
    await town.reports(driver)
    await town.application.active_trips.check()
    await town.database.fetch("UPDATE users SET on_duty = $1 WHERE id = $2", False, driver.id)
    await town.application.active_trips.check()
    with pytest.raises(OffDuty):
        await town.reports(driver)


@pytest.mark.parametrize("end", [COMPLETED, REQUESTED, CANCELLED])
async def test_off_duty_on_a_trip_positions_go_on_and_are_forgotten_at_its_end(
    town: Town, other: Town, end: TripStatus
) -> None:
    driver, rider = await town.driver(), await town.rider()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await town.reports(driver, age_s=1)
    await goes(town, driver, on_duty=False)
    await town.reports(driver)
    assert await other.last(driver) is not None
    if end is CANCELLED:
        await other.services.trips.update(rider, trip_id=trip_id, status=CANCELLED)
    else:
        await other.moves(driver, trip_id, *([IN_PROGRESS] if end is COMPLETED else []), end)
    assert (await town.last(driver), await other.last(driver)) == (None, None)
    with pytest.raises(OffDuty):
        await town.reports(driver)


async def test_when_a_trip_and_duty_end_at_once_no_position_stays(town: Town, other: Town) -> None:
    for _ in range(10):
        driver, trip_id = await town.driver(), await town.request(await town.rider())
        await town.moves(driver, trip_id, STARTED, IN_PROGRESS)
        await town.reports(driver)
        await asyncio.gather(other.moves(driver, trip_id, COMPLETED), goes(town, driver, on_duty=False))
        assert (await town.last(driver), await other.last(driver)) == (None, None)


# The pool.


async def test_the_pool_is_paused_off_duty_and_on_a_trip_and_one_snapshot_comes_when_that_is_over(
    town: Town, other: Town
) -> None:
    driver, rider = await town.driver(), await town.rider()
    sink = await follow_pool(town, driver)
    assert await sink.next() == NO_OFFERS
    await goes(other, driver, on_duty=False)
    assert await sink.next() == paused(PauseReason.OFF_DUTY)
    trip_id = await town.request(rider)
    await goes(other, driver, on_duty=True)
    (trip,) = (await snapshot(sink)).offers
    await other.moves(driver, trip.id, STARTED)
    assert await sink.next() == paused(PauseReason.ON_TRIP)
    await other.moves(driver, trip_id, IN_PROGRESS, COMPLETED)
    assert await sink.next() == NO_OFFERS
    await town.request(rider)
    assert isinstance(await sink.next(), TripOffered)


async def snapshot(sink: RecordingSink) -> PoolSnapshot:
    content = await sink.next()
    assert isinstance(content, PoolSnapshot)
    return content


async def test_a_change_of_duty_that_was_never_announced_is_swept(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await town.driver()
    sink = await follow_pool(town, driver)
    assert await sink.next() == NO_OFFERS
    # The process dies between the commit and the announcement.
    with monkeypatch.context() as dying:
        dying.setattr(town.application.outbox, "_enqueue", lambda _: None)
        await goes(town, driver, on_duty=False)
    assert len(await notes(town.database)) == 1
    await town.database.fetch(f"UPDATE outbox SET created = {town.database.sql.ago(2)}")
    assert await sink.next() == paused(PauseReason.OFF_DUTY)


async def test_drivers_who_subscribe_together_share_the_statement_for_their_standing(town: Town) -> None:
    drivers = [await town.driver() for _ in range(50)]
    await goes(town, drivers[0], on_duty=False)
    with statements() as asked:
        sinks = await asyncio.gather(*(follow_pool(town, driver) for driver in drivers))
    assert len([sql for sql in asked if "on_duty" in sql]) <= 3
    assert await sinks[0].next() == paused(PauseReason.OFF_DUTY)
    assert [await sink.next() for sink in sinks[1:]] == [NO_OFFERS] * 49


@pytest.mark.usefixtures("topics_do_not_linger_long")
async def test_a_paused_pool_follows_no_cells(town: Town) -> None:
    driver = await town.driver()
    await town.reports(driver)
    await follow_pool(town, driver)
    topics = town.services.hub.topics
    await goes(town, driver, on_duty=False)
    await until(lambda: town.services.hub.topics == 1)
    assert topics > 1
