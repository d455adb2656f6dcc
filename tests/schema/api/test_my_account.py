"""`updateMe` and `deleteMe`: changing and deleting one's own account."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from application.paths import ROOT
from application.settings import Settings
from tests.conftest import LiveServer, SignUp, serving
from tests.support.api import CREATE_TRIP, LOG_IN, MY_TRIPS, PASSWORD, SIGN_UP, TRIP_UPDATED, Api
from tests.support.database_rows import set_staff

UPDATE_ME = """
    mutation ($input: UpdateMeInput!) {
        updateMe(input: $input) { user { firstName lastName photo username } errors { code field } }
    }
"""
DELETE_ME = "mutation ($password: String!) { deleteMe(password: $password) { errors { code field retryable } } }"
ME = "{ me { firstName lastName photo } }"
PHOTO = ROOT / "docs" / "images" / "rider.jpg"
NAMELESS = {"username": None, "firstName": "Deleted", "lastName": "user", "photo": None}


async def with_photo(api: Api, query: str, **fields: Any) -> Any:
    """Send a mutation with a photo in its input; the one root field's value."""
    operations = {"query": query, "variables": {"input": {**fields, "photo": None}}}
    response = await api.http.post(
        "/graphql",
        data={"operations": orjson.dumps(operations).decode(), "map": '{"0": ["variables.input.photo"]}'},
        files={"0": ("me.jpg", PHOTO.read_bytes(), "image/jpeg")},
        headers={"GraphQL-Require-Preflight": "1"},
    )
    (value,) = response.json()["data"].values()
    return value


def stored(settings: Settings) -> set[str]:
    """The names of the photos in the store."""
    folder = Path(settings.media_url)
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


async def update(api: Api, **fields: Any) -> Any:
    return await api.data(UPDATE_ME, input=fields)


async def delete(api: Api, password: str = PASSWORD) -> list[str]:
    """Delete the account; the codes of the errors."""
    return [error["code"] for error in (await api.data(DELETE_ME, password=password))["errors"]]


async def test_names_change_and_omitted_fields_stay(rider: Api) -> None:
    changed = await update(rider, firstName="  Robin ")
    assert changed["errors"] == []
    assert changed["user"]["firstName"] == "Robin"
    assert changed["user"]["lastName"] == rider.user["lastName"]
    assert (await update(rider, lastName="Rover"))["user"]["firstName"] == "Robin"
    assert await rider.data(ME) == {"firstName": "Robin", "lastName": "Rover", "photo": None}
    for wrong in ({"firstName": ""}, {"lastName": "x" * 151}, {"firstName": None}, {"lastName": "\x00"}):
        assert await rider.code(UPDATE_ME, input=wrong) == "BAD_USER_INPUT"


async def test_a_new_photo_replaces_the_previous_one_and_null_removes_it(rider: Api, settings: Settings) -> None:
    first = (await with_photo(rider, UPDATE_ME))["user"]["photo"]
    second = (await with_photo(rider, UPDATE_ME, firstName="Robin"))["user"]["photo"]
    assert (await rider.http.get(first)).status_code == 404
    assert (await rider.http.get(second)).status_code == 200
    assert (await update(rider, lastName="Rover"))["user"]["photo"] == second
    assert (await update(rider, photo=None))["user"]["photo"] is None
    assert stored(settings) == set()
    assert await rider.code(UPDATE_ME, input={"photo": "me.jpg"}) == "BAD_USER_INPUT"


async def test_of_simultaneous_new_photos_one_is_left(rider: Api, settings: Settings) -> None:
    await asyncio.gather(*(with_photo(rider, UPDATE_ME) for _ in range(5)))
    photo = (await rider.data(ME))["photo"]
    assert stored(settings) == {photo.rpartition("/")[2]}


async def test_a_required_photo_cannot_be_removed(settings: Settings) -> None:
    strict = settings.model_copy(update={"photo_required": True})
    async with serving(strict) as server, Api(server.url) as api:
        number = {"username": "robin", "password1": PASSWORD, "password2": PASSWORD}
        await with_photo(api, SIGN_UP, **number, firstName="R", lastName="R", role="RIDER")
        refused = await update(api, photo=None, firstName="Other")
        assert refused["errors"] == [{"code": "PHOTO_REQUIRED", "field": ["photo"]}]
        assert (await api.data(ME))["firstName"] == "R"


async def test_others_see_the_new_name_with_the_next_change(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    async with driver.socket() as socket:
        followed = await socket.start(TRIP_UPDATED, id=trip["id"])
        assert (await followed.next())["rider"]["firstName"] == "Rider"
        await update(rider, firstName="Robin")
        await driver.update_trip(trip["id"], "STARTED")
        heard = await followed.next()
        assert (heard["version"], heard["rider"]["firstName"]) == (2, "Robin")


async def test_strangers_change_and_delete_nothing(person: SignUp) -> None:
    stranger = await person()
    assert await stranger.code(UPDATE_ME, input={"firstName": "x"}) == "UNAUTHENTICATED"
    assert await stranger.code(DELETE_ME, password=PASSWORD) == "UNAUTHENTICATED"


async def test_a_deleted_account_leaves_only_its_trips(
    live_server: LiveServer, rider: Api, driver: Api, settings: Settings
) -> None:
    await with_photo(rider, UPDATE_ME)
    ended = await rider.create_trip()
    for status in ("STARTED", "IN_PROGRESS", "COMPLETED"):
        await driver.update_trip(ended["id"], status)
    underway = await rider.create_trip()
    await driver.update_trip(underway["id"], "STARTED")
    waiting = await rider.create_trip()
    async with rider.socket() as own, driver.socket() as socket:
        await (await own.start(MY_TRIPS)).next()
        drivers = await socket.start(MY_TRIPS)
        await drivers.next()

        assert await delete(rider) == []

        assert (await own.closed()).code == 4401
        heard = (await drivers.next())["trip"]
    assert (heard["id"], heard["status"]) == (underway["id"], "CANCELLED")
    assert {name: heard["rider"][name] for name in NAMELESS} == NAMELESS
    assert stored(settings) == set()
    assert await rider.data("{ me { id } }") is None
    assert "taxirank_session" not in rider.http.cookies
    trips = await driver.data("{ trips { nodes { id status rider { username firstName lastName photo } } } }")
    assert [(trip["id"], trip["status"]) for trip in trips["nodes"]] == [
        (underway["id"], "CANCELLED"),
        (ended["id"], "COMPLETED"),
    ]
    assert all(trip["rider"] == NAMELESS for trip in trips["nodes"])
    database = live_server.application.database
    rows = await database.fetch("SELECT * FROM users WHERE id = $1", UUID(rider.user["id"]))
    assert rider.user["username"] not in str([*rows[0].values()])
    assert rows[0]["password_hash"] == ""
    statuses = await database.fetch("SELECT status FROM trips WHERE id = $1", UUID(waiting["id"]))
    assert statuses[0]["status"] == "CANCELLED"


async def test_the_user_name_of_a_deleted_account_is_free_again(rider: Api, person: SignUp) -> None:
    name = rider.user["username"]
    assert await delete(rider) == []
    refused = await rider.data(LOG_IN, username=name, password=PASSWORD)
    assert [error["code"] for error in refused["errors"]] == ["BAD_CREDENTIALS"]
    assert (await rider.data(LOG_IN, username="", password=""))["errors"] != []
    heir = await person("RIDER", username=name)
    assert heir.user["id"] != rider.user["id"]
    assert await delete(heir) == []


async def test_a_wrong_password_deletes_nothing(rider: Api) -> None:
    assert await delete(rider, "wrong") == ["BAD_CREDENTIALS"]
    assert await rider.data("{ me { id } }") == {"id": rider.user["id"]}


async def test_a_trip_under_way_must_end_before_the_account_can_be_deleted(
    live_server: LiveServer, rider: Api, driver: Api
) -> None:
    waiting, trip = await rider.create_trip(), await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    assert await delete(driver) == ["TRIP_UNDER_WAY"]
    await driver.update_trip(trip["id"], "IN_PROGRESS")
    assert await delete(driver) == ["TRIP_UNDER_WAY"]
    assert await delete(rider) == ["TRIP_UNDER_WAY"]
    # The failed deletion has cancelled nothing.
    mine = await rider.data("{ trips { nodes { id status } } }")
    assert {"id": waiting["id"], "status": "REQUESTED"} in mine["nodes"]

    await driver.update_trip(trip["id"], "COMPLETED")
    assert await delete(driver) == []
    assert await delete(rider) == []


async def test_the_last_active_member_of_staff_cannot_delete_the_account(
    live_server: LiveServer, person: SignUp
) -> None:
    database = live_server.application.database
    chief, stella, gone = [await person("RIDER") for _ in range(3)]
    for member in (chief, stella, gone):
        await set_staff(database, UUID(member.user["id"]))
    await database.fetch("UPDATE users SET is_active = $2 WHERE id = $1", UUID(gone.user["id"]), False)
    assert await delete(stella) == []
    assert await delete(chief, "wrong") == ["BAD_CREDENTIALS"]
    refused = (await chief.data(DELETE_ME, password=PASSWORD))["errors"]
    assert [(error["code"], error["retryable"], error["field"]) for error in refused] == [
        ("LAST_OF_STAFF", False, None)
    ]
    assert await chief.data("{ me { id } }") == {"id": chief.user["id"]}
    # Nobody else is kept from leaving.
    assert await delete(await person("RIDER")) == []
    await set_staff(database, UUID((await person("RIDER")).user["id"]))
    assert await delete(chief) == []


async def test_of_two_simultaneous_deletions_one_succeeds(rider: Api) -> None:
    await rider.create_trip()
    answers = await asyncio.gather(*(rider.post(DELETE_ME, password=PASSWORD) for _ in range(2)))
    codes = [answer.get("errors", [{"extensions": {"code": "OK"}}])[0]["extensions"]["code"] for answer in answers]
    assert "OK" in codes
    assert set(codes) <= {"OK", "UNAUTHENTICATED"}
    assert await rider.code(CREATE_TRIP, input={"pickUpAddress": "a", "dropOffAddress": "b"}) == "UNAUTHENTICATED"


async def test_over_a_socket_no_account_is_deleted(rider: Api) -> None:
    async with rider.socket() as socket:
        message = await (await socket.start(DELETE_ME, password=PASSWORD)).message()
    (error,) = message["payload"]["errors"]
    assert error["extensions"]["code"] == "COOKIE_TRANSPORT_REQUIRED"
