"""The answer to each kind of error; after each the server also answers the next request."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
import structlog

from tests.conftest import LiveServer, SignUp
from tests.support.api import (
    CREATE_TRIP,
    LOG_IN,
    LOG_OUT,
    MY_TRIPS,
    PASSWORD,
    POOL,
    REPORT_LOCATION,
    SIGN_UP,
    TRIP_UPDATED,
    TRIPS,
    UPDATE_TRIP,
    Api,
    SocketClosed,
    open_socket,
)
from tests.support.positions import DRIVER_LOCATION, report_input
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRIP_BY_ID = "query ($id: ID!) { trip(id: $id) { id } }"
NODE = "query ($id: ID!) { node(id: $id) { id __typename } }"
ME = "{ me { id } }"
SOMEWHERE = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _answers_the_next_request(shared_server: LiveServer) -> AsyncIterator[None]:
    yield
    async with Api(shared_server.url) as api:
        assert await api.data("{ __typename }") == "Query"
    await until(lambda: shared_server.application.services.hub.subscribers == 0)


@pytest_asyncio.fixture(loop_scope="module")
async def rider(someone: SignUp) -> Api:
    return await someone("RIDER")


@pytest_asyncio.fixture(loop_scope="module")
async def driver(someone: SignUp) -> Api:
    return await someone("DRIVER")


def codes(payload: dict[str, Any]) -> list[str]:
    return [error["code"] for error in payload["errors"]]


# No session.


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (TRIPS, {}),
        (TRIP_BY_ID, {"id": str(uuid4())}),
        (NODE, {"id": str(uuid4())}),
        (LOG_OUT, {}),
        (CREATE_TRIP, {"input": SOMEWHERE}),
        (UPDATE_TRIP, {"input": {"id": str(uuid4()), "status": "STARTED"}}),
        (REPORT_LOCATION, {"input": report_input()}),
    ],
)
async def test_a_stranger_is_unauthenticated(stranger: Api, query: str, variables: dict[str, Any]) -> None:
    assert await stranger.code(query, **variables) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (MY_TRIPS, {}),
        (POOL, {}),
        (TRIP_UPDATED, {"id": str(uuid4())}),
        (DRIVER_LOCATION, {"tripId": str(uuid4())}),
    ],
)
async def test_a_stranger_cannot_follow_server_sent_events(
    stranger: Api, query: str, variables: dict[str, Any]
) -> None:
    body = {"query": query, "variables": variables}
    response = await stranger.http.post("/graphql", json=body, headers={"Accept": "text/event-stream"})

    assert response.text.startswith("event: next\ndata: ")
    assert '"code":"UNAUTHENTICATED"' in response.text
    assert response.text.endswith("event: complete\ndata:\n\n")


async def test_me_is_null_for_a_stranger(stranger: Api) -> None:
    assert await stranger.post(ME) == {"data": {"me": None}}


@pytest.mark.parametrize(
    "payload", [None, {}, {"authorization": "Bearer nobody's"}, {"authorization": "Basic eDp5"}]
)
async def test_a_strangers_socket_is_closed_with_4403(
    shared_server: LiveServer, payload: dict[str, Any] | None
) -> None:
    async with open_socket(shared_server.url) as socket:
        with pytest.raises(SocketClosed) as closed:
            await socket.init(payload)
    assert closed.value.code == 4403


async def test_a_socket_closes_with_4401_when_its_session_is_logged_out(rider: Api) -> None:
    async with rider.socket() as socket:
        mine = await socket.start(MY_TRIPS)
        await mine.next()
        assert (await rider.data(LOG_OUT)) == {"errors": []}
        assert (await socket.closed()).code == 4401


async def test_a_log_out_over_the_socket_itself_closes_it_with_4401(rider: Api) -> None:
    async with rider.socket() as socket:
        await socket.start(LOG_OUT)
        assert (await socket.closed()).code == 4401
    assert await rider.data(ME) is None


# Unknown and invisible ids.


async def _invisible_trip(someone: SignUp) -> dict[str, Any]:
    """A trip that is invisible to a rider who did not request it and to a driver who did not accept it."""
    owner, its_driver = await someone("RIDER"), await someone("DRIVER")
    trip = await owner.create_trip()
    return await its_driver.update_trip(trip["id"], "STARTED")


@pytest.mark.parametrize("role", ["RIDER", "DRIVER"])
async def test_a_query_answers_null_for_an_unknown_and_for_an_invisible_id(someone: SignUp, role: str) -> None:
    api, trip = await someone(role), await _invisible_trip(someone)
    for trip_id in (str(uuid4()), trip["id"]):
        assert await api.post(TRIP_BY_ID, id=trip_id) == {"data": {"trip": None}}
        assert await api.post(NODE, id=trip_id) == {"data": {"node": None}}
    for user in (trip["rider"], trip["driver"]):
        assert await api.post(NODE, id=user["id"]) == {"data": {"node": None}}


async def test_a_node_is_the_caller_a_visible_trip_or_the_other_party(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    assert await driver.data(NODE, id=rider.user["id"]) is None
    await driver.update_trip(trip["id"], "STARTED")

    assert await rider.data(NODE, id=trip["id"]) == {"id": trip["id"], "__typename": "Trip"}
    for api in (rider, driver):
        for user in (rider.user, driver.user):
            assert await api.data(NODE, id=user["id"]) == {"id": user["id"], "__typename": "User"}


@pytest.mark.parametrize(("role", "status"), [("RIDER", "CANCELLED"), ("DRIVER", "COMPLETED")])
async def test_a_mutation_answers_trip_not_found_for_an_unknown_and_for_an_invisible_id(
    someone: SignUp, role: str, status: str
) -> None:
    api, trip = await someone(role), await _invisible_trip(someone)
    answers = [await api.try_update_trip(trip_id, status) for trip_id in (str(uuid4()), trip["id"])]
    assert answers[0] == answers[1]
    assert codes(answers[0]) == ["TRIP_NOT_FOUND"]
    assert answers[0]["trip"] is None


@pytest.mark.parametrize(
    ("role", "query", "name"),
    [("RIDER", TRIP_UPDATED, "id"), ("DRIVER", TRIP_UPDATED, "id"), ("RIDER", DRIVER_LOCATION, "tripId")],
)
async def test_a_subscription_answers_not_found_for_an_unknown_and_for_an_invisible_id(
    someone: SignUp, role: str, query: str, name: str
) -> None:
    api, trip = await someone(role), await _invisible_trip(someone)
    async with api.socket() as socket:
        for trip_id in (str(uuid4()), trip["id"]):
            watched = await socket.start(query, **{name: trip_id})
            assert await watched.error_code() == "NOT_FOUND"
        await socket.ping()


async def test_a_subscription_ends_with_not_found_and_complete_when_the_caller_may_no_longer_see_the_trip(
    someone: SignUp, rider: Api, driver: Api
) -> None:
    other = await someone("DRIVER")
    trip = await rider.create_trip()
    async with driver.socket() as socket:
        watched = await socket.start(TRIP_UPDATED, id=trip["id"])
        assert (await watched.next())["status"] == "REQUESTED"

        await other.update_trip(trip["id"], "STARTED")

        message = await watched.message()
        assert message["type"] == "next"
        assert message["payload"]["data"] is None
        assert [e["extensions"]["code"] for e in message["payload"]["errors"]] == ["NOT_FOUND"]
        await watched.completed()
        await socket.ping()


# Malformed input.


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (TRIP_BY_ID, {"id": "17"}),
        (TRIP_BY_ID, {"id": 17}),
        (TRIP_BY_ID, {"id": ""}),
        (TRIP_BY_ID, {"id": "\x00"}),
        (NODE, {"id": "z" * 36}),
        (UPDATE_TRIP, {"input": {"id": "x", "status": "STARTED"}}),
        (UPDATE_TRIP, {"input": {"id": str(uuid4()), "status": "CANCELLED", "reason": "x" * 501}}),
        (UPDATE_TRIP, {"input": {"id": str(uuid4()), "status": "TELEPORTED"}}),
        (UPDATE_TRIP, {"input": {"id": str(uuid4()), "status": "STARTED", "ifVersion": 2**31}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"pickUpAddress": ""}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"dropOffAddress": "  \t "}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"dropOffAddress": "x" * 256}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"dropOffAddress": "a\x00b"}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"pickUp": {"lat": 91, "lng": 0}}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"pickUp": {"lat": -90.01, "lng": 0}}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"dropOff": {"lat": 0, "lng": 180.5}}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"dropOff": {"lat": 1e300, "lng": 0}}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"dropOff": {"lat": 0}}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"idempotencyKey": ""}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"idempotencyKey": "k" * 129}}),
        (CREATE_TRIP, {"input": SOMEWHERE | {"rider": str(uuid4())}}),
        (CREATE_TRIP, {"input": []}),
        (CREATE_TRIP, {}),
        (TRIPS, {"first": -1}),
        (TRIPS, {"first": 101}),
        (TRIPS, {"first": 2**31}),
        (TRIPS, {"first": 10**30}),
        (TRIPS, {"first": "20"}),
        (TRIPS, {"status": ["TELEPORTED"]}),
        (TRIPS, {"status": [None]}),
        (TRIPS, {"after": "not a cursor"}),
        (TRIPS, {"after": ""}),
        *[
            (REPORT_LOCATION, {"input": report_input() | changes})
            for changes in (
                {"point": {"lat": 91, "lng": 0}},
                {"point": {"lat": 0, "lng": -181}},
                {"point": {"lat": 1e308, "lng": 0}},
                {"point": {"lat": 10**18, "lng": 0}},
                {"point": {"lat": "NaN", "lng": 0}},
                {"point": {"lat": None, "lng": 0}},
                {"point": {"lat": 0}},
                {"point": None},
                {"heading": -1},
                {"heading": 361},
                {"heading": "north"},
                {"recordedAt": "2026-11-24T12:00:00"},
                {"recordedAt": "9999-12-31T23:59:59-14:00"},
                {"recordedAt": "9999-12-31T23:59:59+14:00"},
                {"recordedAt": "9999-12-31T24:00:00Z"},
                {"recordedAt": "0000-01-01T00:00:00Z"},
                {"recordedAt": "2026-11-24T12:00:00+99:99"},
                {"recordedAt": "yesterday"},
                {"recordedAt": "x" * 3_000},
                {"recordedAt": "\x00"},
                {"recordedAt": ""},
                {"recordedAt": 1_795_000_000},
                {"recordedAt": []},
                {"recordedAt": None},
                {"driver": str(uuid4())},
            )
        ],
        (LOG_IN, {"username": None, "password": "x"}),
        (LOG_IN, {"username": "x", "password": {"$ne": ""}}),
    ],
)
async def test_malformed_input_is_bad_user_input(
    rider: Api, driver: Api, query: str, variables: dict[str, Any]
) -> None:
    api = driver if query is REPORT_LOCATION else rider
    assert await api.code(query, **variables) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("query", "variables", "field"),
    [
        (CREATE_TRIP, {"input": SOMEWHERE | {"pickUp": {"lat": 91, "lng": 0}}}, ["pickUp", "lat"]),
        (REPORT_LOCATION, {"input": report_input(91)}, ["point", "lat"]),
        (REPORT_LOCATION, {"input": report_input(heading=-1)}, ["heading"]),
        (REPORT_LOCATION, {"input": report_input(age_s=-3600)}, ["recordedAt"]),
    ],
)
async def test_bad_user_input_names_the_field(
    rider: Api, driver: Api, query: str, variables: dict[str, Any], field: list[str]
) -> None:
    body = await (driver if query is REPORT_LOCATION else rider).post(query, **variables)
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}


@pytest.mark.parametrize("literal", ["1e999", "-1e999", "1" + "0" * 400])
async def test_a_number_too_large_for_a_double_in_the_document_is_bad_user_input(
    driver: Api, literal: str
) -> None:
    moment = report_input()["recordedAt"]
    for fields in (
        f"point: {{ lat: {literal}, lng: 0 }}",
        f"point: {{ lat: 0, lng: {literal} }}",
        f"point: {{ lat: 0, lng: 0 }}, heading: {literal}",
    ):
        input = f'{{ {fields}, recordedAt: "{moment}" }}'
        assert (
            await driver.code(f"mutation {{ reportLocation(input: {input}) {{ __typename }} }}")
            == "BAD_USER_INPUT"
        )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_a_number_that_is_invalid_in_json_is_a_bad_request(driver: Api, number: str) -> None:
    variables = f'{{"input": {{"point": {{"lat": {number}, "lng": 0}}, "recordedAt": "2026-11-24T12:00:00Z"}}}}'
    query = orjson.dumps(REPORT_LOCATION).decode()
    response = await driver.http.post(
        "/graphql",
        content=f'{{"query": {query}, "variables": {variables}}}',
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    async with driver.socket() as socket:
        await socket.connection.send(
            f'{{"type": "subscribe", "id": "1", "payload": {{"query": {query}, "variables": {variables}}}}}'
        )
        assert (await socket.closed()).code == 4400


@pytest.mark.parametrize("variables", [{"id": "x"}, {"id": None}, {}])
async def test_malformed_input_of_a_subscription_is_bad_user_input(rider: Api, variables: dict[str, Any]) -> None:
    async with rider.socket() as socket:
        watched = await socket.start(TRIP_UPDATED, **variables)
        assert await watched.error_code() == "BAD_USER_INPUT"
        await socket.ping()


NEAR = "subscription ($near: NearInput) { driverPool(near: $near) { __typename } }"
HERE = {"lat": 52.5, "lng": 13.4}


@pytest.mark.parametrize(
    ("near", "field"),
    [
        ({"point": HERE, "radiusM": 0}, ["near", "radiusM"]),
        ({"point": HERE, "radiusM": -1}, ["near", "radiusM"]),
        ({"point": HERE, "radiusM": 1e9}, ["near", "radiusM"]),
        ({"point": {"lat": 90.1, "lng": 0}}, ["near", "point", "lat"]),
        ({"point": {"lat": 0, "lng": -180.1}}, ["near", "point", "lng"]),
        ({"point": HERE, "radiusM": "NaN"}, None),
        ({"point": {"lat": 0}}, None),
        ({"radiusM": 1}, None),
        ([], None),
    ],
)
async def test_an_invalid_area_is_bad_user_input_and_names_the_field(
    driver: Api, near: Any, field: list[str] | None
) -> None:
    async with driver.socket() as socket:
        message = await (await socket.start(NEAR, near=near)).message()
        assert message["type"] == "error"
        expected = {"code": "BAD_USER_INPUT"} | ({"field": field} if field is not None else {})
        assert message["payload"][0]["extensions"] == expected
        await socket.ping()


@pytest.mark.parametrize("variables", [{"tripId": "x"}, {"tripId": None}, {"tripId": ""}, {"tripId": 1.5}, {}])
async def test_a_malformed_trip_id_of_a_subscription_is_bad_user_input(
    rider: Api, variables: dict[str, Any]
) -> None:
    async with rider.socket() as socket:
        followed = await socket.start(DRIVER_LOCATION, **variables)
        assert await followed.error_code() == "BAD_USER_INPUT"
        await socket.ping()


# The wrong role.


async def test_a_driver_who_requests_a_trip_gets_not_a_rider(driver: Api) -> None:
    assert codes(await driver.try_create_trip()) == ["NOT_A_RIDER"]


async def test_a_driver_who_cancels_an_open_trip_gets_illegal_transition(rider: Api, driver: Api) -> None:
    """Only the driver who waits for the rider may cancel."""
    trip = await rider.create_trip()
    assert codes(await driver.try_update_trip(trip["id"], "CANCELLED")) == ["ILLEGAL_TRANSITION"]


@pytest.mark.parametrize("status", ["STARTED", "IN_PROGRESS", "COMPLETED", "REQUESTED"])
async def test_a_rider_who_accepts_a_trip_gets_not_a_driver(rider: Api, status: str) -> None:
    trip = await rider.create_trip()
    assert codes(await rider.try_update_trip(trip["id"], status)) == ["NOT_A_DRIVER"]


async def test_a_rider_who_reports_a_position_gets_not_a_driver(rider: Api) -> None:
    assert codes(await rider.data(REPORT_LOCATION, input=report_input())) == ["NOT_A_DRIVER"]


async def test_a_driver_who_follows_a_driver_gets_forbidden(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    async with driver.socket() as socket:
        for trip_id in (trip["id"], str(uuid4())):
            assert await (await socket.start(DRIVER_LOCATION, tripId=trip_id)).error_code() == "FORBIDDEN"
        await socket.ping()


async def test_a_rider_who_follows_the_pool_gets_forbidden(rider: Api) -> None:
    async with rider.socket() as socket:
        pool = await socket.start(POOL)
        assert await pool.error_code() == "FORBIDDEN"
        await socket.ping()
    response = await rider.http.post("/graphql", json={"query": POOL}, headers={"Accept": "text/event-stream"})
    assert '"code":"FORBIDDEN"' in response.text


# Accounts.

ACCOUNT = {
    "username": "a.new.name",
    "password1": PASSWORD,
    "password2": PASSWORD,
    "firstName": "Ada",
    "lastName": "L",
    "role": "RIDER",
}


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"username": "ab"}, "USERNAME_INVALID", ["username"]),
        ({"password1": "12345678", "password2": "12345678"}, "PASSWORD_WEAK", ["password1"]),
        ({"password2": PASSWORD + "x"}, "PASSWORD_MISMATCH", ["password2"]),
    ],
)
async def test_a_faulty_sign_up_gets_the_code_of_its_fault(
    stranger: Api, changes: dict[str, Any], code: str, field: list[str]
) -> None:
    payload = await stranger.data(SIGN_UP, input=ACCOUNT | changes)
    assert [(e["code"], e["field"], e["retryable"]) for e in payload["errors"]] == [(code, field, False)]
    assert payload["user"] is None
    assert payload["token"] is None
    assert await stranger.data(ME) is None


async def test_a_taken_name_is_answered_with_username_taken(stranger: Api, rider: Api) -> None:
    payload = await stranger.data(SIGN_UP, input=ACCOUNT | {"username": rider.user["username"]})
    assert codes(payload) == ["USERNAME_TAKEN"]


async def test_a_wrong_password_is_answered_with_bad_credentials(stranger: Api, rider: Api) -> None:
    for username in (rider.user["username"], "nobody@example.com", "", "\x00", "x" * 10_000):
        payload = await stranger.data(LOG_IN, username=username, password="wrong")
        assert codes(payload) == ["BAD_CREDENTIALS"]
        assert payload["user"] is None
    assert not stranger.http.cookies


# Trips.


async def test_a_driver_who_accepts_too_late_gets_trip_taken(someone: SignUp, rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    payload = await (await someone("DRIVER")).try_update_trip(trip["id"], "STARTED")
    assert codes(payload) == ["TRIP_TAKEN"]
    assert payload["trip"] is None


async def test_a_driver_who_accepts_too_late_gets_trip_cancelled(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    await rider.update_trip(trip["id"], "CANCELLED")
    payload = await driver.try_update_trip(trip["id"], "STARTED")
    assert codes(payload) == ["TRIP_CANCELLED"]
    assert payload["trip"] is None


async def test_a_driver_who_accepts_too_late_gets_trip_expired(
    shared_server: LiveServer, rider: Api, driver: Api
) -> None:
    trip = await rider.create_trip()
    await shared_server.application.database.fetch(
        "UPDATE trips SET expires_at = created WHERE id = $1", trip["id"]
    )
    payload = await driver.try_update_trip(trip["id"], "STARTED")
    assert codes(payload) == ["TRIP_EXPIRED"]
    assert payload["trip"] is None


async def test_a_change_that_is_no_allowed_transition_is_an_illegal_transition(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    assert codes(await driver.try_update_trip(trip["id"], "IN_PROGRESS")) == ["ILLEGAL_TRANSITION"]


async def test_a_change_of_another_version_is_a_version_conflict(rider: Api, driver: Api) -> None:
    trip = await rider.create_trip()
    assert codes(await driver.try_update_trip(trip["id"], "STARTED", ifVersion=2)) == ["VERSION_CONFLICT"]


async def test_a_key_used_for_another_request_is_an_idempotency_conflict(rider: Api) -> None:
    await rider.create_trip(idempotencyKey="k")
    payload = await rider.try_create_trip(idempotencyKey="k", pickUpAddress="elsewhere")
    assert codes(payload) == ["IDEMPOTENCY_CONFLICT"]


async def test_a_driver_with_an_active_trip_is_busy_and_may_try_again(
    someone: SignUp, rider: Api, driver: Api
) -> None:
    first, second = await rider.create_trip(), await (await someone("RIDER")).create_trip()
    await driver.update_trip(first["id"], "STARTED")
    payload = await driver.try_update_trip(second["id"], "STARTED")
    assert [(e["code"], e["retryable"]) for e in payload["errors"]] == [("DRIVER_BUSY", True)]


# Positions.


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00-14:00", "2026-01-01T00:00Z"])
async def test_a_position_that_is_too_old_is_stale(driver: Api, moment: str) -> None:
    payload = await driver.data(REPORT_LOCATION, input=report_input() | {"recordedAt": moment})
    assert [(e["code"], e["field"], e["retryable"]) for e in payload["errors"]] == [
        ("STALE_LOCATION", ["recordedAt"], False)
    ]


async def test_a_position_older_than_the_last_is_stale_and_the_same_one_again_is_not(driver: Api) -> None:
    newer, older = report_input(age_s=1), report_input(age_s=2)
    for input, expected in ((newer, []), (newer, []), (older, ["STALE_LOCATION"])):
        assert codes(await driver.data(REPORT_LOCATION, input=input)) == expected


async def test_a_flood_of_positions_is_rate_limited_with_the_time_to_wait_and_only_for_its_driver(
    someone: SignUp, driver: Api
) -> None:
    other = await someone("DRIVER")
    body = {"query": REPORT_LOCATION, "variables": {"input": report_input()}}
    async with driver.socket() as socket:
        responses = [await driver.http.post("/graphql", json=body) for _ in range(7)]
        answer = await (await socket.start(REPORT_LOCATION, input=report_input())).message()
    assert [r.json().get("data") for r in responses[:5]] == [{"reportLocation": {"errors": []}}] * 5
    assert not any("Retry-After" in response.headers for response in responses[:5])
    refused = responses[-1]
    assert (refused.status_code, refused.headers["Retry-After"]) == (200, "1")
    for payload in (refused.json(), answer["payload"]):
        (error,) = payload["errors"]
        assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1}
    assert answer["type"] == "next"
    assert await other.data(REPORT_LOCATION, input=report_input()) == {"errors": []}


# Over a socket.


@pytest.mark.parametrize(
    ("query", "variables"),
    [(SIGN_UP, {"input": ACCOUNT}), (LOG_IN, {"username": "x", "password": "y", "issueToken": True})],
)
async def test_nobody_signs_up_or_logs_in_over_a_socket(rider: Api, query: str, variables: dict[str, Any]) -> None:
    async with rider.socket() as socket:
        answer = await (await socket.start(query, **variables)).message()
        assert answer["type"] == "next"
        (error,) = answer["payload"]["errors"]
        assert error["extensions"]["code"] == "COOKIE_TRANSPORT_REQUIRED"
        await socket.ping()


async def test_queries_and_mutations_are_answered_over_the_socket(rider: Api) -> None:
    async with rider.socket() as socket:
        made = await socket.start(CREATE_TRIP, input=SOMEWHERE)
        trip = (await made.next())["trip"]
        await made.completed()
        found = await socket.start(TRIP_BY_ID, id=trip["id"])
        assert await found.next() == {"id": trip["id"]}
        await found.completed()
        refused = await socket.start(TRIP_BY_ID, id="x")
        answer = await refused.message()
        assert answer["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        await refused.completed()


# Failures of the server.


@pytest.mark.attack("errors")
async def test_an_unexpected_failure_shows_an_incident_id_that_is_in_the_log_and_nothing_else(
    shared_server: LiveServer, rider: Api
) -> None:
    database = shared_server.application.database
    async with rider.socket() as socket:
        await database.fetch("ALTER TABLE trips RENAME TO mislaid")
        try:
            with structlog.testing.capture_logs() as logs:
                over_http = await rider.post(TRIP_BY_ID, id=str(uuid4()))
                over_socket = (await (await socket.start(TRIPS)).message())["payload"]
                watched = await socket.start(TRIP_UPDATED, id=str(uuid4()))
                subscription = {"errors": (await watched.message())["payload"]}
        finally:
            await database.fetch("ALTER TABLE mislaid RENAME TO trips")
        await socket.ping()
    for body in (over_http, over_socket, subscription):
        (error,) = body["errors"]
        incident_id = error["extensions"]["incidentId"]
        assert error["extensions"] == {"code": "INTERNAL", "incidentId": incident_id}
        assert error["message"] == f"Something went wrong on our side (incident {incident_id})."
        assert "no such table" not in str(body)
        (logged,) = [log for log in logs if log.get("incident_id") == incident_id]
        assert "no such table" in str(logged["exc_info"])
    assert await rider.data(TRIP_BY_ID, id=str(uuid4())) is None
