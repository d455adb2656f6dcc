"""How many sockets and event streams one user may have open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from application.settings import Settings
from tests.conftest import LiveServer, SignUp
from tests.support.api import MY_TRIPS, Api, SocketClosed, open_socket
from tests.support.parts import PARTS
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.attack("abuse")]

LIMIT = 2
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def shared_settings(shared_settings: Settings) -> Settings:
    """Settings with a low limit."""
    return shared_settings.model_copy(update={"max_sockets_per_user": LIMIT})


@asynccontextmanager
async def streaming(
    api: Api, query: str = MY_TRIPS, headers: dict[str, str] = EVENTS
) -> AsyncIterator[httpx.Response]:
    async with api.http.stream("POST", "/graphql", json={"query": query}, headers=headers) as response:
        yield response


async def refused(api: Api) -> SocketClosed:
    """The end of a socket above the limit."""
    async with open_socket(api.url, headers=api.cookie_header()) as socket:
        await socket.send(type="connection_init")
        return await socket.closed()


async def test_a_socket_above_the_limit_closes_with_4429_and_nobody_else_notices(someone: SignUp) -> None:
    rider, other = await someone("RIDER"), await someone("RIDER")
    async with rider.socket() as one, rider.socket() as two:
        # Twice: a refused socket takes no place, and returns none.
        for _ in range(2):
            closed = await refused(rider)
            assert (closed.code, closed.reason) == (4429, "Too many sockets")
        async with other.socket() as socket:
            for each in (one, two, socket):
                await each.ping()


@pytest.mark.parametrize("is_cut", [True, False])
async def test_a_place_becomes_free_when_a_socket_ends(
    shared_server: LiveServer, someone: SignUp, is_cut: bool
) -> None:
    sockets = shared_server.asgi.sockets.sockets
    rider = await someone("RIDER")
    async with rider.socket():
        async with rider.socket() as leaving:
            assert (await refused(rider)).code == 4429
            await (await leaving.start(MY_TRIPS)).next()
            if is_cut:
                leaving.connection.transport.abort()
        await until(lambda: len(sockets) == 1)
        async with rider.socket() as come:
            await come.ping()
            assert (await refused(rider)).code == 4429


async def test_of_ten_simultaneous_introductions_as_many_as_the_limit_succeed(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with AsyncExitStack() as stack:
        opened = [open_socket(rider.url, headers=rider.cookie_header()) for _ in range(10)]
        sockets = [await stack.enter_async_context(each) for each in opened]
        answers = await asyncio.gather(*(socket.init() for socket in sockets), return_exceptions=True)
    assert answers.count(None) == LIMIT
    assert [answer.code for answer in answers if isinstance(answer, SocketClosed)] == [4429] * (10 - LIMIT)


async def test_an_event_stream_above_the_limit_is_answered_with_429(someone: SignUp) -> None:
    rider = await someone("RIDER")
    async with rider.socket(), streaming(rider, headers=PARTS) as stream:
        assert stream.status_code == 200
        for headers in (EVENTS, PARTS):
            async with streaming(rider, headers=headers) as response:
                assert (response.status_code, response.headers["Content-Type"]) == (429, "application/json")
                (error,) = (await _body(response))["errors"]
                assert error["extensions"]["code"] == "TOO_MANY_SOCKETS"
        # A stream counts like a socket.
        assert (await refused(rider)).code == 4429
        # A response that is sent immediately is no stream.
        async with streaming(rider, "{ __typename }") as response:
            assert response.status_code == 200


async def test_a_place_becomes_free_when_an_event_stream_ends(shared_server: LiveServer, someone: SignUp) -> None:
    hub = shared_server.application.services.hub
    rider = await someone("RIDER")
    async with streaming(rider):
        async with streaming(rider, headers=PARTS):
            assert (await refused(rider)).code == 4429
        await until(lambda: hub.subscribers == 1)
        async with streaming(rider) as response:
            assert response.status_code == 200
            assert (await refused(rider)).code == 4429


async def _body(response: httpx.Response) -> dict[str, list[dict[str, dict[str, str]]]]:
    await response.aread()
    return response.json()
