"""Shared code of the fuzz tests: choose the number of examples, send, and check that the server was not harmed."""

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

# Counters and buffers vary; a leaked request is hundreds of blocks.
MOVING_BLOCKS = 500
REPLAYS = 3


def fuzz(examples: int) -> settings:
    """Decorates a test that tries this many examples, always the same.

    The long run tries a hundred times as many, different ones each time, and prints a failing one.
    """
    return settings(
        max_examples=examples * (LONG_FACTOR if is_long else 1),
        derandomize=not is_long,
        print_blob=True,
        database=None,
        # The server needs its own time; a time-out finds a missing answer.
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class Fuzzed:
    """A running server, its senders, and the last input."""

    def __init__(self, server: LiveServer, people: dict[str, Api], ids: dict[str, str]) -> None:
        self.server = server
        self.people = people
        self._ids = ids
        # Kept, because their clients would accept cookies from the server.
        self._cookies = {name: api.cookie_header() for name, api in people.items()}

    def real(self, text: str) -> str:
        """Replace names such as ``TRIP`` by the ids of existing objects."""
        for name, value in self._ids.items():
            text = text.replace(name, value)
        return text

    def headers(self, who: str) -> dict[str, str]:
        """The headers with a person's session."""
        return self._cookies[who]

    async def post(self, who: str, content: bytes, content_type: str = "application/json") -> httpx.Response:
        """Send a body as this person; returns the checked answer."""
        headers = {"Content-Type": content_type, "GraphQL-Require-Preflight": "1", **self.headers(who)}
        http = self.people[who].http
        response = await http.post("/graphql", content=content, headers=headers)
        http.cookies.clear()
        check_response(response)
        return response

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Nothing in the block causes a failure of the server."""
        with structlog.testing.capture_logs() as logs:
            yield
        assert not [log for log in logs if log["log_level"] in ("error", "critical")]

    async def is_right(self) -> None:
        """Everybody gets answers, over HTTP and over a socket, and no subscription is left."""
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
    """A rider with an accepted trip and an open one, the trip's driver, and a person without a log-in."""
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
    """A client's fault has a status below 500, and no error has a code of a server failure."""
    assert response.status_code < 500, response.text
    if response.headers.get("content-type", "").partition(";")[0] in (
        "application/json",
        "application/graphql-response+json",
    ):
        check_errors(response.json().get("errors", []))


def check_errors(errors: list[dict[str, Any]]) -> None:
    """Every error has a message and a code, and none is a failure of the server."""
    for error in errors:
        assert isinstance(error["message"], str)
        assert isinstance(error["extensions"]["code"], str), error
        assert error["extensions"]["code"] != "INTERNAL", error


async def assert_no_growth(*requests: Callable[[], Awaitable[object]]) -> None:
    """Repeat the inputs: when every cache is warm, no request leaves anything behind."""

    async def replay(times: int) -> int:
        for request in requests * times:
            await request()
        gc.collect()
        # Blocks are always counted, unlike bytes, whose tracing makes everything four times as slow.
        return sys.getallocatedblocks()

    # pytest would keep Pillow's warnings about a damaged photo.
    logging.disable()
    try:
        before = await replay(3)
        growth = await replay(REPLAYS) - before
    finally:
        logging.disable(logging.NOTSET)
    repeated = REPLAYS * len(requests)
    assert growth < MOVING_BLOCKS + repeated, f"{growth:,} blocks are left of {repeated:,} requests"
