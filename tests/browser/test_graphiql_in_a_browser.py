from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import expect

from tests.support.waiting import PATIENCE_S

pytestmark = [
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


async def test_a_newcomer_can_run_the_tabs_from_left_to_right_in_one_window(graphiql):
    assert await graphiql.page.title() == "Taxirank · GraphiQL"
    await expect(graphiql.page.get_by_role("tab")).to_contain_text(
        [
            "SignUpRider",
            "EstimateTrip",
            "SignUpDriver",
            "DriverPool",
            "AcceptTrip",
            "CancelTrip",
            "LogIn",
            "MyTrips",
            "WatchMyTrips",
            "SetEmail",
        ]
    )
    assert f"curl {graphiql.url}/graphql" in await graphiql.operation_text()

    await graphiql.run()
    await graphiql.shows('"firstName": "Robin"')
    assert (await graphiql.result_json())["data"]["signUp"]["errors"] == []

    await graphiql.choose_tab("EstimateTrip")
    await graphiql.run("EstimateTrip")
    await graphiql.shows('"driversNearby": 0')
    await graphiql.run("RequestTrip")
    await graphiql.shows('"status": "REQUESTED"')
    trip = (await graphiql.result_json())["data"]["createTrip"]["trip"]

    await graphiql.choose_tab("SignUpDriver")
    await graphiql.run("SignUpDriver")
    await graphiql.shows('"firstName": "Dana"')

    await graphiql.choose_tab("DriverPool")
    await graphiql.run()
    await graphiql.shows('"PoolSnapshot"')
    (offer,) = (await graphiql.result_json())["data"]["driverPool"]["offers"]
    assert offer["id"] == trip["id"]

    await graphiql.choose_tab("AcceptTrip")
    await graphiql.put_id(trip["id"])
    for operation, shown in (
        ("AcceptTrip", '"status": "STARTED"'),
        ("ReportArrival", '"version": 3'),
        ("StartRide", '"status": "IN_PROGRESS"'),
        ("CompleteTrip", '"status": "COMPLETED"'),
        ("RateTrip", '"myRating": 5'),
    ):
        await graphiql.run(operation)
        await graphiql.shows(shown)

    await graphiql.choose_tab("LogIn")
    await graphiql.run("LogIn")
    await graphiql.shows('"role": "RIDER"')
    await graphiql.run("WhoAmI")
    await graphiql.shows('"username": "rider@example.com"')

    await graphiql.choose_tab("MyTrips")
    await graphiql.run()
    await graphiql.shows('"status": "COMPLETED"')

    await graphiql.choose_tab("WatchMyTrips")
    await graphiql.run("WatchMyTrips")
    await graphiql.shows('"MyTripsSnapshot"')

    assert graphiql.elsewhere == []
    assert graphiql.errors == []


async def test_a_driver_sees_the_pool_and_then_the_offer_of_a_rider(graphiql, live_server):
    await graphiql.choose_tab("SignUpDriver")
    await graphiql.run("SignUpDriver")
    await graphiql.shows('"role": "DRIVER"')

    await graphiql.choose_tab("DriverPool")
    await graphiql.run()
    await graphiql.shows('"PoolSnapshot"')
    assert (await graphiql.result_json())["data"]["driverPool"]["offers"] == []

    trip = await request_trip(live_server.url)
    await graphiql.shows('"TripOffered"')
    offered = (await graphiql.result_json())["data"]["driverPool"]["trip"]
    assert offered["id"] == trip["id"]
    assert offered["rider"] == {"firstName": "Robin"}

    await graphiql.screenshot("graphiql")
    assert graphiql.sockets == [f"ws://{urlsplit(live_server.url).netloc}/graphql"]
    assert graphiql.elsewhere == []
    assert graphiql.errors == []


async def test_a_subscription_asks_for_a_log_in_and_works_afterwards(graphiql):
    await graphiql.choose_tab("WatchMyTrips")
    await graphiql.run("WatchMyTrips")
    await graphiql.shows("Log in first")
    assert (await graphiql.result_json())["errors"][0]["extensions"]["closeCode"] == 4403

    await graphiql.choose_tab("SignUpRider")
    await graphiql.run()
    await graphiql.shows('"role": "RIDER"')
    await graphiql.choose_tab("WatchMyTrips")
    await graphiql.run("WatchMyTrips")
    await graphiql.shows('"MyTripsSnapshot"')

    await graphiql.choose_tab("LogIn")
    await graphiql.run("LogOut")
    await graphiql.shows('"logOut"')
    await graphiql.choose_tab("WatchMyTrips")
    await graphiql.run("WatchMyTrips")
    await graphiql.shows("Log in first")

    assert graphiql.errors == []


async def test_a_second_visit_has_the_tabs_again_in_the_systems_theme(graphiql):
    await expect(graphiql.variables).to_contain_text("rider@example.com")
    await graphiql.run()
    await graphiql.shows('"role": "RIDER"')
    await graphiql.tabs_are_stored()

    await graphiql.reload()

    await expect(graphiql.variables).to_contain_text("rider@example.com")
    await expect(graphiql.page.get_by_role("tab")).to_have_count(10)

    assert await graphiql.is_dark() is False
    await graphiql.page.emulate_media(color_scheme="dark")
    await graphiql.reload()
    assert await graphiql.is_dark() is True


async def request_trip(url: str) -> dict:
    """Sign up as a rider elsewhere and request a trip."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as rider:
        await send(
            rider,
            "mutation ($input: SignUpInput!) { signUp(input: $input) { errors { message } } }",
            {
                "username": "robin@example.com",
                "password1": "correct-horse-battery-9",
                "password2": "correct-horse-battery-9",
                "firstName": "Robin",
                "lastName": "Rider",
                "role": "RIDER",
            },
        )
        created = await send(
            rider,
            "mutation ($input: CreateTripInput!) { createTrip(input: $input) { trip { id } errors { code }}}",
            {
                "pickUpAddress": "Centraal Station",
                "dropOffAddress": "Rijksmuseum",
                "pickUp": {"lat": 52.3785, "lng": 4.9003},
                "dropOff": {"lat": 52.36, "lng": 4.8852},
            },
        )
        return created["createTrip"]["trip"]


async def send(client: httpx.AsyncClient, query: str, given: dict) -> dict:
    response = await client.post("/graphql", json={"query": query, "variables": {"input": given}})
    body = response.json()
    assert "errors" not in body, body
    (payload,) = body["data"].values()
    assert payload["errors"] == [], payload
    return body["data"]
