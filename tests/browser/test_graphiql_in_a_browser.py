from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import expect

pytestmark = [
    # The first one may have to build the page.
    pytest.mark.timeout(600),
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


async def test_graphiql_opens_and_runs_operations_without_any_other_host(graphiql):
    assert await graphiql.page.title() == "Taxirank · GraphiQL"

    await graphiql.write("{ __typename }")
    await graphiql.run()
    await graphiql.shows('"Query"')
    assert await graphiql.result_json() == {"data": {"__typename": "Query"}}

    await graphiql.choose_tab("SignUpRider")
    await graphiql.run()
    await graphiql.shows('"firstName": "Robin"')
    assert (await graphiql.result_json())["data"]["signUp"]["errors"] == []

    await graphiql.choose_tab("LogIn")
    await graphiql.run("WhoAmI")
    await graphiql.shows('"username": "rider@example.com"')

    assert graphiql.elsewhere == []
    assert graphiql.errors == []


async def test_a_driver_sees_the_pool_and_then_what_a_rider_asks_for(graphiql, live_server, tmp_path: Path):
    await graphiql.choose_tab("SignUpDriver")
    await graphiql.run()
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

    await graphiql.screenshot(tmp_path / "graphiql.png")
    assert graphiql.sockets == [f"ws://{urlsplit(live_server.url).netloc}/graphql"]
    assert graphiql.elsewhere == []
    assert graphiql.errors == []


async def test_a_subscription_says_to_log_in_first_and_works_after_that(graphiql):
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


async def test_a_second_visit_finds_the_tabs_again_as_light_or_dark_as_the_system(graphiql):
    await expect(graphiql.variables).to_contain_text("rider@example.com")
    await graphiql.run()
    await graphiql.shows('"role": "RIDER"')
    await graphiql.tabs_are_stored()

    await graphiql.reload()

    await expect(graphiql.variables).to_contain_text("rider@example.com")
    await expect(graphiql.page.get_by_role("tab")).to_have_count(8)

    assert await graphiql.is_dark() is False
    await graphiql.page.emulate_media(color_scheme="dark")
    await graphiql.reload()
    assert await graphiql.is_dark() is True


async def request_trip(url: str) -> dict:
    """Be a rider elsewhere: sign up and ask for a trip."""
    async with httpx.AsyncClient(base_url=url) as rider:
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
                "pickUpAddress": "Berlin Hauptbahnhof, Europaplatz 1",
                "dropOffAddress": "East Side Gallery, Mühlenstraße 3-100",
                "pickUp": {"lat": 52.5251, "lng": 13.3694},
                "dropOff": {"lat": 52.505, "lng": 13.4397},
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
