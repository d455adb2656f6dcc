"""Many clients at once, as after an outage: all of them are served."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import orjson
import pytest

from application.settings import Settings
from tests.conftest import LiveServer, SignUp
from tests.support.api import TRIPS
from tests.support.tcp import connected
from tests.support.waiting import until

pytestmark = pytest.mark.parametrize("backend", ["production"], indirect=True)

BURST = 300


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Few connections to the database, for which most requests wait."""
    return settings.model_copy(update={"database_pool_size": 2})


async def test_three_hundred_requests_at_once_all_wait_for_a_database_that_stands_still_and_are_served(
    live_server: LiveServer, person: SignUp, settings: Settings
) -> None:
    rider = await person("RIDER")
    body = orjson.dumps({"query": TRIPS})
    head = "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Cookie: {rider.cookie_header()['Cookie']}\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    admission = live_server.application.admission
    locked = await asyncpg.connect(settings.database_url)
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        stack.push_async_callback(locked.close)
        connections = [await stack.enter_async_context(connected(live_server)) for _ in range(BURST)]
        await locked.execute("BEGIN")
        await locked.execute("LOCK TABLE trips IN ACCESS EXCLUSIVE MODE")
        for _, writer in connections:
            writer.write(request)
        await until(lambda: admission.running + admission.waiting == BURST)
        await locked.execute("ROLLBACK")
        for reader, _ in connections:
            assert (await reader.readuntil(b"\r\n")) == b"HTTP/1.1 200 OK\r\n"
    await until(lambda: admission.running == 0)
    assert (admission.waiting, live_server.application.counters.refused_requests) == (0, 0)
