"""Operations that take too long: the waiting ends, but a write that has begun does not."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from application.application import Application
from services.live.subscriber import Subscriber
from services.runtime.time_limit import TimeLimit
from tests.conftest import LiveServer, SignUp
from tests.support.api import CREATE_TRIP, MY_TRIPS, Api

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("cost")]

EVENTS = {"Accept": "text/event-stream"}
MODERN = {"Accept": "application/graphql-response+json"}
TRIPS = "query { trips { nodes { id } } }"
# Long enough for an operation to reach the blocked function, on a busy machine.
TIMEOUT_S = 0.4
SOMEWHERE = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street"}


class Standstill:
    """Blocks a coroutine function of an object until it is released; before that, operations may take a moment."""

    def __init__(self, server: LiveServer) -> None:
        self._execution = server.asgi.sockets.execution
        self.waiting = 0

    @contextmanager
    def of(self, owner: object, name: str) -> Generator[None]:
        """Releases the blocked function at the end of the block."""
        let_go = asyncio.Event()
        held = getattr(owner, name)

        async def hold(*args: Any, **kwargs: Any) -> Any:
            self.waiting += 1
            try:
                await let_go.wait()
            finally:
                self.waiting -= 1
            return await held(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, hold)
            patch.setattr(self._execution, "time_limit", TimeLimit(TIMEOUT_S))
            yield
        let_go.set()


@pytest.fixture
def standstill(shared_server: LiveServer) -> Standstill:
    """Blocks a part of the running server."""
    return Standstill(shared_server)


@pytest.fixture
def application(shared_server: LiveServer) -> Application:
    """The running server's parts."""
    return shared_server.application


async def still_answers(api: Api) -> None:
    assert (await api.data("{ me { id } }"))["id"] == api.user["id"]


async def test_a_query_is_answered_in_time_and_ends(
    someone: SignUp, application: Application, standstill: Standstill
) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        with standstill.of(application.services.trips, "page"):
            on_socket = await socket.start(TRIPS)
            kinds = (None, MODERN, EVENTS)
            responses = await asyncio.gather(
                *(rider.http.post("/graphql", json={"query": TRIPS}, headers=headers) for headers in kinds)
            )
            for headers, response in zip(kinds, responses, strict=True):
                assert response.status_code == 200
                text = response.text if headers is not EVENTS else response.text.split("data: ")[1].splitlines()[0]
                result = json.loads(text)
                assert result["data"] is None
                assert [error["extensions"] for error in result["errors"]] == [{"code": "TIMEOUT"}]
            assert await on_socket.error_code() == "TIMEOUT"
            assert standstill.waiting == 0
        assert await (await socket.start("{ me { id } }")).next() == {"id": rider.user["id"]}
    await still_answers(rider)


async def test_an_operation_does_not_wait_beyond_its_time_limit_for_the_session(
    someone: SignUp, application: Application, standstill: Standstill
) -> None:
    rider = await someone("RIDER")
    with standstill.of(application.services.sessions, "actor_of"):
        assert await rider.code("{ me { id } }") == "TIMEOUT"
    await still_answers(rider)


async def test_a_write_that_has_begun_is_finished_and_announced(
    someone: SignUp, application: Application, standstill: Standstill
) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        mine = await socket.start(MY_TRIPS)
        assert (await mine.next())["trips"] == []
        with standstill.of(application.services.trips._requests, "write_alone"):
            on_socket = await socket.start(CREATE_TRIP, input=SOMEWHERE)
            assert await rider.code(CREATE_TRIP, input=SOMEWHERE) == "TIMEOUT"
            assert await on_socket.error_code() == "TIMEOUT"
            assert standstill.waiting == 2
        announced = [(await mine.next())["trip"]["id"] for _ in range(2)]
    page = await rider.data(TRIPS)
    assert sorted(trip["id"] for trip in page["nodes"]) == sorted(announced)


async def test_mutations_after_one_that_hangs_are_not_begun(
    someone: SignUp, application: Application, standstill: Standstill
) -> None:
    rider = await someone("RIDER")
    mutation = "createTrip(input: $input) { trip { id } }"
    query = f"mutation ($input: CreateTripInput!) {{ a: {mutation} b: {mutation} }}"
    with standstill.of(application.services.trips._requests, "write_alone"):
        assert await rider.code(query, input=SOMEWHERE) == "TIMEOUT"
        assert standstill.waiting == 1
    await application.shield.drain()
    assert len((await rider.data(TRIPS))["nodes"]) == 1


async def test_a_subscription_that_does_not_begin_is_refused_and_leaves_nothing(
    someone: SignUp, application: Application, standstill: Standstill
) -> None:
    rider = await someone("RIDER")
    hub = application.services.hub
    before = hub.subscribers
    async with rider.socket() as socket:
        with standstill.of(Subscriber, "begin"):
            on_socket = await socket.start(MY_TRIPS)
            response = await rider.http.post("/graphql", json={"query": MY_TRIPS}, headers=EVENTS)
            comment, first, last = response.text.strip().split("\n\n")
            assert comment == ":"
            assert json.loads(first.split("data: ")[1])["errors"][0]["extensions"] == {"code": "TIMEOUT"}
            assert last == "event: complete\ndata:"
            assert await on_socket.error_code() == "TIMEOUT"
            assert hub.subscribers == before
        assert (await (await socket.start(MY_TRIPS)).next())["trips"] == []


async def test_a_subscription_that_has_begun_may_last(
    someone: SignUp, application: Application, standstill: Standstill
) -> None:
    rider = await someone("RIDER")
    async with rider.socket() as socket:
        with standstill.of(application.services.trips, "page"):
            mine = await socket.start(MY_TRIPS)
            assert (await mine.next())["trips"] == []
            # An operation that began later has timed out.
            assert await (await socket.start(TRIPS)).error_code() == "TIMEOUT"
        trip = await rider.create_trip()
        assert (await mine.next())["trip"]["id"] == trip["id"]
