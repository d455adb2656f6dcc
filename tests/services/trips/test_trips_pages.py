"""Reading trips: who sees which, page by page, in one statement."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest

from application.application import Application
from models.trip_life import TripStatus
from models.values import Role, TripValue
from models.visibility import Actor
from schema.api import cursors
from services.database.connections import Database
from services.errors import BadInput, SessionEnded
from services.trips.commands import Trips
from tests.conftest import LiveServer, SignUp
from tests.support.api import TRIPS, Api
from tests.support.database_rows import add_driver, add_rider, add_trip


@contextmanager
def statements() -> Iterator[list[str]]:
    """All SQL of the block, of every kind."""
    seen: list[str] = []
    run = Database._run

    async def counted(self: Database, connection: Any, sql: str, args: Any) -> Any:
        seen.append(sql)
        return await run(self, connection, sql, args)

    with patch.object(Database, "_run", counted):
        yield seen


@pytest.fixture
async def trips(application: Application) -> Trips:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return application.services.trips


def place(trip: TripValue) -> tuple[Any, UUID]:
    return trip.created, trip.id


async def walk(trips: Trips, actor: Actor, *, first: int, **options: Any) -> list[UUID]:
    """All trips, page by page."""
    seen: list[UUID] = []
    after = None
    while True:
        page = await trips.page(actor, first=first, after=after, **options)
        seen += [trip.id for trip in page.trips]
        if not page.has_next:
            return seen
        assert len(page.trips) == first
        after = place(page.trips[-1])


async def test_a_rider_finds_only_their_own_trips(application: Application, trips: Trips) -> None:
    database = application.database
    rider, other = await add_rider(database), await add_rider(database)
    driver = await add_driver(database)
    mine = await add_trip(database, rider, age_s=1)
    driven = await add_trip(database, rider, status=TripStatus.STARTED, driver=driver)
    await add_trip(database, other)

    assert [t.id for t in (await trips.page(rider)).trips] == [driven, mine]
    found = await trips.find(rider, trip_id=driven)
    assert found is not None
    assert (found.rider, found.driver) == (rider.user, driver.user)
    assert await trips.find(other, trip_id=mine) is None
    assert await trips.find(rider, trip_id=uuid4()) is None


async def test_a_driver_finds_own_and_open_trips_but_none_given_back(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider, driver, other = await add_rider(database), await add_driver(database), await add_driver(database)
    done = await add_trip(database, rider, status=TripStatus.COMPLETED, driver=driver, age_s=5)
    foreign = await add_trip(database, rider, status=TripStatus.STARTED, driver=other, age_s=4)
    given_back = await add_trip(database, rider, given_back_by=driver, age_s=3)
    is_open = await add_trip(database, rider, age_s=2)
    called_off = await add_trip(database, rider, status=TripStatus.CANCELLED, driver=driver, age_s=1)
    await add_trip(database, rider, status=TripStatus.CANCELLED)
    await add_trip(database, rider, status=TripStatus.EXPIRED)

    assert [t.id for t in (await trips.page(driver)).trips] == [called_off, is_open, done]
    assert [t.id for t in (await trips.page(other)).trips] == [is_open, given_back, foreign]
    for trip_id, sees in ((done, True), (is_open, True), (given_back, False), (foreign, False)):
        assert (await trips.find(driver, trip_id=trip_id) is not None) == sees


@pytest.mark.parametrize("role", list(Role))
async def test_pages_follow_one_another_while_trips_are_added_and_change(
    application: Application, trips: Trips, role: Role
) -> None:
    database = application.database
    rider = await add_rider(database)
    reader = rider if role is Role.RIDER else await add_driver(database)
    # Several trips of one moment: the id decides their order.
    made = [await add_trip(database, rider, age_s=100 + i // 3) for i in range(20)]
    await database.fetch("UPDATE trips SET created = (SELECT MIN(created) FROM trips) WHERE id = $1", made[0])
    await database.fetch(f"UPDATE trips SET created = {database.sql.ago(200)} WHERE id IN ($1, $2, $3)", *made[:3])
    whole = await walk(trips, reader, first=100)
    assert len(whole) == 20
    assert set(whole) == set(made)

    first = await trips.page(reader, first=7)
    newer = await add_trip(database, rider)
    seen = [trip.id for trip in first.trips]
    await database.fetch(
        "UPDATE trips SET version = version + 1, updated = {now} WHERE id IN ($1, $2)", whole[3], whole[12]
    )
    second = await trips.page(reader, first=7, after=place(first.trips[-1]))
    seen += [trip.id for trip in second.trips]
    third = await trips.page(reader, first=7, after=place(second.trips[-1]))
    seen += [trip.id for trip in third.trips]

    assert seen == whole
    assert (first.has_next, second.has_next, third.has_next) == (True, True, False)
    assert await walk(trips, reader, first=3) == [newer, *whole]


async def test_a_page_after_a_trip_that_has_left_the_list_begins_at_its_place(
    application: Application, trips: Trips
) -> None:
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    made = [await add_trip(database, rider, age_s=10 - i) for i in range(4)][::-1]
    page = await trips.page(driver, first=2)
    await trips.update(rider, trip_id=made[1], status=TripStatus.CANCELLED)

    rest = await trips.page(driver, first=2, after=place(page.trips[-1]))

    assert [trip.id for trip in rest.trips] == made[2:]


async def test_a_page_may_be_narrowed_to_some_statuses(application: Application, trips: Trips) -> None:
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    by_status = {
        status: await add_trip(database, rider, status=status, driver=None if status in OPEN_OR_GONE else driver)
        for status in TripStatus
        if status is not TripStatus.IN_PROGRESS
    }
    for actor in (rider, driver):
        for status in (TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.COMPLETED):
            assert await walk(trips, actor, first=5, statuses=[status]) == [by_status[status]]
        assert await walk(trips, actor, first=5, statuses=[]) == []
        assert await walk(trips, actor, first=5, statuses=[TripStatus.IN_PROGRESS]) == []
        two = await walk(trips, actor, first=1, statuses=[TripStatus.COMPLETED, TripStatus.REQUESTED])
        assert set(two) == {by_status[TripStatus.COMPLETED], by_status[TripStatus.REQUESTED]}
    assert await walk(trips, rider, first=5, statuses=[TripStatus.EXPIRED]) == [by_status[TripStatus.EXPIRED]]


OPEN_OR_GONE = (TripStatus.REQUESTED, TripStatus.EXPIRED)


async def test_a_status_that_is_listed_thousands_of_times_counts_once(
    application: Application, trips: Trips
) -> None:
    rider = await add_rider(application.database)
    trip_id = await add_trip(application.database, rider)

    assert await walk(trips, rider, first=5, statuses=[TripStatus.REQUESTED] * 40_000) == [trip_id]


async def test_a_page_has_from_none_to_a_hundred_trips(application: Application, trips: Trips) -> None:
    rider = await add_rider(application.database)
    for _ in range(3):
        await add_trip(application.database, rider)

    empty = await trips.page(rider, first=0)
    assert (empty.trips, empty.has_next) == ((), True)
    assert len((await trips.page(rider, first=100)).trips) == 3
    assert not (await trips.page(rider, first=3)).has_next
    for first in (-1, 101):
        with pytest.raises(BadInput) as refusal:
            await trips.page(rider, first=first)
        assert refusal.value.field == ("first",)


async def people_with_trips(application: Application, count: int) -> tuple[Actor, Actor]:
    """A rider with this many trips, each with another driver, and a driver with as many, each of another rider."""
    database = application.database
    rider, driver = await add_rider(database), await add_driver(database)
    for _ in range(count):
        await add_trip(database, rider, status=TripStatus.COMPLETED, driver=await add_driver(database))
        await add_trip(database, await add_rider(database), status=TripStatus.COMPLETED, driver=driver)
    return rider, driver


async def test_a_page_of_100_trips_with_their_people_is_one_statement(
    application: Application, trips: Trips
) -> None:
    for count in (1, 100):
        for actor in await people_with_trips(application, count):
            with statements() as seen:
                page = await trips.page(actor, first=100)

            assert len(page.trips) == count
            assert len({trip.rider.id for trip in page.trips}) in (1, count)
            assert len({trip.driver.id for trip in page.trips if trip.driver}) in (1, count)
            assert len(seen) == 1


@pytest.mark.attack("access")
@pytest.mark.parametrize("has_trips", [True, False])
async def test_in_an_ended_session_there_is_no_page(
    application: Application, trips: Trips, has_trips: bool
) -> None:
    database = application.database
    for actor in (await add_rider(database), await add_driver(database)):
        if has_trips:
            await add_trip(database, actor if actor.user.role is Role.RIDER else await add_rider(database))
        assert len((await trips.page(actor)).trips) == has_trips
        await database.fetch("UPDATE users SET is_active = $2 WHERE id = $1", actor.id, False)
        with pytest.raises(SessionEnded):
            await trips.page(actor)
        # A driver sees the open trips of all riders.
        await database.fetch("DELETE FROM trips")


async def person_with_trips(live_server: LiveServer, api: Api, count: int) -> None:
    database = live_server.application.database
    (row,) = await database.fetch("SELECT id FROM users WHERE id = $1", UUID(api.user["id"]))
    rider = await add_rider(database)
    for _ in range(count):
        trip_id = await add_trip(database, rider, status=TripStatus.COMPLETED, driver=await add_driver(database))
        await database.fetch("UPDATE trips SET rider_id = $1 WHERE id = $2", row["id"], trip_id)


@pytest.mark.parametrize("count", [1, 100])
async def test_the_query_for_100_trips_reads_trips_once(
    live_server: LiveServer, person: SignUp, count: int
) -> None:
    rider = await person("RIDER")
    await live_server.application.periodic_jobs.stop()
    await live_server.application.outbox.stop()
    await person_with_trips(live_server, rider, count)

    with statements() as seen:
        page = await rider.data(TRIPS, first=100)

    assert len(page["nodes"]) == count
    assert all(trip["driver"]["username"] and trip["rider"]["username"] for trip in page["nodes"])
    assert len([sql for sql in seen if "trips" in sql]) == 1
    assert len([sql for sql in seen if "trips" not in sql]) == 1, "and the session once"


async def test_the_pool_sees_no_user_names_and_the_parties_do(rider: Api, driver: Api, person: SignUp) -> None:
    trip = await rider.create_trip()

    (offer,) = (await driver.data(TRIPS))["nodes"]
    assert (offer["id"], offer["rider"]["username"]) == (trip["id"], None)
    assert offer["rider"]["firstName"] == rider.user["firstName"]
    await driver.update_trip(trip["id"], "STARTED")
    (accepted,) = (await driver.data(TRIPS))["nodes"]
    assert accepted["rider"]["username"] == rider.user["username"]
    (mine,) = (await rider.data(TRIPS))["nodes"]
    assert mine["driver"]["username"] == driver.user["username"]
    assert (await (await person("DRIVER")).data(TRIPS))["nodes"] == []


async def test_cursors_lead_through_the_whole_list_and_bad_ones_are_refused(rider: Api) -> None:
    made = [(await rider.create_trip())["id"] for _ in range(5)][::-1]
    seen: list[str] = []
    cursor = None
    for has_next in (True, True, False):
        page = await rider.data(TRIPS, first=2, after=cursor)
        info = page["pageInfo"]
        assert (info["hasNextPage"], info["hasPreviousPage"]) == (has_next, cursor is not None)
        assert [edge["node"]["id"] for edge in page["edges"]] == [node["id"] for node in page["nodes"]]
        assert (info["startCursor"], info["endCursor"]) == (
            page["edges"][0]["cursor"],
            page["edges"][-1]["cursor"],
        )
        seen += [node["id"] for node in page["nodes"]]
        cursor = info["endCursor"]
    assert seen == made

    for text in (
        "",
        "|",
        "yesterday|" + str(uuid4()),
        "2026-11-23T01:02:03|" + str(uuid4()),
        "2026-11-23T00:00Z|x",
    ):
        assert await rider.code(TRIPS, after=base64.urlsafe_b64encode(text.encode()).decode()) == "BAD_USER_INPUT"
    for raw in ("%%%", "é", "AAA", base64.urlsafe_b64encode(b"\xff\xfe").decode()):
        assert await rider.code(TRIPS, after=raw) == "BAD_USER_INPUT"
    assert len((await rider.data(TRIPS))["nodes"]) == 5


async def test_a_cursor_is_exact_to_the_microsecond(application: Application, trips: Trips) -> None:
    rider = await add_rider(application.database)
    await add_trip(application.database, rider)
    (trip,) = (await trips.page(rider)).trips

    assert cursors.decode(cursors.encode(trip)) == place(trip)
    assert (await trips.page(rider, after=cursors.decode(cursors.encode(trip)))).trips == ()
