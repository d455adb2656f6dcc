"""Who wins simultaneous changes. Every race runs on SQLite and on PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from typing import Any
from uuid import UUID

import pytest

from application.application import Application
from models.trip_life import TripStatus
from models.values import Role, TripValue
from models.visibility import Actor
from services.accounts.deletion import TripUnderWay
from services.accounts.passwords import Passwords
from services.database.connections import Database
from services.database.dialects import uuid
from services.errors import SessionEnded
from services.events.outbox import OutboxTransaction
from services.staff.staff import StaffMember
from services.trips.commands import Trips
from services.trips.faults import (
    DriverBusy,
    IllegalTransition,
    TooEarly,
    TripCancelled,
    TripNotFound,
    TripTaken,
)
from tests.services.staff.test_operator import operator_of
from tests.support.api import PASSWORD
from tests.support.database_rows import (
    add_driver,
    add_person,
    add_rider,
    add_trip,
    noted_trips,
    set_staff,
    trip_row,
)
from tests.support.processes import HASH_MEMORY_KIB
from tests.support.waiting import until

DRIVERS = 20
# Each driver is the first in the queue twice.
RACES = 2 * DRIVERS

HASH = Passwords(concurrency=1, memory_kib=HASH_MEMORY_KIB)._hasher.hash(PASSWORD)  # pyright: ignore[reportPrivateUsage]

Outcome = type[Exception] | TripStatus


@pytest.fixture
async def trips(application: Application) -> Trips:
    """The use cases, without background work: notes stay."""
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return application.services.trips


async def outcome(trips: Trips, actor: Actor, trip_id: UUID, status: TripStatus) -> Outcome:
    """The status that the actor got, or the error."""
    try:
        return (await trips.update(actor, trip_id=trip_id, status=status)).status
    except Exception as error:  # the test compares them all
        return type(error)


async def race(trips: Trips, entries: Sequence[tuple[Actor, TripStatus]], trip_id: UUID) -> list[Outcome]:
    return await asyncio.gather(*(outcome(trips, actor, trip_id, status) for actor, status in entries))


async def test_only_one_of_twenty_drivers_wins_each_race(application: Application, trips: Trips) -> None:
    database = application.database
    rider = await add_rider(database)
    drivers = [await add_driver(database) for _ in range(DRIVERS)]
    wins: Counter[UUID] = Counter()
    for number in range(RACES):
        trip_id = await add_trip(database, rider)
        # Each race has another driver first in the queue.
        entrants = drivers[number % DRIVERS :] + drivers[: number % DRIVERS]

        outcomes = await race(trips, [(driver, TripStatus.STARTED) for driver in entrants], trip_id)

        assert Counter(outcomes) == {TripStatus.STARTED: 1, TripTaken: DRIVERS - 1}
        row = await trip_row(database, trip_id)
        winner = entrants[outcomes.index(TripStatus.STARTED)]
        assert (row["status"], row["version"], uuid(row["driver_id"])) == ("STARTED", 2, winner.id)
        wins[winner.id] += 1
        await database.fetch("UPDATE trips SET status = 'COMPLETED' WHERE id = $1", trip_id)
    assert wins.total() == RACES
    assert len(await noted_trips(database)) == RACES, "one change each was noted, and no other"


async def test_of_a_cancellation_and_an_acceptance_the_later_one_learns_of_the_other(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider = await add_rider(database)
    for number in range(40):
        drivers = [await add_driver(database) for _ in range(3)]
        trip_id = await add_trip(database, rider)
        entries = [(driver, TripStatus.STARTED) for driver in drivers]
        entries.insert(number % 4, (rider, TripStatus.CANCELLED))

        outcomes = await race(trips, entries, trip_id)

        # A rider may cancel before and after the acceptance: that always succeeds, in either order.
        assert outcomes.pop(number % 4) is TripStatus.CANCELLED
        row = await trip_row(database, trip_id)
        accepted = outcomes.count(TripStatus.STARTED)
        assert accepted in (0, 1)
        assert (row["status"], row["version"]) == ("CANCELLED", 2 + accepted)
        assert (row["driver_id"] is not None) == bool(accepted)
        assert set(outcomes) <= {TripStatus.STARTED, TripTaken, TripCancelled}
        if not accepted:
            assert set(outcomes) == {TripCancelled}


async def test_of_a_start_and_a_cancellation_exactly_one_happens(application: Application, trips: Trips) -> None:
    database = application.database
    rider = await add_rider(database)
    for number in range(40):
        driver = await add_driver(database)
        trip_id = await add_trip(database, rider, status=TripStatus.STARTED, driver=driver)
        entries = [(driver, TripStatus.IN_PROGRESS), (rider, TripStatus.CANCELLED)]

        outcomes = await race(trips, entries if number % 2 else entries[::-1], trip_id)

        row = await trip_row(database, trip_id)
        assert row["version"] == 2
        # A rider who is in the car may cancel only if the driver is silent.
        refusal = TooEarly if row["status"] == TripStatus.IN_PROGRESS else IllegalTransition
        assert {TripStatus(str(row["status"])), refusal} == set(outcomes)


async def test_a_trip_given_back_while_others_accept_has_one_driver_or_none(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider = await add_rider(database)
    for number in range(40):
        drivers = [await add_driver(database) for _ in range(4)]
        first, others = drivers[0], drivers[1:]
        trip_id = await add_trip(database, rider, status=TripStatus.STARTED, driver=first)
        entries = [(driver, TripStatus.STARTED) for driver in others]
        entries.insert(number % 4, (first, TripStatus.REQUESTED))

        outcomes = await race(trips, entries, trip_id)

        assert outcomes.pop(number % 4) is TripStatus.REQUESTED
        row = await trip_row(database, trip_id)
        accepted = outcomes.count(TripStatus.STARTED)
        assert accepted in (0, 1)
        assert row["status"] == ("STARTED" if accepted else "REQUESTED")
        assert row["version"] == 2 + accepted
        assert str(row["given_back_by"]).split() == [str(first.id)]
        assert set(outcomes) <= {TripStatus.STARTED, TripTaken}
        if accepted:
            assert uuid(row["driver_id"]) == others[outcomes.index(TripStatus.STARTED)].id


async def test_two_simultaneous_equal_changes_are_made_once(application: Application, trips: Trips) -> None:
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    trip_id = await add_trip(database, rider)
    for status in (TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.COMPLETED):
        before = len(await noted_trips(database))

        assert await race(trips, [(driver, status)] * 8, trip_id) == [status] * 8

        assert len(await noted_trips(database)) == before + 1
    assert (await trip_row(database, trip_id))["version"] == 4


async def test_a_driver_who_accepts_twenty_trips_simultaneously_gets_one(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    trip_ids = [await add_trip(database, rider) for _ in range(20)]

    outcomes = await asyncio.gather(*(outcome(trips, driver, each, TripStatus.STARTED) for each in trip_ids))

    assert Counter(outcomes) == {TripStatus.STARTED: 1, DriverBusy: 19}


async def test_a_driver_who_gives_back_and_accepts_simultaneously_never_has_the_trip_again(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider = await add_rider(database)
    for _ in range(20):
        driver = await add_driver(database)
        trip_id = await add_trip(database, rider, status=TripStatus.STARTED, driver=driver)

        outcomes = await race(trips, [(driver, TripStatus.REQUESTED), (driver, TripStatus.STARTED)], trip_id)

        assert outcomes[0] is TripStatus.REQUESTED
        # Before the give-back it is a repetition; after it, the trip is invisible.
        assert outcomes[1] in (TripStatus.STARTED, TripNotFound)
        assert (await trip_row(database, trip_id))["status"] == "REQUESTED"


# The session ends, or the account is deleted, during a write in it.


async def apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a separate context: not in the transaction of this task."""
    return await asyncio.get_running_loop().create_task(work, context=Context())


async def waits_for_locks(database: Database, *, count: int = 1) -> None:
    """Return when this many statements wait for others in PostgreSQL."""
    sql = (
        "SELECT count(*) AS count FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    async def wait() -> bool:
        (row,) = await apart(database.fetch(sql))
        return row["count"] >= count

    await until(wait)


@pytest.mark.attack("abuse")
async def test_a_deleted_account_has_no_active_trip_whatever_its_other_requests_do(
    application: Application, trips: Trips
) -> None:
    database, services = application.database, application.services
    went: Counter[str] = Counter()
    for number in range(40):
        role = Role.RIDER if number % 2 else Role.DRIVER
        actor = await add_person(database, role)
        await database.fetch("UPDATE users SET password_hash = $2 WHERE id = $1", actor.id, HASH)
        trip_id = await add_trip(database, await add_rider(database))

        async def write(actor: Actor = actor, trip_id: UUID = trip_id, pause: int = number % 5) -> Any:
            # A thread compares the hash: about as long as these.
            await asyncio.sleep(pause * 0.001)
            if actor.user.role is Role.DRIVER:
                return await trips.update(actor, trip_id=trip_id, status=TripStatus.STARTED)
            return await trips.request(actor, pick_up_address="Here", drop_off_address="There")

        written, deleted = await asyncio.gather(
            write(), services.deletions.delete(actor, password=PASSWORD), return_exceptions=True
        )

        active = await database.fetch(
            "SELECT id FROM trips WHERE (rider_id = $1 OR driver_id = $1) "
            "AND status IN ('REQUESTED', 'STARTED', 'IN_PROGRESS')",
            actor.id,
        )
        if deleted is None:
            assert not active
            assert isinstance(written, SessionEnded | TripValue)
        else:
            assert isinstance(deleted, TripUnderWay)
            assert len(active) == 1
        went[f"{type(written).__name__} {type(deleted).__name__}"] += 1
    assert len(went) > 1, went


Ending = Callable[[Application, OutboxTransaction, Actor], Awaitable[object]]
Writing = Callable[[Application, Actor, UUID], Coroutine[Any, Any, object]]


async def log_out(_: Application, transaction: OutboxTransaction, actor: Actor) -> None:
    await transaction.fetch("DELETE FROM sessions WHERE id = $1", actor.session_id)


async def log_out_everywhere(application: Application, transaction: OutboxTransaction, actor: Actor) -> None:
    await application.services.sessions.hold(transaction, actor)
    await application.services.sessions.end_all(transaction, actor.id)


async def deactivate(application: Application, transaction: OutboxTransaction, actor: Actor) -> None:
    await transaction.fetch("UPDATE users SET is_active = $2 WHERE id = $1", actor.id, False)
    await application.services.sessions.end_all(transaction, actor.id)


async def accept(application: Application, actor: Actor, trip_id: UUID) -> object:
    return await application.services.trips.update(actor, trip_id=trip_id, status=TripStatus.STARTED)


async def change_name(application: Application, actor: Actor, _: UUID) -> object:
    return await application.services.profiles.update(actor, first_name="Changed")


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["production"], indirect=True)
@pytest.mark.parametrize("write", [accept, change_name])
@pytest.mark.parametrize("end", [log_out, log_out_everywhere, deactivate])
async def test_a_write_waits_for_an_end_of_its_session_that_is_not_committed_yet(
    application: Application, trips: Trips, end: Ending, write: Writing
) -> None:
    database = application.database
    driver = await add_driver(database)
    trip_id = await add_trip(database, await add_rider(database))
    async with application.outbox.transaction() as transaction:
        await end(application, transaction, driver)
        writing = asyncio.create_task(apart(write(application, driver, trip_id)))
        await waits_for_locks(database)
    with pytest.raises(SessionEnded):
        await writing
    assert (await trip_row(database, trip_id))["status"] == "REQUESTED"
    (row,) = await database.fetch("SELECT first_name FROM users WHERE id = $1", driver.id)
    assert row["first_name"] == driver.user.first_name


@pytest.mark.attack("abuse")
@pytest.mark.parametrize("backend", ["production"], indirect=True)
@pytest.mark.parametrize("role", Role)
async def test_a_deletion_waits_for_a_write_that_is_not_committed_yet_and_sees_it(
    application: Application, trips: Trips, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = application.database
    monkeypatch.setattr(trips._writes, "open_trips_per_rider", 5)
    actor = await add_person(database, role)
    await database.fetch("UPDATE users SET password_hash = $2 WHERE id = $1", actor.id, HASH)
    trip_id = await add_trip(database, await add_rider(database))
    async with database.transaction() as transaction:
        # The write has found its session live, and waits for the lock that this transaction holds.
        if role is Role.RIDER:
            await transaction.fetch("SELECT open_trips_of($1)", actor.id)
            write = trips.request(actor, pick_up_address="Here", drop_off_address="There")
        else:
            await transaction.fetch("SELECT id FROM trips WHERE id = $1 FOR UPDATE", trip_id)
            write = trips.update(actor, trip_id=trip_id, status=TripStatus.STARTED)
        writing = asyncio.create_task(apart(write))
        await waits_for_locks(database)
        deleting = asyncio.create_task(apart(application.services.deletions.delete(actor, password=PASSWORD)))
        await waits_for_locks(database, count=2)
    written = await writing
    if role is Role.RIDER:
        await deleting
        assert (await trip_row(database, written.id))["status"] == "CANCELLED"
    else:
        assert written.status is TripStatus.STARTED
        with pytest.raises(TripUnderWay):
            await deleting


@pytest.mark.parametrize("other_way", ["deleteMe", "revoke-staff"])
async def test_of_the_last_two_members_of_staff_who_leave_at_once_one_stays(
    application: Application, other_way: str
) -> None:
    database, deletions = application.database, application.services.deletions
    for _ in range(10):
        one, other = [await add_rider(database) for _ in range(2)]
        for actor in (one, other):
            await set_staff(database, actor.id)
            await database.fetch("UPDATE users SET password_hash = $2 WHERE id = $1", actor.id, HASH)
        leaving = (
            deletions.delete(other, password=PASSWORD)
            if other_way == "deleteMe"
            else operator_of(application).revoke_staff(username=other.user.username)
        )

        outcomes = await asyncio.gather(deletions.delete(one, password=PASSWORD), leaving, return_exceptions=True)

        assert sorted(type(each).__name__ for each in outcomes) == ["LastOfStaff", "NoneType"]
        rows = await database.fetch("SELECT id FROM users WHERE is_staff = $1 AND is_active = $1", True)
        assert len(rows) == 1
        await database.fetch("UPDATE users SET is_staff = $1", False)


async def test_of_two_members_of_staff_who_deactivate_each_other_one_succeeds(
    application: Application,
) -> None:
    database, staff = application.database, application.staff
    for _ in range(10):
        members = [StaffMember(await add_rider(database)) for _ in range(2)]
        for member in members:
            await set_staff(database, member.actor.id)
        one, other = members

        outcomes = await asyncio.gather(
            staff.deactivate(one, user_id=other.actor.id),
            staff.deactivate(other, user_id=one.actor.id),
            return_exceptions=True,
        )

        assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "NotStaff"]
        rows = await database.fetch("SELECT id FROM users WHERE is_staff = $1 AND is_active = $1", True)
        assert len(rows) == 1
        await database.fetch("UPDATE users SET is_staff = $1", False)
