"""The city for staff over GraphQL."""

import pytest

from models.geo import GeoPoint
from models.values import Role
from tests.conftest import LiveServer, SignUp
from tests.support.api import PASSWORD, Api
from tests.support.positions import report_input
from tests.support.staff import make_staff

CITY = """subscription { city { __typename
    ... on CitySnapshot { at outages truncated counts { open underWay available silent }
        drivers { id username point { lat lng } heading recordedAt isStale availability tripId }
        trips { id status version rider { username } driver { id username } pickUp { lat } } }
    ... on CityChange { at outages counts { open underWay available silent } removedDriverIds removedTripIds
        drivers { id availability tripId point { lat } } trips { id status version driver { username } } } } }"""
FIGURES = """query ($period: CityPeriod!) { cityFigures(period: $period) { period asOf partS truncated driversOffDuty
    total { start requested accepted completed expired cancelled { code count } timeToAccept { p50S p99S } }
    parts { start requested accepted } } }"""
LOG_IN = """mutation ($name: String!, $password: String!) {
    logIn(username: $name, password: $password) { errors { code } } }"""
REPORT = "mutation ($input: LocationInput!) { reportLocation(input: $input) { errors { code } } }"


async def staff_api(server: LiveServer, person: SignUp) -> Api:
    api = await person()
    name = await make_staff(server.application, "chief@taxi.example")
    payload = await api.data(LOG_IN, name=name, password=PASSWORD)
    assert payload["errors"] == []
    return api


async def test_staff_see_the_city_and_follow_it(live_server: LiveServer, person: SignUp, rider: Api, driver: Api) -> None:
    staff = await staff_api(live_server, person)
    await driver.data(REPORT, input=report_input())
    trip = await rider.create_trip()
    async with staff.socket() as socket:
        events = await socket.start(CITY)
        first = (await events.next())
        print(first)
        print((await events.next()))
        await driver.update_trip(trip["id"], "STARTED")
        for _ in range(3):
            print((await events.next()))
    print(await staff.data(FIGURES, period="HOUR"))
    print({k: v for k, v in (await staff.data(FIGURES, period="WEEK")).items() if k != "parts"})
    print(await rider.code(FIGURES, period="WEEK"))
    async with rider.socket() as socket:
        print(await (await socket.start(CITY)).error_code())
    raise AssertionError
