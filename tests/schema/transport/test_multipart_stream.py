"""Subscriptions as multipart responses."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import orjson
import pytest
import structlog

from schema.transport import subscription_stream
from schema.transport.multipart_stream import MultipartFraming
from tests.conftest import LiveServer, SignUp
from tests.support.api import CREATE_TRIP, LOG_OUT, MY_TRIPS, POOL, TRIP_UPDATED, Api
from tests.support.parts import DELIMITER, END, HEARTBEAT, PARTS, parts
from tests.support.positions import DRIVER_LOCATION
from tests.support.tcp import connected
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.attack("protocol"), pytest.mark.asyncio(loop_scope="module")]

SPEC = PARTS["Accept"]
# What Apollo Client 4 sends with a subscription.
APOLLO = (
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,"
    "application/graphql-response+json,application/json;q=0.9"
)
EVENTS = "text/event-stream"
SOMEWHERE = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}
PICK_UP = "subscription ($id: ID!) { tripUpdated(id: $id) { pickUpAddress } }"
STATUS = "subscription ($id: ID!) { tripUpdated(id: $id) { status } }"


def result(status: str) -> bytes:
    """The part of a result, with the delimiter after it."""
    body = b'{"payload":{"data":{"tripUpdated":{"status":"' + status.encode() + b'"}}}}'
    return b"\r\ncontent-type: application/json\r\n\r\n" + body + DELIMITER


async def test_the_bytes_of_a_subscription_from_its_snapshot_to_its_end(someone: SignUp) -> None:
    rider = await someone("RIDER")
    trip = await rider.create_trip()
    body = {"query": STATUS, "variables": {"id": trip["id"]}}
    async with rider.http.stream("POST", "/graphql", json=body, headers=PARTS) as response:
        chunks = response.aiter_raw()
        # The delimiter after a part comes with it: without that, no client would take the part for complete.
        received = await read_until(chunks, HEARTBEAT + result("REQUESTED"))
        await rider.update_trip(trip["id"], "CANCELLED")
        received += await read_until(chunks, result("CANCELLED") + END)
        assert [chunk async for chunk in chunks] == []
    assert received == HEARTBEAT + result("REQUESTED") + result("CANCELLED") + END
    assert response.headers["Content-Type"] == 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert "Content-Length" not in response.headers


async def test_a_client_of_http_1_0_gets_the_same_without_chunks(
    shared_server: LiveServer, someone: SignUp
) -> None:
    """It knows no chunks: their lengths would be parts of the answer. The end is that of the connection."""
    rider = await someone("RIDER")
    trip = await rider.create_trip()
    body = orjson.dumps({"query": STATUS, "variables": {"id": trip["id"]}})
    cookie = "; ".join(f"{name}={value}" for name, value in rider.http.cookies.items())
    fields = {**PARTS, "Host": "localhost", "Content-Type": "application/json", "Cookie": cookie}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    async with connected(shared_server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(f"POST /graphql HTTP/1.0\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).lower()
        begun = HEARTBEAT + result("REQUESTED")
        assert await reader.readexactly(len(begun)) == begun
        await rider.update_trip(trip["id"], "CANCELLED")
        assert await reader.read() == result("CANCELLED") + END
    assert b"\r\nconnection: close\r\n" in answered
    assert b"transfer-encoding" not in answered


async def test_a_subscription_sends_its_snapshot_then_changes_then_the_end(someone: SignUp) -> None:
    rider, driver = await someone("RIDER"), await someone("DRIVER")
    trip = await rider.create_trip()
    async with parts(rider, TRIP_UPDATED, id=trip["id"]) as events:
        assert (await events.next())["version"] == 1
        await driver.update_trip(trip["id"], "STARTED")
        assert (await events.next())["status"] == "STARTED"
        await rider.update_trip(trip["id"], "CANCELLED")
        assert (await events.next())["status"] == "CANCELLED"
        await events.ended()


async def test_a_quiet_stream_begins_immediately_with_a_heartbeat_and_repeats_it(
    someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    rider, driver = await someone("RIDER"), await someone("DRIVER")
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    monkeypatch.setattr(subscription_stream, "KEEP_ALIVE_S", 0.02)
    # No position is known, so there is no event.
    async with parts(rider, DRIVER_LOCATION, tripId=trip["id"]) as events:
        chunks = events.response.aiter_raw()
        again = HEARTBEAT.removeprefix(DELIMITER)
        assert (await read_until(chunks, HEARTBEAT + again * 2)).startswith(HEARTBEAT + again)


async def test_what_looks_like_a_delimiter_in_a_result_is_not_one(someone: SignUp) -> None:
    rider = await someone("RIDER")
    trip = await rider.create_trip(pickUpAddress="--graphql-- --graphql")
    async with parts(rider, PICK_UP, id=trip["id"]) as events:
        assert await events.next() == {"pickUpAddress": "--graphql-- --graphql"}
    # Line ends are escaped in JSON.
    frame = MultipartFraming().next(orjson.dumps({"data": "\r\n--graphql--\r\n"}))
    assert frame["body"].count(DELIMITER) == 1


async def test_a_query_and_a_mutation_are_one_part_for_a_client_that_takes_nothing_else(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with parts(rider, "{ me { id } }") as events:
        assert await events.next() == {"id": rider.user["id"]}
        await events.ended()
    async with parts(rider, CREATE_TRIP, input=SOMEWHERE) as events:
        assert (await events.next())["trip"]["status"] == "REQUESTED"
        await events.ended()


@pytest.mark.parametrize("query", ["{ nothing }", "subscription { nothing }"])
async def test_a_refused_request_is_json_or_for_a_client_that_takes_nothing_else_one_part(
    someone: SignUp, query: str
) -> None:
    rider = await someone("RIDER")
    response = await rider.http.post("/graphql", json={"query": query}, headers={"Accept": APOLLO})
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/graphql-response+json")
    refused = response.json()
    assert refused["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    async with parts(rider, query) as events:
        assert await events.event() == ("next", refused)
        await events.ended()


async def test_an_unknown_trip_is_a_result_with_not_found_and_the_end(someone: SignUp) -> None:
    async with parts(await someone("RIDER"), TRIP_UPDATED, id=str(uuid4())) as events:
        name, result = await events.event()
        assert (name, result["data"]) == ("next", None)
        assert [error["extensions"]["code"] for error in result["errors"]] == ["NOT_FOUND"]
        await events.ended()


async def test_a_log_out_ends_the_stream_with_unauthenticated(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with parts(rider, MY_TRIPS) as events:
        await events.next()
        await rider.data(LOG_OUT)
        name, result = await events.event()
        assert (name, result["data"]) == ("next", None)
        assert [error["extensions"]["code"] for error in result["errors"]] == ["UNAUTHENTICATED"]
        await events.ended()


async def test_a_failure_of_the_server_is_an_error_beside_a_null_payload(
    shared_server: LiveServer, someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionError("a secret of ours")

    monkeypatch.setattr(shared_server.application.services.hub, "subscribe", fail)
    with structlog.testing.capture_logs():
        async with parts(await someone("RIDER"), MY_TRIPS) as events:
            name, failure = await events.event()
            await events.ended()
    assert name == "failure"
    assert [(*error, error["extensions"]["code"]) for error in failure["errors"]] == [
        ("message", "extensions", "INTERNAL")
    ]


async def test_a_client_that_disconnects_leaves_nothing_behind(shared_server: LiveServer, someone: SignUp) -> None:
    services = shared_server.application.services
    driver = await someone("DRIVER")
    async with parts(driver, POOL) as events:
        assert (await events.next())["__typename"] == "PoolSnapshot"
        assert (services.hub.subscribers, services.live_sessions.count) == (1, 1)
    await until(lambda: services.hub.subscribers == 0 and services.live_sessions.count == 0)
    assert await driver.data("{ __typename }") == "Query"


@pytest.mark.parametrize(
    "accept",
    [
        SPEC,
        APOLLO,
        'multipart/mixed;subscriptionSpec="1.0", application/json',
        'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0, application/json',
        f"{EVENTS};q=0.5, {SPEC}",
        f"{SPEC}, {EVENTS}",
    ],
)
async def test_a_client_that_names_the_protocol_first_gets_parts(someone: SignUp, accept: str) -> None:
    assert await kind_of_stream(await someone("RIDER"), accept) == "multipart/mixed"


@pytest.mark.parametrize(
    "accept",
    [
        f"{EVENTS}, {SPEC}",
        # What urql sends with every request: parts without the parameter are another protocol.
        "application/graphql-response+json, application/json, text/event-stream, multipart/mixed",
        f"{SPEC};q=0.5, {EVENTS}",
        f"{SPEC};q=0, */*;q=0.1",
        "*/*",
    ],
)
async def test_other_clients_get_events(someone: SignUp, accept: str) -> None:
    assert await kind_of_stream(await someone("RIDER"), accept) == EVENTS


@pytest.mark.parametrize(
    "accept",
    [
        "multipart/mixed",
        "multipart/*",
        "multipart/mixed;deferSpec=20220824, application/json",
        "multipart/mixed;subscriptionSpec=2.0, application/json",
        f"{SPEC};q=0, application/json",
    ],
)
async def test_without_the_protocols_name_and_version_a_subscription_is_406(someone: SignUp, accept: str) -> None:
    rider = await someone("RIDER")
    response = await rider.http.post("/graphql", json={"query": MY_TRIPS}, headers={"Accept": accept})
    assert response.status_code == 406
    assert "multipart/mixed;subscriptionSpec=1.0" in response.json()["errors"][0]["message"]


async def test_a_query_of_a_client_that_also_takes_json_is_answered_in_json(someone: SignUp) -> None:
    rider = await someone("RIDER")
    response = await rider.http.post("/graphql", json={"query": "{ __typename }"}, headers={"Accept": APOLLO})
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/graphql-response+json")


async def kind_of_stream(api: Api, accept: str) -> str:
    """The media type of a subscription's response, without parameters."""
    body = {"query": MY_TRIPS}
    async with api.http.stream("POST", "/graphql", json=body, headers={"Accept": accept}) as response:
        assert response.status_code == 200
        return response.headers["Content-Type"].partition(";")[0]


async def read_until(chunks: AsyncIterator[bytes], expected: bytes) -> bytes:
    """As many bytes as are expected."""
    received = b""
    async with asyncio.timeout(PATIENCE_S):
        while len(received) < len(expected):
            received += await anext(chunks)
    return received
