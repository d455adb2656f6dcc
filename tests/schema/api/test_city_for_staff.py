"""The city for staff, over GraphQL: who sees it, and what ends it."""

import asyncio
from typing import Any

import pytest

from application.settings import Settings
from models.standing import Availability
from schema.api import long_list
from tests.conftest import LiveServer, SignUp, people, serving
from tests.support.api import PASSWORD, Api, Events, SocketClosed, open_socket
from tests.support.attacks import Attack
from tests.support.positions import report_input
from tests.support.staff import make_staff
from tests.support.waiting import until

CITY = """subscription { city { __typename
    ... on CitySnapshot { at outages truncated counts { open underWay available silent }
        drivers { id username point { lat lng } heading recordedAt isStale availability tripId }
        trips { id status version rider { username } driver { username } pickUp { lat } } }
    ... on CityChange { at outages truncated counts { open underWay available silent }
        drivers { id availability tripId point { lat } } removedDriverIds
        trips { id status version driver { username } } removedTripIds } } }"""
FIGURES = """query ($period: CityPeriod!) { cityFigures(period: $period) {
    period asOf partS truncated driversOffDuty
    total { start requested accepted completed expired cancelled { code count } timeToAccept { p50S p99S } }
    parts { start requested accepted } } }"""
LOG_IN = """mutation ($name: String!, $password: String!) {
    logIn(username: $name, password: $password) { errors { code } } }"""
LOG_OUT = "mutation { logOut { errors { code } } }"
REPORT = "mutation ($input: LocationInput!) { reportLocation(input: $input) { errors { code } } }"
OFF_DUTY = "mutation { setOnDuty(onDuty: false) { errors { code } } }"


@pytest.fixture
async def chief(live_server: LiveServer, person: SignUp) -> Api:
    """A member of staff who is logged in, with the cookie."""
    api = await person()
    name = await make_staff(live_server.application, "chief@taxi.example")
    assert await api.data(LOG_IN, name=name, password=PASSWORD) == {"errors": []}
    return api


async def next_with(events: Events, name: str) -> dict[str, Any]:
    """The next change that has something in this list."""
    while True:
        change = await events.next()
        assert change["outages"] == []
        if change[name]:
            return change


async def test_staff_see_drivers_requests_and_trips_and_hear_what_changes(
    chief: Api, rider: Api, driver: Api
) -> None:
    await driver.data(REPORT, input=report_input())
    trip = await rider.create_trip(pickUp={"lat": 52.5, "lng": 13.4})
    async with chief.socket() as socket:
        events = await socket.start(CITY)
        city = await events.next()
        assert city["__typename"] == "CitySnapshot"
        assert (city["outages"], city["truncated"]) == ([], False)
        (shown,) = city["drivers"]
        assert shown["username"] == driver.user["username"]
        assert shown["point"] == {"lat": 52.5, "lng": 13.4}
        assert (shown["isStale"], shown["availability"], shown["tripId"]) == (False, "AVAILABLE", None)
        (waiting,) = city["trips"]
        assert (waiting["id"], waiting["status"], waiting["driver"]) == (trip["id"], "REQUESTED", None)
        assert waiting["rider"] == {"username": rider.user["username"]}
        assert city["counts"] == {"open": 1, "underWay": 0, "available": 1, "silent": 0}

        await driver.update_trip(trip["id"], "STARTED")
        change = await next_with(events, "trips")
        assert change["__typename"] == "CityChange"
        assert change["trips"] == [
            {"id": trip["id"], "status": "STARTED", "version": 2, "driver": {"username": shown["username"]}}
        ]
        (driving,) = change["drivers"]
        assert (driving["availability"], driving["tripId"]) == (Availability.ON_TRIP, trip["id"])
        assert change["counts"] == {"open": 0, "underWay": 1, "available": 0, "silent": 0}

        await driver.data(REPORT, input=report_input(52.6))
        assert [each["point"]["lat"] for each in (await next_with(events, "drivers"))["drivers"]] == [52.6]

        await driver.update_trip(trip["id"], "IN_PROGRESS")
        await driver.update_trip(trip["id"], "COMPLETED")
        assert (await next_with(events, "removedTripIds"))["removedTripIds"] == [trip["id"]]
        await driver.data(OFF_DUTY)
        assert (await next_with(events, "removedDriverIds"))["removedDriverIds"] == [driver.user["id"]]


@pytest.mark.parametrize("backend", ["embedded"])
async def test_watchers_with_the_same_selection_share_executions_and_bytes(
    live_server: LiveServer, chief: Api
) -> None:
    counters = live_server.application.services.hub.counters
    async with chief.socket() as one, chief.socket() as other:
        followed = [await one.start(CITY), await other.start(CITY)]
        snapshots = [await events.next() for events in followed]
        assert [found["__typename"] for found in snapshots] == ["CitySnapshot", "CitySnapshot"]
        # Each goes on from the state that its snapshot had.
        changes = [{found["at"]: found for found in [await e.next() for _ in range(3)]} for e in followed]
        both = changes[0].keys() & changes[1].keys()
        assert both
        assert all(changes[0][at] == changes[1][at] for at in both)
        assert counters.executions < counters.deliveries


@pytest.mark.attack("access")
async def test_a_member_of_staff_who_loses_the_right_hears_nothing_more(
    live_server: LiveServer, chief: Api, attempts: Attack
) -> None:
    async with chief.socket() as socket:
        events = await socket.start(CITY)
        await events.next()
        await live_server.application.database.fetch("UPDATE users SET is_staff = $1", False)
        code = ""
        while not code:
            message = await events.message()
            (error,) = message["payload"].get("errors", [{"extensions": {"code": ""}}])
            code = error["extensions"]["code"]
        assert code == "FORBIDDEN"
        await events.completed()
        assert await (await socket.start(CITY)).error_code() == "FORBIDDEN"
        assert await chief.code(FIGURES, period="DAY") == "FORBIDDEN"
        attempts.add()


@pytest.mark.attack("access")
async def test_the_end_of_the_session_of_staff_closes_the_socket_of_the_city(
    live_server: LiveServer, chief: Api, attempts: Attack
) -> None:
    async with chief.socket() as socket:
        await (await socket.start(CITY)).next()
        await chief.data(LOG_OUT)
        assert (await socket.closed()).code == 4401
        attempts.add()


@pytest.fixture
async def stuck(live_server: LiveServer, person: SignUp, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """A city of two drivers is encoded in pieces, and no piece has its turn until this is set."""
    for driver in (await person("DRIVER"), await person("DRIVER")):
        await driver.data(REPORT, input=report_input())
    goes_on, turns = asyncio.Event(), live_server.application.services.city.turns
    turn = turns.turn

    async def wait() -> None:
        await goes_on.wait()
        await turn()

    monkeypatch.setattr(turns, "turn", wait)
    monkeypatch.setattr(long_list, "AT_ONCE", 1)
    return goes_on


def is_encoding() -> bool:
    """Whether a message of the city is being encoded."""
    return any("_encode_later" in repr(task) for task in asyncio.all_tasks())


@pytest.mark.attack("access")
async def test_a_session_that_ends_while_its_city_is_encoded_gets_nothing_of_it(
    chief: Api, stuck: asyncio.Event, attempts: Attack
) -> None:
    async with chief.socket() as socket:
        events = await socket.start(CITY)
        await until(is_encoding)
        await chief.data(LOG_OUT)
        # It does not wait until the city is encoded.
        assert (await socket.closed()).code == 4401
        stuck.set()
        with pytest.raises(SocketClosed):
            await events.message()
        attempts.add()
    await until(lambda: not is_encoding())


async def test_a_watcher_who_leaves_while_the_city_is_encoded_takes_it_from_nobody(
    live_server: LiveServer, chief: Api, stuck: asyncio.Event
) -> None:
    async with chief.socket() as leaving, chief.socket() as cut, chief.socket() as staying:
        followed = [await socket.start(CITY) for socket in (leaving, cut, staying)]
        await until(lambda: live_server.application.services.hub.subscribers == 3 and is_encoding())
        await followed[0].stop()
        await leaving.ping()
        cut.connection.transport.abort()
        await until(lambda: live_server.application.services.hub.subscribers == 1)
        # The same id again, on the same socket.
        await leaving.send(type="subscribe", id=followed[0].id, payload={"query": CITY})
        stuck.set()
        for events in (followed[2], followed[0]):
            assert len((await events.next())["drivers"]) == 2
            assert (await events.next())["__typename"] == "CityChange"


@pytest.mark.attack("cross-site")
@pytest.mark.parametrize("backend", ["embedded"])
async def test_a_page_of_a_listed_origin_does_not_see_the_city_with_the_cookie_of_staff(
    settings: Settings, attempts: Attack
) -> None:
    settings = settings.model_copy(update={"allowed_origins": ("https://app.example",)})
    listed = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    async with serving(settings) as server, people(server) as person:
        api = await person()
        name = await make_staff(server.application, "chief@taxi.example")
        await api.data(LOG_IN, name=name, password=PASSWORD)
        own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
        answer = await api.post(FIGURES, headers=listed, period="HOUR")
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert "errors" not in await api.post(FIGURES, headers=own, period="HOUR")
        async with open_socket(server.url, headers={**api.cookie_header(), **listed}) as socket:
            await socket.init()
            assert await (await socket.start(CITY)).error_code() == "FORBIDDEN"
        async with open_socket(server.url, headers={**api.cookie_header(), **own}) as socket:
            await socket.init()
            assert (await (await socket.start(CITY)).next())["__typename"] == "CitySnapshot"
        # A page that has the token has it from its own log-in.
        token = api.http.cookies["taxirank_session"]
        async with open_socket(server.url, headers=listed) as socket:
            await socket.init({"authorization": f"Bearer {token}"})
            assert (await (await socket.start(CITY)).next())["__typename"] == "CitySnapshot"
        attempts.add(2)
