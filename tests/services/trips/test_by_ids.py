"""Reading many trips and users by their ids."""

import asyncio
from uuid import uuid4

import pytest

from application.application import Application
from services.trips.by_ids import ByIds
from tests.services.trips.test_trips_pages import statements
from tests.support.database_rows import add_driver, add_rider, add_trip


@pytest.fixture
async def by_ids(application: Application) -> ByIds:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return application.services.by_ids


async def test_a_caller_finds_what_they_may_see_and_nothing_else(application: Application, by_ids: ByIds) -> None:
    database = application.database
    rider, other = await add_rider(database), await add_rider(database)
    driver, elsewhere = await add_driver(database), await add_driver(database)
    mine = await add_trip(database, rider, status="STARTED", driver=driver)
    foreign = await add_trip(database, other, status="STARTED", driver=elsewhere)
    waiting = await add_trip(database, other)
    ids = [mine, foreign, waiting, uuid4()]
    people = [person.id for person in (rider, other, driver, elsewhere)]

    assert set(await by_ids.trips(rider, ids)) == {mine}
    # Open to every driver who is not on a trip with it.
    assert set(await by_ids.trips(driver, ids)) == {mine, waiting}
    assert set(await by_ids.users(rider, people)) == {rider.id, driver.id}
    assert set(await by_ids.users(driver, people)) == {rider.id, driver.id}
    assert set(await by_ids.users(other, [rider.id, driver.id])) == set()
    assert (await by_ids.users(driver, people))[rider.id] == rider.user
    assert await by_ids.trips(rider, []) == {}
    assert await by_ids.users(rider, []) == {}


async def test_all_who_ask_in_one_turn_share_a_statement(application: Application, by_ids: ByIds) -> None:
    database = application.database
    riders = [await add_rider(database) for _ in range(3)]
    drivers = [await add_driver(database) for _ in range(3)]
    trips = [
        await add_trip(database, rider, status="STARTED", driver=driver)
        for rider, driver in zip(riders, drivers, strict=True)
    ]
    with statements() as seen:
        found = await asyncio.gather(*(by_ids.trips(rider, trips) for rider in riders))
        known = await asyncio.gather(*(by_ids.users(rider, [each.id for each in drivers]) for rider in riders))
    assert [set(each) for each in found] == [{trip} for trip in trips]
    assert [set(each) for each in known] == [{driver.id} for driver in drivers]
    assert len(seen) == 2
