"""What every fuzz test does: choose how long, send, and see that the server was not harmed."""

import gc
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import structlog
from hypothesis import HealthCheck, settings

from tests.conftest import LiveServer
from tests.support.api import Api, open_socket
from tests.support.waiting import until

# Set by conftest.py from the command line.
is_long = False
LONG_FACTOR = 100

# Counters and buffers move; a request that stays is hundreds of blocks.
MOVING_BLOCKS = 500
REPLAYS = 3


def fuzz(examples: int) -> settings:
    """How a test tries so many examples: the same ones each time; in the long pass a hundred times as many, others
    each time, of which a failing one is printed."""
    return settings(
        max_examples=examples * (LONG_FACTOR if is_long else 1),
        derandomize=not is_long,
        print_blob=True,
        database=None,
        # The server answers in its own time; that it does is seen by time-outs.
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class Fuzzed:
    """A running server, who sends to it, and what was sent last."""

    def __init__(self, server: LiveServer, people: dict[str, Api], ids: dict[str, str]) -> None:
        self.server = server
        self.people = people
        self._ids = ids
        # Kept, since their clients would take the cookies that they are sent.
        self._cookies = {name: api.cookie_header() for name, api in people.items()}

    def real(self, text: str) -> str:
        """Put the ids of what there is in the places of their names, such as ``TRIP``."""
        for name, value in self._ids.items():
            text = text.replace(name, value)
        return text

    def headers(self, who: str) -> dict[str, str]:
        """The session of somebody."""
        return self._cookies[who]

    async def post(self, who: str, content: bytes, content_type: str = "application/json") -> httpx.Response:
        """Send a body as somebody; the answer, which was checked."""
        headers = {"Content-Type": content_type, "GraphQL-Require-Preflight": "1", **self.headers(who)}
        http = self.people[who].http
        response = await http.post("/graphql", content=content, headers=headers)
        http.cookies.clear()
        check_response(response)
        return response

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """What happens in the block is no failure of the server's."""
        with structlog.testing.capture_logs() as logs:
            yield
        assert not [log for log in logs if log["log_level"] in ("error", "critical")]

    async def is_right(self) -> None:
        """Everybody is answered, over HTTP and over a socket, and no subscription is left."""
        for who, api in self.people.items():
            response = await api.http.post(
                "/graphql", json={"query": "{ me { role } }"}, headers=self.headers(who)
            )
            api.http.cookies.clear()
            assert response.json() == {"data": {"me": {"role": who} if who != "NOBODY" else None}}
        application = self.server.application
        await until(lambda: not self.server.asgi.sockets.sockets and application.services.hub.subscribers == 0)
        async with open_socket(self.server.url, headers=self.headers("RIDER")) as socket:
            await socket.init()
            await socket.ping()


@asynccontextmanager
async def people_of(server: LiveServer) -> AsyncIterator[Fuzzed]:
    """A rider with a trip that a driver has accepted, and one that is open; and somebody who is not logged in."""
    async with AsyncExitStack() as stack:
        people = {name: await stack.enter_async_context(Api(server.url)) for name in ("NOBODY", "RIDER", "DRIVER")}
        rider, driver = await people["RIDER"].sign_up("RIDER"), await people["DRIVER"].sign_up("DRIVER")
        trips = [await rider.create_trip(pickUp={"lat": 52.0, "lng": 4.0}) for _ in range(2)]
        await driver.update_trip(trips[0]["id"], "STARTED")
        ids = {"TRIP": trips[0]["id"], "OFFER": trips[1]["id"], "PERSON": rider.user["id"]}
        target = Fuzzed(server, people, ids)
        yield target
        await target.is_right()


def check_response(response: httpx.Response) -> None:
    """A client's fault has a status below 500, and every error a code that is not ours."""
    assert response.status_code < 500, response.text
    if response.headers.get("content-type", "").partition(";")[0] in (
        "application/json",
        "application/graphql-response+json",
    ):
        check_errors(response.json().get("errors", []))


def check_errors(errors: list[dict[str, Any]]) -> None:
    """Every error has a message and a code, and none is ours."""
    for error in errors:
        assert isinstance(error["message"], str)
        assert isinstance(error["extensions"]["code"], str), error
        assert error["extensions"]["code"] != "INTERNAL", error


async def assert_no_growth(*requests: Callable[[], Awaitable[object]]) -> None:
    """Repeat what was sent: once every cache is warm, no request leaves anything behind."""

    async def replay(times: int) -> int:
        for request in requests * times:
            await request()
        gc.collect()
        # Counted always, unlike bytes, whose tracing makes everything four times as slow.
        return sys.getallocatedblocks()

    # What Pillow says of a damaged photo, pytest would keep.
    logging.disable()
    try:
        before = await replay(3)
        growth = await replay(REPLAYS) - before
    finally:
        logging.disable(logging.NOTSET)
    repeated = REPLAYS * len(requests)
    assert growth < MOVING_BLOCKS + repeated, f"{growth:,} blocks are left of {repeated:,} requests"
