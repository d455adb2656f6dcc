"""People who use the servers all the time, whatever happens to them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx

from models.geo import GeoPoint
from tests.support.api import CREATE_TRIP, TRIPS, UPDATE_TRIP, Api
from tests.support.globe import destination

CENTER = GeoPoint(52.3702, 4.8952)
# Wide enough that everybody has requests within and out of reach.
CITY_M = 8_000.0
PAUSE_S = 0.05
REQUEST_TIMEOUT_S = 3.0
OPEN_A_RIDER = 6
# Errors that a client may meet during faults; any other is a failure of the server.
_AWAY = (httpx.TransportError,)


class Person:
    """A user with a session that every server knows."""

    def __init__(self, apis: Sequence[Api], rng: random.Random) -> None:
        self.apis = apis
        self.rng = rng

    @property
    def home(self) -> Api:
        """The client that signed up."""
        return self.apis[0]

    @property
    def id(self) -> str:
        """The account's id."""
        return self.home.user["id"]

    async def ask(self, query: str, /, **variables: Any) -> Any:
        """The root field's value from the first server that answers; None if none does."""
        for api in self.rng.sample(self.apis, len(self.apis)):
            with suppress(*_AWAY):
                body = await api.post(query, **variables)
                if "errors" not in body:
                    (value,) = body["data"].values()
                    return value
        return None


class Load:
    """Riders request and cancel, drivers accept, give back, start and complete, over HTTP, each at any server."""

    def __init__(self, riders: Sequence[Person], drivers: Sequence[Person]) -> None:
        self.riders = riders
        self.drivers = drivers
        # Successful changes, by the new status.
        self.done: Counter[str] = Counter()
        # The same changes: trip, version and status.
        self.acknowledged: set[tuple[str, int, str]] = set()
        self.pause_s = PAUSE_S
        self.on_request: Callable[[Person, str], Awaitable[None]] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run during the block; at its end all running requests have been answered."""
        stopping = asyncio.Event()
        tasks = [
            asyncio.create_task(self._repeat(step, person, stopping))
            for step, people in ((self._ride, self.riders), (self._drive, self.drivers))
            for person in people
        ]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*tasks)

    async def _repeat(
        self, step: Callable[[Person], Awaitable[None]], person: Person, stopping: asyncio.Event
    ) -> None:
        while not stopping.is_set():
            await step(person)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self.pause_s * person.rng.uniform(0.5, 1.5))

    async def _ride(self, rider: Person) -> None:
        mine = await self._trips(rider, "REQUESTED", "STARTED")
        if mine is None:
            return
        if len(mine) < OPEN_A_RIDER and rider.rng.random() < 0.8:
            at = destination(CENTER, rider.rng.uniform(0, 360), CITY_M * rider.rng.random())
            wanted = {
                "pickUpAddress": "1 Main Street " + "x" * 200,
                "dropOffAddress": "9 Side Street",
                "pickUp": {"lat": at.lat, "lng": at.lng},
            }
            payload = await rider.ask(CREATE_TRIP, input=wanted)
            if self._count(payload) and self.on_request is not None:
                await self.on_request(rider, payload["trip"]["id"])
        elif mine:
            trip = rider.rng.choice(mine)
            await self._update(rider, trip["id"], "CANCELLED")

    async def _drive(self, driver: Person) -> None:
        active = await self._trips(driver, "STARTED", "IN_PROGRESS")
        if active is None:
            return
        if active:
            status = active[0]["status"]
            step = "COMPLETED" if status == "IN_PROGRESS" else driver.rng.choice(["REQUESTED", "IN_PROGRESS"])
            await self._update(driver, active[0]["id"], step)
        elif offers := await self._trips(driver, "REQUESTED"):
            await self._update(driver, driver.rng.choice(offers)["id"], "STARTED")

    async def _trips(self, person: Person, *status: str) -> list[dict[str, Any]] | None:
        found = await person.ask(TRIPS, status=list(status), first=20)
        return None if found is None else found["nodes"]

    async def _update(self, person: Person, trip_id: str, status: str) -> None:
        self._count(await person.ask(UPDATE_TRIP, input={"id": trip_id, "status": status}))

    def _count(self, payload: dict[str, Any] | None) -> bool:
        if payload is None or payload["errors"]:
            return False
        trip = payload["trip"]
        self.done[trip["status"]] += 1
        self.acknowledged.add((trip["id"], trip["version"], trip["status"]))
        return True


@asynccontextmanager
async def people(urls: Sequence[str], roles: Sequence[str]) -> AsyncGenerator[list[Person]]:
    """New users with those roles, each logged in once, with a client for every server."""
    async with AsyncExitStack() as stack:
        made: list[Person] = []
        for number, role in enumerate(roles):
            home = await stack.enter_async_context(Api(urls[number % len(urls)]))
            await home.sign_up(role)
            apis = [home]
            for url in urls:
                if url != home.url:
                    api = await stack.enter_async_context(Api(url))
                    api.http.cookies = home.http.cookies
                    apis.append(api)
            for api in apis:
                api.http.timeout = httpx.Timeout(REQUEST_TIMEOUT_S)
            made.append(Person(apis, random.Random(number)))
        yield made
