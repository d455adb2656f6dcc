"""The cases of the tutorial that this server replaces, each by its name."""

from typing import Any

import pytest

from tests.conftest import LiveServer, SignUp
from tests.support.api import (
    LOG_IN,
    LOG_OUT,
    MY_TRIPS,
    PASSWORD,
    POOL,
    SIGN_UP,
    TRIP_UPDATED,
    TRIPS,
    Api,
    SocketClosed,
    open_socket,
)

ME = "{ me { id username firstName lastName role } }"
TRIP = "query ($id: ID!) { trip(id: $id) { id status version } }"


async def test_sign_up(person: SignUp) -> None:
    api = await person()
    fields: dict[str, Any] = {
        "username": "rosa@example.com",
        "firstName": "Rosa",
        "lastName": "Alvarez",
        "role": "RIDER",
    }
    payload = await api.data(SIGN_UP, input=fields | {"password1": PASSWORD, "password2": PASSWORD})
    assert payload["errors"] == []
    assert {name: payload["user"][name] for name in fields} == fields


async def test_log_in(person: SignUp) -> None:
    rider, again = await person("RIDER"), await person()
    payload = await again.data(LOG_IN, username=rider.user["username"], password=PASSWORD)
    assert payload["errors"] == []
    assert (await again.data(ME))["id"] == rider.user["id"]


async def test_log_out(rider: Api) -> None:
    assert await rider.data(LOG_OUT) == {"errors": []}
    assert await rider.data(ME) is None


async def test_list_trips(person: SignUp, rider: Api) -> None:
    mine = [(await rider.create_trip())["id"] for _ in range(2)]
    await (await person("RIDER")).create_trip()
    assert [trip["id"] for trip in (await rider.data(TRIPS))["nodes"]] == mine[::-1]


async def test_retrieve_a_trip(rider: Api) -> None:
    trip = await rider.create_trip()
    assert await rider.data(TRIP, id=trip["id"]) == {"id": trip["id"], "status": "REQUESTED", "version": 1}


async def test_create_a_trip(rider: Api) -> None:
    trip = await rider.create_trip(pickUpAddress="Here", dropOffAddress="There", pickUp={"lat": 52.5, "lng": 4.25})
    assert (trip["pickUpAddress"], trip["dropOffAddress"], trip["status"]) == ("Here", "There", "REQUESTED")
    assert trip["pickUp"] == {"lat": 52.5, "lng": 4.25}
    assert trip["rider"]["id"] == rider.user["id"]
    assert trip["driver"] is None


async def test_update_a_trip(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    updated = await driver.update_trip(trip["id"], "STARTED")
    assert (updated["status"], updated["version"]) == ("STARTED", 2)
    assert updated["driver"]["id"] == driver.user["id"]
    assert await rider.data(TRIP, id=trip["id"]) == {"id": trip["id"], "status": "STARTED", "version": 2}


async def test_the_rider_is_alerted_when_the_trip_is_updated(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    async with rider.socket() as socket:
        watched = await socket.start(TRIP_UPDATED, id=trip["id"])
        assert (await watched.next())["status"] == "REQUESTED"
        await driver.update_trip(trip["id"], "STARTED")
        alert = await watched.next()
    assert (alert["status"], alert["driver"]["id"]) == ("STARTED", driver.user["id"])


async def test_the_drivers_are_alerted_when_a_trip_is_requested(person: SignUp, rider: Api) -> None:
    async with (await person("DRIVER")).socket() as one, (await person("DRIVER")).socket() as other:
        pools = [await one.start(POOL), await other.start(POOL)]
        for pool in pools:
            assert (await pool.next())["offers"] == []
        trip = await rider.create_trip()
        for pool in pools:
            alert = await pool.next()
            assert (alert["__typename"], alert["trip"]["id"]) == ("TripOffered", trip["id"])


async def test_the_rider_is_added_to_the_trips_group_on_create(rider: Api, driver: Api) -> None:
    async with rider.socket() as socket:
        mine = await socket.start(MY_TRIPS)
        assert (await mine.next())["trips"] == []
        trip = await rider.create_trip()
        assert (await mine.next())["trip"]["status"] == "REQUESTED"
        await driver.update_trip(trip["id"], "STARTED")
        alert = (await mine.next())["trip"]
    assert (alert["id"], alert["status"]) == (trip["id"], "STARTED")


async def test_the_driver_is_added_to_the_trips_group_on_update(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    async with driver.socket() as socket:
        mine = await socket.start(MY_TRIPS)
        assert (await mine.next())["trips"] == []
        await driver.update_trip(trip["id"], "STARTED")
        assert (await mine.next())["trip"]["status"] == "STARTED"
        await rider.update_trip(trip["id"], "CANCELLED", reason="Found a tram")
        alert = (await mine.next())["trip"]
    assert (alert["status"], alert["cancelReason"]) == ("CANCELLED", "Found a tram")


@pytest.mark.parametrize("who", ["rider", "driver"])
async def test_groups_are_restored_on_reconnect(rider: Api, driver: Api, who: str) -> None:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    api = {"rider": rider, "driver": driver}[who]
    async with api.socket() as socket:
        await (await socket.start(MY_TRIPS)).next()
    await driver.update_trip(trip["id"], "IN_PROGRESS")

    async with api.socket() as socket:
        mine = await socket.start(MY_TRIPS)
        assert [(t["id"], t["status"]) for t in (await mine.next())["trips"]] == [(trip["id"], "IN_PROGRESS")]
        await driver.update_trip(trip["id"], "COMPLETED")
        assert (await mine.next())["trip"]["status"] == "COMPLETED"


async def test_the_anonymous_are_refused(person: SignUp, live_server: LiveServer) -> None:
    stranger = await person()
    assert await stranger.code(TRIPS) == "UNAUTHENTICATED"
    async with open_socket(live_server.url) as socket:
        with pytest.raises(SocketClosed, match="4403"):
            await socket.init()


async def test_a_driver_cannot_jump_from_requested_to_in_progress(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    payload = await driver.try_update_trip(trip["id"], "IN_PROGRESS")
    assert [error["code"] for error in payload["errors"]] == ["ILLEGAL_TRANSITION"]
    assert await rider.data(TRIP, id=trip["id"]) == {"id": trip["id"], "status": "REQUESTED", "version": 1}
