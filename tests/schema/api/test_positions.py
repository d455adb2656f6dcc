"""Positions, histories and times of arrival over HTTP and sockets: who sees them, and who does not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from redis.asyncio import Redis

from application.settings import Settings
from models.geo import GeoPoint
from models.values import Location
from services.positions.routing import DETOUR
from services.trips.rows import find
from tests.conftest import LiveServer, SignUp, serving
from tests.services.trips.test_trips_pages import statements
from tests.support.api import LOG_OUT, REPORT_LOCATION, Api, Events
from tests.support.positions import DRIVER_LOCATION, LNG, report, report_input, shows
from tests.support.waiting import until

CHANGE = "version status at changedBy user { id firstName username }"
ABOUT = f"id version status driverLocation {{ id point {{ lat lng }} }} pickUpEta history {{ {CHANGE} }}"
TRIP_BY_ID = f"query ($id: ID!) {{ trip(id: $id) {{ {ABOUT} }} }}"
TRIPS_ABOUT = f"{{ trips {{ nodes {{ {ABOUT} }} }} }}"
FOLLOW_ABOUT = f"subscription ($id: ID!) {{ tripUpdated(id: $id) {{ {ABOUT} }} }}"
POOL_ABOUT = f"""
    subscription {{ driverPool {{
        ... on PoolSnapshot {{ offers {{ {ABOUT} }} }} ... on TripOffered {{ trip {{ {ABOUT} }} }}
    }} }}
"""
PICK_UP = {"lat": 52.5, "lng": LNG}


@pytest.fixture
async def live_server(settings: Settings) -> AsyncIterator[LiveServer]:
    """A server without a rate of positions."""
    async with serving(settings.model_copy(update={"location_rate": "off"})) as server:
        yield server


async def taken(rider: Api, driver: Api, **fields: Any) -> str:
    """A trip that the driver has accepted."""
    trip = await rider.create_trip(**fields)
    await driver.update_trip(trip["id"], "STARTED")
    return trip["id"]


async def driven(driver: Api, trip_id: str) -> None:
    """Complete the trip."""
    for status in ("IN_PROGRESS", "COMPLETED"):
        await driver.update_trip(trip_id, status)


async def lat_of(api: Api, trip_id: str) -> float | None:
    """The latitude of the trip's driver, by a query."""
    location = (await api.data(TRIP_BY_ID, id=trip_id))["driverLocation"]
    return location["point"]["lat"] if location is not None else None


async def at_version(watched: Events, version: int) -> dict[str, Any]:
    """The event of that version, which must come next."""
    trip = await watched.next()
    assert trip["version"] == version
    return trip


# The rider's driver.


@pytest.fixture
def backend() -> str:
    """One of the two, because these tests do not depend on the backend."""
    return "embedded"


async def test_the_rider_follows_the_driver_from_acceptance_to_the_end(rider: Api, driver: Api) -> None:
    async with rider.socket() as socket:
        trip = await rider.create_trip()
        followed = await socket.start(DRIVER_LOCATION, tripId=trip["id"])
        await report(driver, 1)
        await driver.update_trip(trip["id"], "STARTED")
        await shows(followed, 1)
        input = report_input(2, heading=90)
        assert (await driver.data(REPORT_LOCATION, input=input)) == {"errors": []}
        second = await followed.next()
        assert (second["point"], second["heading"]) == ({"lat": 2, "lng": LNG}, 90)
        assert datetime.fromisoformat(second["recordedAt"]) == datetime.fromisoformat(input["recordedAt"])
        await driver.update_trip(trip["id"], "IN_PROGRESS")
        await report(driver, 3)
        third = await followed.next()
        assert (third["id"], third["point"]["lat"], third["heading"]) == (second["id"], 3, None)
        assert third["id"] != trip["id"]
        await driver.update_trip(trip["id"], "COMPLETED")
        await followed.completed()
        # A late subscriber to an ended trip receives nothing.
        await (await socket.start(DRIVER_LOCATION, tripId=trip["id"])).completed()


async def test_over_a_socket_the_positions_of_a_driver_soon_cost_no_statement_until_the_session_ends(
    live_server: LiveServer, driver: Api
) -> None:
    application = live_server.application
    await application.periodic_jobs.stop()
    async with driver.socket() as socket:

        async def reports() -> list[str]:
            """The statements of a report."""
            with statements() as seen:
                reported = await socket.start(REPORT_LOCATION, input=report_input())
                assert (await reported.next())["errors"] == []
            return [sql for sql in seen if "sessions" in sql and "NOT EXISTS" not in sql]

        assert len(await reports()) == 1
        await application.active_trips.check()
        assert await reports() == []
        # No event about the end arrives.
        await application.live_sessions.stop()
        await application.outbox.stop()
        await driver.data(LOG_OUT)
        await socket.start(REPORT_LOCATION, input=report_input())
        assert (await socket.closed()).code == 4401


async def test_over_http_too_the_positions_of_a_driver_soon_cost_no_statement_until_the_session_ends(
    live_server: LiveServer, driver: Api
) -> None:
    application = live_server.application
    await application.periodic_jobs.stop()
    await application.live_sessions.stop()

    async def reports() -> int:
        """The number of statements of a report."""
        with statements() as seen:
            await report(driver, 1)
        return len(seen)

    assert await reports() == 2
    assert await reports() == 1
    await application.active_trips.check()
    assert await reports() == 0
    # No event about the end arrives.
    await application.outbox.stop()
    headers = driver.cookie_header()
    await driver.data(LOG_OUT)
    driver.http.cookies.clear()
    for _ in range(2):
        body = {"query": REPORT_LOCATION, "variables": {"input": report_input()}}
        response = await driver.http.post("/graphql", json=body, headers=headers)
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_queries_and_events_of_both_parties_show_the_driver_while_the_trip_is_under_way(
    rider: Api, driver: Api
) -> None:
    await report(driver, 1)
    trip = await rider.create_trip()
    async with rider.socket() as socket:
        watched = await socket.start(FOLLOW_ABOUT, id=trip["id"])
        assert (await at_version(watched, 1))["driverLocation"] is None
        for version, status, lat in ((2, "STARTED", 1), (3, "IN_PROGRESS", 2), (4, "COMPLETED", None)):
            await driver.update_trip(trip["id"], status)
            shown = (await at_version(watched, version))["driverLocation"]
            assert (shown and shown["point"]["lat"]) == lat
            assert await lat_of(rider, trip["id"]) == await lat_of(driver, trip["id"]) == lat
            await report(driver, version)
            assert await lat_of(rider, trip["id"]) == (version if lat is not None else None)
        await watched.completed()


@pytest.mark.attack("access")
async def test_nobody_else_is_shown_the_driver(person: SignUp, rider: Api, driver: Api) -> None:
    other_rider, other_driver = await person("RIDER"), await person("DRIVER")
    trip_id = await taken(rider, driver)
    await report(driver, 1)
    assert await lat_of(rider, trip_id) == 1
    for api in (other_rider, other_driver):
        assert await api.data(TRIP_BY_ID, id=trip_id) is None
        assert (await api.data(TRIPS_ABOUT))["nodes"] == []
    for api, code in ((other_rider, "NOT_FOUND"), (other_driver, "FORBIDDEN"), (driver, "FORBIDDEN")):
        async with api.socket() as socket:
            assert await (await socket.start(DRIVER_LOCATION, tripId=trip_id)).error_code() == code
            await socket.ping()


@pytest.mark.attack("access")
async def test_the_pool_is_shown_neither_positions_nor_times_nor_histories(person: SignUp, rider: Api) -> None:
    first, second = await person("DRIVER"), await person("DRIVER")
    await report(first, 52.5)
    await report(second, 52.5)
    async with second.socket() as socket:
        pool = await socket.start(POOL_ABOUT)
        assert await pool.next() == {"offers": []}
        trip_id = (await rider.create_trip(pickUp=PICK_UP))["id"]
        offered = (await pool.next())["trip"]
        nothing = {"driverLocation": None, "pickUpEta": None, "history": None}
        assert offered == {"id": trip_id, "version": 1, "status": "REQUESTED", **nothing}
        assert await second.data(TRIP_BY_ID, id=trip_id) == offered
        await first.update_trip(trip_id, "STARTED")
        assert await pool.next() == {}
        await first.update_trip(trip_id, "REQUESTED")
        given_back = {"id": trip_id, "version": 3, "status": "REQUESTED", **nothing}
        assert (await pool.next())["trip"] == given_back
        assert (await second.data(TRIPS_ABOUT))["nodes"] == [given_back]


async def test_after_a_give_back_the_rider_waits_and_then_follows_the_next_driver(
    person: SignUp, rider: Api, driver: Api
) -> None:
    second = await person("DRIVER")
    # Older than every report of the first driver.
    await report(second, 20, age_s=30)
    await report(driver, 10)
    trip_id = await taken(rider, driver)
    async with rider.socket() as socket:
        followed = await socket.start(DRIVER_LOCATION, tripId=trip_id)
        await shows(followed, 10)
        await driver.update_trip(trip_id, "REQUESTED")
        await report(driver, 11)
        assert await lat_of(rider, trip_id) is None
        await second.update_trip(trip_id, "STARTED")
        await shows(followed, 20)
        await report(driver, 12)
        await report(second, 21, age_s=20)
        await shows(followed, 21)
        assert await lat_of(rider, trip_id) == 21
        await rider.update_trip(trip_id, "CANCELLED")
        await followed.completed()
        await report(second, 22)
        assert await lat_of(rider, trip_id) is None


@pytest.mark.attack("access")
async def test_a_process_that_has_not_heard_of_the_end_shows_no_later_position(
    live_server: LiveServer, person: SignUp, rider: Api, driver: Api
) -> None:
    application = live_server.application
    topics = application.services.topics
    trip_id = await taken(rider, driver)
    async with rider.socket() as socket:
        followed, watched = (
            await socket.start(DRIVER_LOCATION, tripId=trip_id),
            await socket.start(FOLLOW_ABOUT, id=trip_id),
        )
        await report(driver, 1)
        await shows(followed, 1)
        await at_version(watched, 2)
        # From now on no event of a trip is published.
        await application.outbox.stop()
        await driver.update_trip(trip_id, "IN_PROGRESS")
        in_progress = await find(application.database, UUID(trip_id))
        assert in_progress is not None
        await driver.update_trip(trip_id, "COMPLETED")
        await report(driver, 2)
        await taken(await person("RIDER"), driver)
        await report(driver, 3)

        # The event of the start comes late, and does not show where the driver is now.
        await application.bus.publish([([topics.trip(UUID(trip_id))], in_progress.to_json())])
        assert (await at_version(watched, 3))["driverLocation"] is None
        now = datetime.now(UTC)
        under_way = Location(UUID(driver.user["id"]), UUID(trip_id), GeoPoint(4, LNG), None, now, as_of=now)
        await application.bus.publish([([topics.car(UUID(trip_id))], under_way.to_json())])
        await shows(followed, 4)


async def test_an_expired_position_is_no_longer_shown(settings: Settings) -> None:
    settings = settings.model_copy(update={"location_ttl_s": 1, "location_rate": "off"})
    async with serving(settings) as server, Api(server.url) as rider, Api(server.url) as driver:
        await rider.sign_up("RIDER")
        await driver.sign_up("DRIVER")
        trip_id = await taken(rider, driver)
        await report(driver, 1, age_s=0.3)

        async def is_gone() -> bool:
            return await lat_of(rider, trip_id) is None

        await until(is_gone)
        await report(driver, 2)
        assert await lat_of(rider, trip_id) == 2


async def test_a_silent_drivers_position_is_stale_and_there_is_no_estimate_until_the_driver_is_heard_again(
    settings: Settings,
) -> None:
    settings = settings.model_copy(update={"location_stale_s": 0.5, "location_rate": "off"})
    query = "query ($id: ID!) { trip(id: $id) { driverLocation { isStale isGone } pickUpEta } }"
    async with serving(settings) as server, Api(server.url) as rider, Api(server.url) as driver:
        await rider.sign_up("RIDER")
        await driver.sign_up("DRIVER")
        trip_id = await taken(rider, driver, pickUp=PICK_UP)
        async with rider.socket() as socket:
            followed = await socket.start(DRIVER_LOCATION, tripId=trip_id)
            await report(driver, 52.51)
            live, stale = await followed.next(), await followed.next()
            assert (live["isStale"], live["isGone"]) == (False, False)
            # The same position, without a new report.
            assert stale == {**live, "isStale": True}
            assert await rider.data(query, id=trip_id) == {
                "driverLocation": {"isStale": True, "isGone": False},
                "pickUpEta": None,
            }
            await report(driver, 52.52)
            assert (await followed.next())["isStale"] is False


# Histories.


async def test_a_history_names_who_made_each_change_to_the_parties(
    person: SignUp, rider: Api, driver: Api
) -> None:
    second = await person("DRIVER")
    trip_id = await taken(rider, driver)
    await driver.update_trip(trip_id, "REQUESTED")
    await second.update_trip(trip_id, "STARTED")
    names = {api.user["id"]: api.user["username"] for api in (rider, second)}
    for api in (rider, second):
        trip = await api.data(TRIP_BY_ID, id=trip_id)
        history = trip["history"]
        assert [(entry["version"], entry["status"], entry["changedBy"]) for entry in history] == [
            (1, "REQUESTED", "RIDER"),
            (2, "STARTED", "DRIVER"),
            (3, "REQUESTED", "DRIVER"),
            (4, "STARTED", "DRIVER"),
        ]
        who = [rider, driver, driver, second]
        assert [entry["user"]["firstName"] for entry in history] == [api.user["firstName"] for api in who]
        # A driver who gave the trip back is named, and is no longer a party.
        assert [entry["user"]["username"] for entry in history] == [names.get(api.user["id"]) for api in who]
        moments = [datetime.fromisoformat(entry["at"]) for entry in history]
        assert moments == sorted(moments)


async def test_the_history_in_an_event_ends_at_the_event(live_server: LiveServer, rider: Api, driver: Api) -> None:
    application = live_server.application
    trip = await rider.create_trip()
    async with rider.socket() as socket:
        watched = await socket.start(FOLLOW_ABOUT, id=trip["id"])
        await at_version(watched, 1)
        await application.outbox.stop()
        await driver.update_trip(trip["id"], "STARTED")
        started = await find(application.database, UUID(trip["id"]))
        assert started is not None
        await driven(driver, trip["id"])
        topic = application.services.topics.trip(started.id)
        await application.bus.publish([([topic], started.to_json())])
        event = await at_version(watched, 2)
        assert [entry["version"] for entry in event["history"]] == [1, 2]


async def test_an_expiry_has_no_author(live_server: LiveServer, rider: Api) -> None:
    application = live_server.application
    trip = await rider.create_trip()
    async with rider.socket() as socket:
        watched = await socket.start(FOLLOW_ABOUT, id=trip["id"])
        await at_version(watched, 1)
        ago = application.database.sql.ago(1)
        await application.database.fetch(f"UPDATE trips SET expires_at = {ago} WHERE id = $1", UUID(trip["id"]))
        await application.services.trips.expire_overdue()
        last = (await at_version(watched, 2))["history"][-1]
        assert (last["status"], last["changedBy"], last["user"]) == ("EXPIRED", "SYSTEM", None)


# Times of arrival.


async def test_the_time_of_arrival_is_shown_while_the_driver_is_on_the_way_and_both_positions_are_known(
    rider: Api, driver: Api
) -> None:
    async def eta(trip_id: str) -> int | None:
        return (await rider.data(TRIP_BY_ID, id=trip_id))["pickUpEta"]

    trip = await rider.create_trip(pickUp=PICK_UP)
    assert await eta(trip["id"]) is None
    await driver.update_trip(trip["id"], "STARTED")
    assert await eta(trip["id"]) is None
    await report(driver, 52.51)
    expected = round(1111.95 * DETOUR / (25 / 3.6))
    assert await eta(trip["id"]) == expected
    assert (await driver.data(TRIP_BY_ID, id=trip["id"]))["pickUpEta"] == expected
    # A day's drive: a position or a pick-up must be wrong.
    await report(driver, 40.0)
    assert await eta(trip["id"]) is None
    await report(driver, 52.5)
    assert await eta(trip["id"]) == 0
    await driver.update_trip(trip["id"], "IN_PROGRESS")
    assert await eta(trip["id"]) is None

    await driver.update_trip(trip["id"], "COMPLETED")
    nowhere = await taken(rider, driver)
    assert await lat_of(rider, nowhere) == 52.5
    assert await eta(nowhere) is None


async def test_the_schema_calls_the_time_of_arrival_an_estimate(rider: Api) -> None:
    fields = await rider.data('{ __type(name: "Trip") { fields { name description } } }')
    (description,) = [f["description"] for f in fields["fields"] if f["name"] == "pickUpEta"]
    assert description.startswith("An estimate of the seconds")


# The cost.


@pytest.mark.parametrize("backend", ["embedded", "production"])
async def test_a_page_of_trips_costs_one_statement_for_all_histories_and_one_look_for_all_positions(
    live_server: LiveServer, person: SignUp, rider: Api, backend: str
) -> None:
    for number in range(20):
        trip = await rider.create_trip()
        if number < 4:
            driver = await person("DRIVER")
            await driver.update_trip(trip["id"], "STARTED")
            await report(driver, number)
    commands: list[object] = []
    execute = Redis.execute_command

    async def counted(self: Redis, *args: object, **options: object) -> object:
        commands.append(args[0])
        return await execute(self, *args, **options)

    # Background work does not count for the page.
    await live_server.application.periodic_jobs.stop()
    await live_server.application.outbox.stop()
    with statements() as seen, patch.object(Redis, "execute_command", counted):
        nodes = (await rider.data(TRIPS_ABOUT))["nodes"]
    assert sorted(n["driverLocation"]["point"]["lat"] for n in nodes if n["driverLocation"]) == [0, 1, 2, 3]
    assert [len(node["history"]) for node in nodes] == [1] * 16 + [2] * 4
    of_the_page = [sql for sql in seen if "token_hash" not in sql]
    assert len(of_the_page) == 2, of_the_page
    assert commands.count("MGET") == (1 if backend == "production" else 0)


async def test_an_event_with_all_fields_is_executed_once_for_fifty_subscribers(
    live_server: LiveServer, rider: Api, driver: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = live_server.application
    await report(driver, 52.51)
    trip = await rider.create_trip(pickUp=PICK_UP)
    async with rider.socket() as one, rider.socket() as other:
        watched = [await socket.start(FOLLOW_ABOUT, id=trip["id"]) for socket in (one, other) for _ in range(25)]
        await asyncio.gather(*(at_version(events, 1) for events in watched))
        await application.periodic_jobs.stop()
        counts = application.services.hub.counters
        executed, asked = counts.executions, 0
        find_location = application.services.positions.last

        async def counted(driver_id: UUID) -> Location | None:
            nonlocal asked
            asked += 1
            return await find_location(driver_id)

        monkeypatch.setattr(application.services.positions, "last", counted)
        with statements() as seen:
            await driver.update_trip(trip["id"], "STARTED")
            events = await asyncio.gather(*(at_version(each, 2) for each in watched))
        assert all(event == events[0] for event in events)
        assert events[0]["driverLocation"]["point"]["lat"] == 52.51
        assert events[0]["pickUpEta"] > 0
        assert len(events[0]["history"]) == 2
        assert counts.executions - executed == 1
        # One for the position and one for the time of arrival, in one look-up.
        assert asked == 2
        assert len([sql for sql in seen if "FROM trip_changes c" in sql]) == 1


# Ends.


@pytest.mark.usefixtures("topics_do_not_linger_long")
async def test_a_subscription_of_positions_leaves_nothing_behind(
    live_server: LiveServer, rider: Api, driver: Api
) -> None:
    hub = live_server.application.services.hub
    trip_id = await taken(rider, driver)
    async with rider.socket() as socket:
        followed = await socket.start(DRIVER_LOCATION, tripId=trip_id)
        await report(driver, 1)
        await shows(followed, 1)
        assert hub.topics == 2
        await followed.stop()
        await socket.ping()
        await until(lambda: (hub.topics, hub.subscribers) == (0, 0))
