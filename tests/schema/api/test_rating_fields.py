"""Ratings through the API: who sees which, over queries and shared subscriptions."""

from typing import Any

import pytest

from models.trip_life import TripStatus
from models.visibility import Actor
from tests.conftest import LiveServer, SignUp
from tests.services.trips.test_trips_pages import statements
from tests.support.api import Api, open_socket
from tests.support.database_rows import add_driver, add_rider, add_trip

RATE = """mutation ($id: ID!, $stars: Int!, $comment: String) {
    rateTrip(tripId: $id, stars: $stars, comment: $comment) {
        trip { myRating rider { rating { average count } } driver { rating { average count } } }
        errors { code message field } } }"""
TRIPS = """{ trips(first: 50) { nodes { id myRating
    rider { id rating { average count } } driver { id rating { average count } } } } }"""
WATCH = """subscription ($id: ID!) { tripUpdated(id: $id) { status myRating
    rider { rating { average } } driver { rating { average } } } }"""


async def log_in(server: LiveServer, api: Api, actor: Actor) -> Api:
    session = await server.application.services.sessions.begin(actor.user)
    api.http.headers["Authorization"] = f"Bearer {session.token}"
    return api


async def first_message(api: Api, trip_id: str) -> dict[str, Any]:
    headers = {"Authorization": api.http.headers["Authorization"]}
    async with open_socket(api.url, headers=headers) as socket:
        await socket.init()
        return await (await socket.start(WATCH, id=trip_id)).next()


async def test_each_party_sees_its_own_stars_and_both_averages(live_server: LiveServer, person: SignUp) -> None:
    database = live_server.application.database
    one, two = await add_rider(database), await add_driver(database)
    rider, driver = await log_in(live_server, await person(), one), await log_in(live_server, await person(), two)
    trip_id = str(await add_trip(database, one, status=TripStatus.COMPLETED, driver=two))

    first = await rider.data(RATE, id=trip_id, stars=5, comment="Kind")
    assert first == {
        "trip": {"myRating": 5, "rider": {"rating": None}, "driver": {"rating": {"average": 5.0, "count": 1}}},
        "errors": [],
    }
    second = await driver.data(RATE, id=trip_id, stars=2)
    assert second["trip"]["myRating"] == 2
    assert second["trip"]["rider"] == {"rating": {"average": 2.0, "count": 1}}
    (refused,) = (await rider.data(RATE, id=trip_id, stars=1))["errors"]
    assert refused["code"] == "ALREADY_RATED"
    told = [await first_message(api, trip_id) for api in (rider, driver)]
    assert [each.pop("myRating") for each in told] == [5, 2]
    assert told[0] == told[1]
    assert told[0]["driver"] == {"rating": {"average": 5.0}}


@pytest.mark.attack("access")
async def test_the_pool_sees_no_rating(live_server: LiveServer, person: SignUp) -> None:
    database = live_server.application.database
    rider, driver = await add_rider(database), await add_driver(database)
    await database.fetch("UPDATE users SET rating_sum = 9, rating_count = 2")
    await add_trip(database, rider)
    api = await log_in(live_server, await person(), driver)
    (trip,) = (await api.data(TRIPS))["nodes"]
    assert (trip["myRating"], trip["rider"]["rating"], trip["driver"]) == (None, None, None)


async def test_a_page_of_trips_with_ratings_costs_two_statements_more(
    live_server: LiveServer, person: SignUp
) -> None:
    database = live_server.application.database
    rider = await add_rider(database)
    for _ in range(20):
        await add_trip(database, rider, status=TripStatus.COMPLETED, driver=await add_driver(database))
    api = await log_in(live_server, await person(), rider)
    # The first request reads the session.
    for _ in range(2):
        with statements() as without:
            assert len((await api.data("{ trips(first: 50) { nodes { id } } }"))["nodes"]) == 20
    with statements() as seen:
        assert len((await api.data(TRIPS))["nodes"]) == 20
    assert len(seen) - len(without) == 2
