"""Messages that wait for a client that does not read are not sent after its session has ended."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.settings import Settings
from models.trip_life import TripStatus
from models.values import TripValue
from schema.transport import sockets, subscription_stream
from schema.transport.send_queue import SendQueue
from services.trips import rows as trip_rows
from tests.conftest import LiveServer, SignUp
from tests.schema.transport.test_event_stream import Stream, stream
from tests.support.api import LOG_OUT, POOL, TRIP_UPDATED, Api, Events, SocketClosed
from tests.support.database_rows import add_rider, add_trip
from tests.support.live import ScriptedState
from tests.support.parts import Parts, parts
from tests.support.tcp import take_little
from tests.support.waiting import until

pytestmark = [pytest.mark.attack("access"), pytest.mark.asyncio(loop_scope="module")]

BUFFER_BYTES = 16_384
# Together much more than the buffers of the system and of both ends of a connection.
MESSAGES, MESSAGE_BYTES = 150, 10_000
# Each of some 60 KB.
ANSWERS = 40
# An event stream or a multipart response.
Subscribe = Callable[..., AbstractAsyncContextManager[Stream | Parts]]
both_streams = pytest.mark.parametrize("stream", [stream, parts], ids=["events", "parts"])
LARGE_PAGE = "{ trips(first: 100) { nodes { pickUpAddress dropOffAddress } } }"


@pytest.fixture(scope="module")
def shared_settings(shared_settings: Settings) -> Settings:
    """Settings of a server that allows as many operations on one socket."""
    return shared_settings.model_copy(update={"max_operations_per_socket": ANSWERS})


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> list[SendQueue]:
    """The queues of connections from now on."""
    made: list[SendQueue] = []

    class Noted(SendQueue):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(subscription_stream, "SendQueue", Noted)
    monkeypatch.setattr(sockets, "SendQueue", Noted)
    return made


async def publish(server: LiveServer, topic: str, trip: TripValue, number: int) -> None:
    """Publish a trip with a large pick-up address that begins with a number."""
    message = replace(trip, pick_up_address=f"{number} ".ljust(MESSAGE_BYTES, "x")).to_json()
    await server.application.bus.publish([([topic], message)])


async def rest(events: Stream | Parts) -> list[tuple[str, Any]]:
    """Everything that arrives until the response ends."""
    received: list[tuple[str, Any]] = []
    while True:
        try:
            received.append(await events.event())
        except EOFError:
            return received


def is_unauthenticated_and_complete(received: list[tuple[str, Any]]) -> bool:
    (name, result), complete = received
    codes = [error["extensions"]["code"] for error in result.get("errors", ())]
    return (name, codes, complete) == ("next", ["UNAUTHENTICATED"], ("complete", None))


async def log_out(api: Api) -> None:
    """End the session; returns when this server has closed its connections."""
    async with api.socket() as last:
        # Registered last, so it is called after all others.
        await api.data(LOG_OUT)
        assert (await last.closed()).code == 4401


@both_streams
async def test_a_stream_drops_waiting_messages_when_its_session_ends(
    shared_server: LiveServer, someone: SignUp, queues: list[SendQueue], stream: Subscribe
) -> None:
    topic, driver = shared_server.application.services.topics.pool, await someone("DRIVER")
    async with stream(driver, POOL) as events:
        await events.next()
        (send_queue,) = queues
        take_little(events.response.extensions["network_stream"].get_extra_info("client_addr"), BUFFER_BYTES)
        # Newer than the snapshot.
        state = ScriptedState()
        for number in range(MESSAGES):
            await publish(shared_server, topic, state.request(), number)
        await until(lambda: send_queue.waiting > MESSAGES // 2)
        await log_out(driver)
        # UNAUTHENTICATED and `complete`.
        assert send_queue.waiting <= 2
        received = await rest(events)
    # The bytes that the system already had arrive in order, and then only the end.
    offers = [int(result["data"]["driverPool"]["trip"]["pickUpAddress"].split()[0]) for _, result in received[:-2]]
    assert offers == list(range(len(offers)))
    assert len(offers) < MESSAGES // 2
    assert is_unauthenticated_and_complete(received[-2:])


@both_streams
async def test_a_completed_stream_drops_waiting_messages_too(
    shared_server: LiveServer, someone: SignUp, queues: list[SendQueue], stream: Subscribe
) -> None:
    services, rider = shared_server.application.services, await someone("RIDER")
    trip_id = UUID((await rider.create_trip())["id"])
    trip = await trip_rows.find(shared_server.application.database, trip_id)
    assert trip is not None
    async with stream(rider, TRIP_UPDATED, id=str(trip_id)) as events:
        await events.next()
        (send_queue,) = queues
        take_little(events.response.extensions["network_stream"].get_extra_info("client_addr"), BUFFER_BYTES)
        for number in range(MESSAGES):
            status = TripStatus.CANCELLED if number == MESSAGES - 1 else trip.status
            updated = trip.updated + timedelta(milliseconds=number + 1)
            change = replace(trip, version=number + 2, updated=updated, status=status)
            await publish(shared_server, services.topics.trip(trip_id), change, number)
        await until(lambda: services.hub.subscribers == 0)
        # The last state and `complete`.
        assert send_queue.waiting == 2
        await log_out(rider)
        received = await rest(events)
    assert "CANCELLED" not in [result["data"]["tripUpdated"]["status"] for _, result in received[:-2]]
    assert is_unauthenticated_and_complete(received[-2:])


async def test_a_socket_drops_the_results_that_wait_when_its_session_ends(
    shared_server: LiveServer, someone: SignUp, queues: list[SendQueue]
) -> None:
    database, driver = shared_server.application.database, await someone("DRIVER")
    rider = await add_rider(database)
    for _ in range(100):
        await add_trip(database, rider)
    await database.fetch("UPDATE trips SET pick_up_address = $1, drop_off_address = $1", "x" * 300)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(driver.socket(max_size=None))
        (send_queue,) = queues
        transport = client.connection.transport
        stack.callback(transport.abort)
        transport.pause_reading()
        take_little(client.connection.local_address, BUFFER_BYTES)
        answers = [await client.start(LARGE_PAGE) for _ in range(ANSWERS)]
        await until(lambda: send_queue.waiting > ANSWERS)
        await log_out(driver)
        assert send_queue.waiting == 0
        transport.resume_reading()
        assert (await client.closed()).code == 4401
        assert [await is_answered(each) for each in answers].count(True) < ANSWERS // 2


async def is_answered(events: Events) -> bool:
    try:
        await events.next()
    except SocketClosed:
        return False
    return True
