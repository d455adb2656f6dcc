"""Operations over server-sent events."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from schema.transport import subscription_stream
from schema.transport.subscription_stream import UNACKNOWLEDGED_S
from tests.conftest import LiveServer, SignUp
from tests.support.api import CREATE_TRIP, LOG_OUT, MY_TRIPS, POOL, TRIP_UPDATED, Api
from tests.support.positions import DRIVER_LOCATION
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.attack("protocol"), pytest.mark.asyncio(loop_scope="module")]

EVENTS = {"Accept": "text/event-stream"}
SOMEWHERE = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}


class Stream:
    """The events of one response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def event(self) -> tuple[str, Any]:
        """The next event's name and data; skips comments."""
        async with asyncio.timeout(PATIENCE_S):
            name, data = "", ""
            async for line in self._lines:
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    data = line.removeprefix("data:").strip()
                elif not line and name:
                    return name, json.loads(data) if data else None
        raise EOFError

    async def next(self) -> Any:
        """The next result's one root field."""
        name, result = await self.event()
        assert name == "next"
        assert "errors" not in result, result
        (value,) = result["data"].values()
        return value

    async def ended(self) -> None:
        """Fail unless `complete` and the end of the response come next."""
        assert await self.event() == ("complete", None)
        with pytest.raises(EOFError):
            await self.event()


@asynccontextmanager
async def stream(api: Api, query: str, /, **variables: Any) -> AsyncIterator[Stream]:
    body = {"query": query, "variables": variables}
    async with api.http.stream("POST", "/graphql", json=body, headers=EVENTS) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        yield Stream(response)


async def test_a_subscription_sends_its_snapshot_then_changes_then_complete(someone: SignUp) -> None:
    rider, driver = await someone("RIDER"), await someone("DRIVER")
    trip = await rider.create_trip()
    async with stream(rider, TRIP_UPDATED, id=trip["id"]) as events:
        assert (await events.next())["version"] == 1
        await driver.update_trip(trip["id"], "STARTED")
        assert (await events.next())["status"] == "STARTED"
        await rider.update_trip(trip["id"], "CANCELLED")
        assert (await events.next())["status"] == "CANCELLED"
        await events.ended()


async def test_a_quiet_stream_begins_immediately_with_a_comment(
    someone: SignUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The next comment would be this one.
    monkeypatch.setattr(subscription_stream, "KEEP_ALIVE_S", 2 * PATIENCE_S)
    rider, driver = await someone("RIDER"), await someone("DRIVER")
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    # No position is known, so there is no event.
    async with stream(rider, DRIVER_LOCATION, tripId=trip["id"]) as events, asyncio.timeout(PATIENCE_S):
        assert await anext(events.response.aiter_raw()) == b":\n\n"


async def test_a_query_and_a_mutation_are_one_event_and_complete(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with stream(rider, "{ me { id } }") as events:
        assert await events.next() == {"id": rider.user["id"]}
        await events.ended()
    async with stream(rider, CREATE_TRIP, input=SOMEWHERE) as events:
        assert (await events.next())["trip"]["status"] == "REQUESTED"
        await events.ended()


async def test_a_refused_request_is_one_event_and_complete(stranger: Api) -> None:
    async with stream(stranger, "{ nothing }") as events:
        name, result = await events.event()
        assert name == "next"
        assert [e["extensions"]["code"] for e in result["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]
        await events.ended()


async def test_an_unknown_trip_is_not_found_and_complete(someone: SignUp) -> None:
    async with stream(await someone("RIDER"), TRIP_UPDATED, id=str(uuid4())) as events:
        name, result = await events.event()
        assert name == "next"
        assert [e["extensions"]["code"] for e in result["errors"]] == ["NOT_FOUND"]
        await events.ended()


async def test_a_client_that_disconnects_leaves_nothing_behind(shared_server: LiveServer, someone: SignUp) -> None:
    services = shared_server.application.services
    driver = await someone("DRIVER")
    async with stream(driver, POOL) as events:
        assert (await events.next())["__typename"] == "PoolSnapshot"
        assert services.hub.subscribers == 1
        assert services.live_sessions.count == 1
    await until(lambda: services.hub.subscribers == 0 and services.live_sessions.count == 0)
    assert await driver.data("{ __typename }") == "Query"


async def test_a_stream_that_completes_leaves_nothing_behind(shared_server: LiveServer, someone: SignUp) -> None:
    services = shared_server.application.services
    rider = await someone("RIDER")
    trip = await rider.create_trip()
    await rider.update_trip(trip["id"], "CANCELLED")
    async with stream(rider, TRIP_UPDATED, id=trip["id"]) as events:
        assert (await events.next())["status"] == "CANCELLED"
        await events.ended()
    await until(lambda: services.hub.subscribers == 0 and services.live_sessions.count == 0)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has TCP_USER_TIMEOUT")
async def test_a_peer_whose_network_fails_is_disconnected(someone: SignUp) -> None:
    async with stream(await someone("DRIVER"), POOL) as events:
        await events.next()
        ours = events.response.extensions["network_stream"].get_extra_info("client_addr")
        (theirs,) = [c for c in psutil.Process().net_connections("tcp") if c.raddr == ours]
        with socket.socket(fileno=os.dup(theirs.fd)) as connection:
            unacknowledged_ms = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert unacknowledged_ms == UNACKNOWLEDGED_S * 1000


async def test_a_log_out_ends_the_stream_with_unauthenticated(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with stream(rider, MY_TRIPS) as events:
        await events.next()
        await rider.data(LOG_OUT)
        name, result = await events.event()
        assert name == "next"
        assert [e["extensions"]["code"] for e in result["errors"]] == ["UNAUTHENTICATED"]
        await events.ended()


async def test_an_end_of_the_session_that_is_published_twice_is_sent_once(
    shared_server: LiveServer, someone: SignUp
) -> None:
    services, bus = shared_server.application.services, shared_server.application.bus
    rider = await someone("RIDER")
    actor = await services.sessions.actor_of(rider.cookie_header()["Cookie"].partition("=")[2])
    assert actor is not None
    async with stream(rider, MY_TRIPS) as events:
        await events.next()
        # Both the bus and the check of the database may report it.
        await bus.publish([([services.topics.sessions], str(actor.session_id).encode())] * 2)
        name, result = await events.event()
        assert name == "next"
        assert [e["extensions"]["code"] for e in result["errors"]] == ["UNAUTHENTICATED"]
        await events.ended()


async def test_a_client_that_also_accepts_json_still_gets_its_events(someone: SignUp) -> None:
    rider = await someone("RIDER")
    # The headers that urql sends with every request.
    accept = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
    body = {"query": MY_TRIPS}
    async with rider.http.stream("POST", "/graphql", json=body, headers={"Accept": accept}) as response:
        assert (await Stream(response).next())["__typename"] == "MyTripsSnapshot"
    assert (await rider.http.post("/graphql", json={"query": "{ __typename }"}, headers={"Accept": accept})).json()
