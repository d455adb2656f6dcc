"""A position needs no statement if the driver's session and trip are remembered; remembered data is correct."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.trip_life import Party, TripStatus
from models.values import Role
from models.visibility import Actor
from services.accounts.new_passwords import NewPasswords
from services.database.connections import Database
from services.errors import SessionEnded
from services.events import leases as leases_module
from services.events import outbox as outbox_module
from services.events.leases import SharedLeases
from services.positions import active_trips as active_trips_module
from services.staff.staff import StaffMember
from tests.services.positions.test_reporting import Town
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_person, add_trip, set_staff
from tests.support.waiting import PATIENCE_S, until

STARTED, IN_PROGRESS, COMPLETED = TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.COMPLETED


@asynccontextmanager
async def of(settings: Settings) -> AsyncIterator[Town]:
    """A server without jobs and announcements: no process receives an event."""
    application = Application(settings.model_copy(update={"location_rate": "off"}))
    async with running(application):
        await application.periodic_jobs.stop()
        await application.outbox.stop()
        yield Town(application)


@pytest.fixture
async def town(settings: Settings) -> AsyncIterator[Town]:
    async with of(settings) as town:
        yield town


@pytest.fixture
async def other(settings: Settings, town: Town) -> AsyncIterator[Town]:
    """Another server, if the backend allows it; otherwise the same."""
    if settings.redis_url is None:
        yield town
        return
    async with of(settings) as other:
        yield other


async def stamp(town: Town, driver: Actor) -> UUID | None:
    """The trip in the stamp of a position that is reported now."""
    await town.reports(driver)
    found = await town.last(driver)
    assert found is not None
    return found.trip_id


async def is_known(town: Town, driver: Actor) -> bool:
    """Whether a report costs no statement."""
    with statements() as seen:
        await town.reports(driver)
    return not seen


async def known(town: Town, driver: Actor) -> None:
    """Make the driver known: a driver who has reported is looked up."""

    async def is_known_now() -> bool:
        if await is_known(town, driver):
            return True
        await town.application.active_trips.check()
        return False

    await until(is_known_now)


async def on_a_trip(town: Town) -> tuple[Actor, Actor, UUID]:
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await known(town, driver)
    assert await stamp(town, driver) == trip_id
    return rider, driver, trip_id


# The cost.


async def test_soon_the_positions_of_a_driver_cost_no_statement(settings: Settings) -> None:
    application = Application(settings.model_copy(update={"location_rate": "off"}))
    async with running(application):
        town = Town(application)
        driver = await town.driver()

        async def is_free() -> bool:
            with statements() as seen:
                await town.reports(driver)
            return not [sql for sql in seen if "asked JOIN sessions" in sql]

        await until(is_free)


async def test_remembered_drivers_are_checked_by_one_statement_that_returns_only_changes(town: Town) -> None:
    drivers = [await town.driver() for _ in range(10)]
    trip_id = await add_trip(town.database, await town.rider(), status=STARTED, driver=drivers[0])
    for driver in drivers:
        await known(town, driver)
    rows: list[int] = []
    run = Database._run  # pyright: ignore[reportPrivateUsage]

    async def counted(self: Database, connection: Any, sql: str, args: Any) -> Any:
        found = await run(self, connection, sql, args)
        rows.append(len(found))
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Database, "_run", counted)
        await town.application.active_trips.check()
    assert rows == [0]
    assert await stamp(town, drivers[0]) == trip_id
    assert await stamp(town, drivers[1]) is None


async def test_a_report_that_waits_for_the_database_is_not_overtaken_by_the_next(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await town.driver()
    await town.reports(driver, age_s=3)
    fetch, asked, going_on = town.database.fetch, asyncio.Event(), asyncio.Event()

    async def held(sql: str, *args: object) -> Any:
        asked.set()
        await going_on.wait()
        return await fetch(sql, *args)

    with monkeypatch.context() as patched:
        patched.setattr(town.database, "fetch", held)
        first = asyncio.create_task(town.reports(driver, 1, age_s=2))
        await asked.wait()
    await town.application.active_trips.check()
    second = asyncio.create_task(town.reports(driver, 2, age_s=1))
    await asyncio.sleep(0)
    going_on.set()

    await asyncio.gather(first, second)


async def test_a_report_is_not_overtaken_even_if_the_next_is_answered_first(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = await town.driver()
    await town.reports(driver, age_s=3)
    fetch, first_asks, others_answered = town.database.fetch, asyncio.Event(), asyncio.Event()
    asked = 0

    async def in_another_order(sql: str, *args: object) -> Any:
        nonlocal asked
        asked += 1
        if asked > 1:
            rows = await fetch(sql, *args)
            others_answered.set()
            return rows
        first_asks.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await others_answered.wait()
        return await fetch(sql, *args)

    monkeypatch.setattr(town.database, "fetch", in_another_order)
    first = asyncio.create_task(town.reports(driver, 1, age_s=2))
    await first_asks.wait()
    await asyncio.gather(first, town.reports(driver, 2, age_s=1))


async def test_a_driver_who_stops_reporting_is_forgotten(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = await town.driver()
    await known(town, driver)
    monkeypatch.setattr(active_trips_module, "IDLE_S", -1.0)
    with statements() as seen:
        await town.application.active_trips.check()
    assert seen == []
    assert not await is_known(town, driver)


async def test_no_more_drivers_are_remembered_than_may_be(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(active_trips_module, "MAX_REMEMBERED", 2)
    drivers = [await town.driver() for _ in range(3)]
    for driver in drivers:
        await town.reports(driver)
    await town.application.active_trips.check()
    assert [await is_known(town, driver) for driver in reversed(drivers)] == [True, True, False]


# A trip begins and ends.


async def test_each_change_of_a_trip_is_in_the_next_position_even_if_no_event_has_arrived(
    town: Town, other: Town
) -> None:
    rider, driver = await town.rider(), await town.driver()
    await known(town, driver)
    for _ in range(2):
        trip_id = await other.request(rider)
        for status, stamped in ((STARTED, trip_id), (IN_PROGRESS, trip_id), (COMPLETED, None)):
            await other.moves(driver, trip_id, status)
            assert await stamp(town, driver) == stamped
            await known(town, driver)
            assert await stamp(town, driver) == stamped


async def give_back(town: Town, rider: Actor, driver: Actor, trip_id: UUID) -> None:
    await town.moves(driver, trip_id, TripStatus.REQUESTED)


async def rider_cancels(town: Town, rider: Actor, driver: Actor, trip_id: UUID) -> None:
    await town.moves(rider, trip_id, TripStatus.CANCELLED)


async def staff_cancels(town: Town, rider: Actor, driver: Actor, trip_id: UUID) -> None:
    member = await staff(town)
    await town.application.staff.cancel_trip(member, trip_id=trip_id, reason="")


async def rider_is_deleted(town: Town, rider: Actor, driver: Actor, trip_id: UUID) -> None:
    async with town.application.outbox.transaction() as transaction:
        # In the same way as the deletion of an account.
        await town.services.trips.move(
            transaction, trip_id=trip_id, status=TripStatus.CANCELLED, by=Party.RIDER, user_id=rider.id
        )


async def staff(town: Town) -> StaffMember:
    actor = await add_person(town.database, Role.RIDER)
    await set_staff(town.database, actor.id)
    return StaffMember(actor)


@pytest.mark.attack("access")
@pytest.mark.parametrize("end", [give_back, rider_cancels, staff_cancels, rider_is_deleted])
async def test_a_trip_that_anybody_ends_is_ended_for_the_next_position_on_every_server(
    town: Town, other: Town, end: Callable[..., Awaitable[None]]
) -> None:
    rider, driver, trip_id = await on_a_trip(town)

    await end(other, rider, driver, trip_id)

    assert await stamp(town, driver) is None


async def test_a_trip_that_ends_during_its_look_up_is_not_remembered(
    town: Town, other: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is committed between the look-up in the database and the storing of its result."""
    rider, driver = await town.rider(), await town.driver()
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED)
    await town.reports(driver)
    fetch = town.database.fetch

    async def overtaken(sql: str, *args: object) -> Any:
        rows = await fetch(sql, *args)
        monkeypatch.undo()
        await other.moves(rider, trip_id, TripStatus.CANCELLED)
        return rows

    monkeypatch.setattr(town.database, "fetch", overtaken)
    await town.application.active_trips.check()

    assert await stamp(town, driver) is None


@pytest.mark.parametrize("backend", ["production"])
async def test_while_a_trip_is_being_ended_nothing_is_remembered(
    town: Town, other: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up in the database comes between the beginning of a change and its commit."""
    rider, driver, trip_id = await on_a_trip(town)
    begin_change = other.application.leases.begin_change

    async def overtaken(user_ids: Collection[UUID]) -> bool:
        told = await begin_change(user_ids)
        assert await stamp(town, driver) == trip_id
        await town.application.active_trips.check()
        return told

    monkeypatch.setattr(other.application.leases, "begin_change", overtaken)
    await other.moves(rider, trip_id, TripStatus.CANCELLED)

    assert await stamp(town, driver) is None


@pytest.mark.parametrize("backend", ["production"])
async def test_after_the_commit_no_position_is_sent_even_if_the_process_that_ended_the_trip_is_frozen(
    town: Town, other: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, driver, trip_id = await on_a_trip(town)
    await other.moves(driver, trip_id, IN_PROGRESS)
    await known(town, driver)
    fetch = other.database.fetch
    stamps: list[UUID | None] = []

    async def committed(sql: str, *args: object) -> Any:
        rows = await fetch(sql, *args)
        stamps.append(await stamp(town, driver))
        return rows

    monkeypatch.setattr(other.database, "fetch", committed)
    await other.moves(driver, trip_id, COMPLETED)

    # The commit, and the question whether the driver is off duty.
    assert stamps == [None, None]


async def test_a_change_that_was_never_announced_is_found_within_a_second(town: Town) -> None:
    _, driver, trip_id = await on_a_trip(town)
    await town.database.fetch("UPDATE trips SET status = 'COMPLETED' WHERE id = $1", trip_id)
    await town.application.active_trips.check()
    assert await stamp(town, driver) is None


async def test_remembered_data_that_was_not_checked_in_time_is_not_used(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, driver, trip_id = await on_a_trip(town)
    monkeypatch.setattr(active_trips_module, "MAX_UNCHECKED_S", 0.0)
    await town.database.fetch("UPDATE trips SET status = 'COMPLETED' WHERE id = $1", trip_id)
    assert await stamp(town, driver) is None


# A session ends.


async def log_out(town: Town, driver: Actor) -> None:
    await town.services.sessions.end(driver)


async def log_out_everywhere(town: Town, driver: Actor) -> None:
    await town.services.sessions.end(driver, everywhere=True)


async def change_password(town: Town, driver: Actor) -> None:
    application = town.application
    new_passwords = NewPasswords(
        application.outbox, application.shield, sessions=town.services.sessions, letters=application.letters
    )
    await new_passwords.change(driver, old_hash="", new_hash="another")


async def log_in_anew(town: Town, driver: Actor) -> None:
    token_hash = hashlib.sha256(b"token").hexdigest()
    await town.database.fetch("UPDATE sessions SET token_hash = $2 WHERE id = $1", driver.session_id, token_hash)
    await town.services.sessions.begin(driver.user, replaces="token")


async def deactivation(town: Town, driver: Actor) -> None:
    await town.application.staff.deactivate(await staff(town), user_id=driver.id)


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("end", [log_out, log_out_everywhere, change_password, log_in_anew, deactivation])
async def test_in_an_ended_session_no_position_is_accepted_even_if_no_event_has_arrived(
    town: Town, other: Town, end: Callable[[Town, Actor], Awaitable[None]]
) -> None:
    driver = await town.driver()
    await known(town, driver)
    before = await town.last(driver)

    await end(other, driver)

    for _ in range(2):
        with pytest.raises(SessionEnded):
            await town.reports(driver, 1)
    assert await town.last(driver) == before


async def test_an_expired_session_ends_for_positions_too(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is not forgotten for another reason.
    monkeypatch.setattr(active_trips_module, "MAX_UNCHECKED_S", 60.0)
    driver = await town.driver()
    age = town.database.sql.ago(town.application.settings.session_max_age_s - 1)
    await town.database.fetch(f"UPDATE sessions SET created = {age} WHERE id = $1", driver.session_id)
    await known(town, driver)

    async def has_ended() -> bool:
        try:
            await town.reports(driver)
        except SessionEnded:
            return True
        return False

    await until(has_ended)


# Redis.


@pytest.mark.parametrize("backend", ["production"])
async def test_a_process_without_redis_answers_when_the_others_have_noticed_the_end(
    town: Town, other: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (leases_module, outbox_module, active_trips_module):
        monkeypatch.setattr(module, "MAX_UNCHECKED_S", 0.3)
    rider, driver, trip_id = await on_a_trip(town)
    assert isinstance(other.application.leases, SharedLeases)

    async def cut_off(_: object) -> bool:
        return False

    monkeypatch.setattr(other.application.leases, "begin_change", cut_off)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await other.moves(rider, trip_id, TripStatus.CANCELLED)

    assert loop.time() - began >= 0.3
    assert await stamp(town, driver) is None
    # The new trip is not awaited: the rider may receive positions a little later.
    next_id = await other.request(rider)
    for module in (leases_module, outbox_module, active_trips_module):
        monkeypatch.setattr(module, "MAX_UNCHECKED_S", 60)
    async with asyncio.timeout(PATIENCE_S):
        await other.moves(driver, next_id, STARTED)


@pytest.mark.parametrize("backend", ["production"])
async def test_remembered_data_is_not_used_after_redis_has_failed(town: Town, other: Town) -> None:
    _, driver, trip_id = await on_a_trip(town)
    await town.database.fetch("UPDATE trips SET status = 'COMPLETED' WHERE id = $1", trip_id)
    town.application.redis.failed("away for a moment")
    assert await stamp(town, driver) is None
