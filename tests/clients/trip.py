"""A whole trip of a rider and a driver, whatever library their clients in Python are written with."""

import asyncio
import json
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.request import urlopen

RETRY_WAIT_S = 0.05

Data = dict[str, Any]


class Client(Protocol):
    """What the trip asks of a library, on behalf of one person; all in the names of the schema."""

    async def sign_up(self, fields: Data, photo: Path | None) -> Data:
        """The payload."""
        ...

    async def log_in(self, username: str, password: str) -> Data:
        """The payload; keeps the token."""
        ...

    async def log_out(self) -> Data:
        """The payload."""
        ...

    async def me(self) -> Data:
        """The caller."""
        ...

    async def request_trip(self, fields: Data) -> Data:
        """The payload."""
        ...

    async def move_trip(self, fields: Data) -> Data:
        """The payload."""
        ...

    async def report_arrival(self, trip_id: str) -> Data:
        """The payload."""
        ...

    async def rate_trip(self, trip_id: str, stars: int) -> Data:
        """The payload."""
        ...

    async def list_trips(self, variables: Data) -> list[str]:
        """The ids of a list, whatever the number of its pages."""
        ...

    def driver_pool(self) -> AsyncIterator[Data]:
        """The subscription's events."""
        ...

    def my_trips(self) -> AsyncIterator[Data]:
        """The subscription's events."""
        ...

    def trip(self, trip_id: str) -> AsyncIterator[Data]:
        """The subscription's events."""
        ...


async def take_a_trip(connect: Callable[[str], Client]) -> None:
    """Run by the test as `python SCRIPT SERVER PHOTO PASSWORD`; prints a line of JSON for each step."""
    server, photo, password = sys.argv[1:]
    rider = Traveller("rider", server, connect(server))
    driver = Traveller("driver", server, connect(server))
    await rider.sign_up("RIDER", password, Path(photo))
    await rider.log_in(password)
    await driver.sign_up("DRIVER", password)
    await driver.log_in(password)

    pool = driver.follow("pool", driver.client.driver_pool())
    await pool.get()
    mine = rider.follow("myTrips", rider.client.my_trips())
    await mine.get()

    trip_id = await rider.request_trip()
    await pool.get()
    await mine.get()
    watched = rider.follow("trip", rider.client.trip(trip_id))
    await watched.get()

    await driver.move_trip(trip_id, "STARTED")
    await pool.get()
    await mine.get()
    await watched.get()

    await driver.arrive(trip_id)
    await mine.get()
    await watched.get()

    # Now the test cuts all connections, changes things, and lets the clients in again.
    rider.report("underWay", {"id": trip_id})
    await pool.get()
    await mine.get()
    await watched.get()

    await driver.move_trip(trip_id, "COMPLETED")
    await pool.get()
    await mine.get()
    assert await watched.get() is not None
    assert await watched.get() is None

    await rider.rate(trip_id, 5)
    rider.report("next", {"id": await rider.request_trip()})
    await pool.get()
    await mine.get()
    lists = [await rider.client.list_trips({"status": ["REQUESTED", "COMPLETED"], "first": 1})]
    rider.report("pages", {"pages": [lists[0][:1], *lists]})

    await rider.log_out()
    assert await mine.get() is None
    await driver.log_out()
    assert await pool.get() is None


class Traveller:
    """One person, who reports what happens."""

    def __init__(self, who: str, server: str, client: Client) -> None:
        self.who = who
        self.server = server
        self.client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def report(self, step: str, details: Data) -> None:
        print(json.dumps({"who": self.who, "step": step, **details}), flush=True)

    async def sign_up(self, role: str, password: str, photo: Path | None = None) -> None:
        passwords = {"password1": password, "password2": password}
        names = {"username": f"{self.who}@example.com", "firstName": "Robin", "lastName": "Example"}
        user = succeeded(await self.client.sign_up({**names, **passwords, "role": role}, photo))["user"]
        self.report("signedUp", user)
        if user["photo"] is not None:
            response = await asyncio.to_thread(urlopen, self.server + user["photo"])
            with response:
                content = b64encode(response.read()).decode()
            self.report("photo", {"type": response.headers["content-type"], "base64": content})

    async def log_in(self, password: str) -> None:
        payload = succeeded(await self.client.log_in(f"{self.who}@example.com", password))
        self.report("loggedIn", {"hasToken": payload["token"] is not None, "me": await self.client.me()})

    async def log_out(self) -> None:
        succeeded(await self.client.log_out())

    async def request_trip(self) -> str:
        point = {"lat": 52.5251, "lng": 13.3694}
        fields = {"pickUpAddress": "1 Main Street", "dropOffAddress": "9 Side Street", "pickUp": point}
        return succeeded(await self.client.request_trip(fields))["trip"]["id"]

    async def move_trip(self, trip_id: str, status: str) -> None:
        succeeded(await self.client.move_trip({"id": trip_id, "status": status}))

    async def arrive(self, trip_id: str) -> None:
        """At the pick-up; the rider has not come yet."""
        succeeded(await self.client.report_arrival(trip_id))
        no_show = {"id": trip_id, "status": "CANCELLED", "cancelCode": "NO_SHOW"}
        (error,) = (await self.client.move_trip(no_show))["errors"]
        # The server says how long a driver has to wait.
        if error["code"] == "TOO_EARLY":
            self.report("waits", {"seconds": error["retryAfter"]})

    async def rate(self, trip_id: str, stars: int) -> None:
        rated = succeeded(await self.client.rate_trip(trip_id, stars))
        self.report("rated", {"stars": rated["trip"]["myRating"]})

    def follow(self, step: str, events: AsyncIterator[Data]) -> "asyncio.Queue[Data | None]":
        """What a subscription brings; None is its end."""
        arrived: asyncio.Queue[Data | None] = asyncio.Queue()

        async def read() -> None:
            try:
                async for event in events:
                    self.report(step, event)
                    arrived.put_nowait(event)
                self.report(step, {"complete": True})
            except Exception as error:
                self.report(step, {"error": str(error)})
            arrived.put_nowait(None)

        self._tasks.add(asyncio.create_task(read()))
        return arrived


def succeeded(payload: Data) -> Data:
    assert payload["errors"] == [], payload["errors"]
    return payload
