"""Clients that remember everything they receive, and know what they should show."""

import asyncio
import random
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from models.geo import GeoPoint
from tests.support.api import MY_TRIPS, POOL, TRIP_UPDATED, Api

# After these a graphql-ws client gives up.
FATAL_CODES = frozenset({1002, 1011, 4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500})
ENDED = frozenset({"COMPLETED", "CANCELLED", "EXPIRED"})
OPEN = "REQUESTED"
DRIVING = ("STARTED", "IN_PROGRESS")
# How many ended trips `myTripsUpdated` starts with.
ENDED_SHOWN = 20
FIRST_RETRY_S = 0.05
LONGEST_RETRY_S = 0.4


@dataclass(frozen=True, slots=True)
class Row:
    """A trip as the database has it."""

    id: str
    version: int
    status: str
    rider_id: str
    driver_id: str | None
    given_back_by: str
    updated: Any
    pick_up: GeoPoint | None = None


class Truth:
    """The state of the database, read without the servers."""

    def __init__(self, database_url: str) -> None:
        self._url = urlsplit(database_url)._replace(scheme="postgresql").geturl()
        self._connection: asyncpg.Connection | None = None

    async def move(self, database_url: str) -> None:
        """Read another server from now on, which has taken the place of this one."""
        await self.close()
        self._url, self._connection = database_url, None

    async def rows(self, sql: str) -> list[asyncpg.Record]:
        """The rows of one statement, over a new connection if the last one broke."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url)
        return await self._connection.fetch(sql)

    async def trips(self) -> dict[str, Row]:
        """Every trip by its id."""
        rows = await self.rows(
            "SELECT id::text, version, status::text, rider_id::text, driver_id::text, given_back_by, updated, "
            "pick_up_lat, pick_up_lng FROM trips"
        )
        return {row["id"]: _row(**row) for row in rows}

    async def changes(self) -> set[tuple[str, int, str]]:
        """Every change of a trip: its id, the new version and status."""
        rows = await self.rows("SELECT trip_id::text, version, status::text FROM trip_changes")
        return {(row["trip_id"], row["version"], row["status"]) for row in rows}

    async def forget_ended(self) -> None:
        """Delete the trips that have ended: checking thousands for each of 200 clients takes seconds."""
        await self.rows("DELETE FROM trips WHERE status IN ('COMPLETED', 'CANCELLED', 'EXPIRED')")

    async def unpublished(self) -> int:
        """The number of outbox rows."""
        return (await self.rows("SELECT count(*) AS n FROM outbox"))[0]["n"]

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._connection.close(timeout=1)


def _row(*, pick_up_lat: float | None, pick_up_lng: float | None, **values: Any) -> Row:
    point = GeoPoint(pick_up_lat, pick_up_lng) if pick_up_lat is not None and pick_up_lng is not None else None
    return Row(**values, pick_up=point)


class View(ABC):
    """The state that one subscription shows, folded from its messages.

    ``faults`` are the guarantees that a message broke. A change must be newer than everything that this
    subscription received of its trip since the last snapshot. A snapshot may repeat an earlier version. No version
    may ever go back, not even over a reconnect.
    """

    def __init__(self, query: str, **variables: Any) -> None:
        self.query = query
        self.variables = variables
        self.messages: list[Any] = []
        self.faults: list[str] = []
        self.is_complete = False
        self.snapshots = 0
        self.repeats = 0
        # The newest version of each trip: ever, and since the last snapshot.
        self._ever: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def begin(self) -> None:
        """The subscription begins, perhaps again."""
        self._told = {}
        self.snapshots = 0
        self.repeats = 0

    def take(self, message: dict[str, Any]) -> None:
        """Fold in a message of graphql-transport-ws."""
        self.messages.append(message)
        if message["type"] == "complete":
            self.is_complete = True
        elif message["type"] != "next" or message["payload"].get("errors"):
            self.faults.append(f"unexpected: {message}")
        else:
            (value,) = message["payload"]["data"].values()
            self._fold(value)

    @abstractmethod
    def _fold(self, value: Any) -> None: ...

    @abstractmethod
    def differences(self, trips: dict[str, Row]) -> list[str]:
        """The differences between this view and the database; empty if it is correct."""

    def _restart(self, shown: Sequence[dict[str, Any]]) -> None:
        self.snapshots += 1
        # An omitted trip (it ended long ago) may come once more, unchanged.
        self._told = {}
        for trip in shown:
            trip_id, version = trip["id"], trip["version"]
            if version < self._ever.get(trip_id, 0):
                self.faults.append(f"snapshot goes back: {trip_id} {self._ever[trip_id]} -> {version}")
            self._note(trip_id, version)

    def _change(self, trip_id: str, version: int, *, may_repeat: bool = False) -> None:
        told, ever = self._told.get(trip_id, 0), self._ever.get(trip_id, 0)
        if version < max(told, ever):
            self.faults.append(f"goes back: {trip_id} {max(told, ever)} -> {version}")
        elif version == told:
            self.repeats += 1
            if not may_repeat:
                self.faults.append(f"comes twice: {trip_id} {version}")
        self._note(trip_id, version)

    def _note(self, trip_id: str, version: int) -> None:
        self._ever[trip_id] = max(version, self._ever.get(trip_id, 0))
        self._told[trip_id] = max(version, self._told.get(trip_id, 0))


class PoolView(View):
    """`driverPool` of a driver."""

    def __init__(self, driver_id: str, query: str = POOL) -> None:
        super().__init__(query)
        self.offers: dict[str, int] = {}
        self._driver_id = driver_id

    def _fold(self, value: Any) -> None:
        match value["__typename"]:
            case "PoolSnapshot":
                self._restart(value["offers"])
                self.offers = {trip["id"]: trip["version"] for trip in value["offers"]}
            case "TripOffered":
                trip = value["trip"]
                self._change(trip["id"], trip["version"])
                self.offers[trip["id"]] = trip["version"]
            case "TripWithdrawn":
                self._change(value["tripId"], value["version"])
                self.offers.pop(value["tripId"], None)

    def differences(self, trips: dict[str, Row]) -> list[str]:
        wanted = {
            row.id: row.version
            for row in trips.values()
            if row.status == OPEN and self._driver_id not in row.given_back_by and not self.is_paused(trips)
        }
        return differences("pool", wanted, self.offers)

    def is_paused(self, trips: dict[str, Row]) -> bool:
        """Whether the driver is on a trip."""
        return any(row.driver_id == self._driver_id and row.status in DRIVING for row in trips.values())


class MyTripsView(View):
    """`myTripsUpdated` of a rider or a driver."""

    def __init__(self, user_id: str) -> None:
        super().__init__(MY_TRIPS)
        self.trips: dict[str, tuple[int, str]] = {}
        self._user_id = user_id

    def _fold(self, value: Any) -> None:
        if value["__typename"] == "MyTripsSnapshot":
            self._restart(value["trips"])
            self.trips = {trip["id"]: (trip["version"], trip["status"]) for trip in value["trips"]}
        else:
            trip = value["trip"]
            self._change(trip["id"], trip["version"])
            self.trips[trip["id"]] = (trip["version"], trip["status"])

    def differences(self, trips: dict[str, Row]) -> list[str]:
        mine = {row.id: row for row in trips.values() if self._user_id in (row.rider_id, row.driver_id)}
        ended = sorted((row for row in mine.values() if row.status in ENDED), key=lambda row: row.updated)
        # Of trips that ended long ago it shows those that it received.
        must_show = {
            row.id for row in [*(r for r in mine.values() if r.status not in ENDED), *ended[-ENDED_SHOWN:]]
        }
        wanted = {i: (row.version, row.status) for i, row in mine.items() if i in must_show or i in self.trips}
        return differences("my trips", wanted, self.trips)


class TripView(View):
    """`tripUpdated` of one trip. A resync looks like a change, so it may repeat."""

    def __init__(self, trip_id: str, viewer_id: str) -> None:
        super().__init__(TRIP_UPDATED, id=trip_id)
        self.shown: tuple[int, str] | None = None
        self.is_lost = False
        self._trip_id = trip_id
        self._viewer_id = viewer_id

    def take(self, message: dict[str, Any]) -> None:
        errors = message["payload"] if message["type"] == "error" else message.get("payload", {}).get("errors")
        if errors and [error["extensions"]["code"] for error in errors] == ["NOT_FOUND"]:
            self.messages.append(message)
            self.is_lost = True
            # An `error` ends the operation; the last `next` has a `complete` behind it.
            self.is_complete = self.is_complete or message["type"] == "error"
        else:
            super().take(message)

    def _fold(self, value: Any) -> None:
        self._change(value["id"], value["version"], may_repeat=True)
        self.shown = (value["version"], value["status"])

    def differences(self, trips: dict[str, Row]) -> list[str]:
        row = trips[self._trip_id]
        is_party = self._viewer_id in (row.rider_id, row.driver_id)
        if self.is_lost:
            # It has ended, even if the trip can be seen again by now. A rider never loses sight of it.
            return [f"lost sight of {row.id}"] if self._viewer_id == row.rider_id or not self.is_complete else []
        if not is_party and (row.status != OPEN or self._viewer_id in row.given_back_by):
            return [f"still sees {row.id}"]
        found = differences("trip", {row.id: (row.version, row.status)}, {row.id: self.shown})
        if self.is_complete != (row.status in ENDED):
            found.append(f"trip {row.id} is {row.status}, complete: {self.is_complete}")
        return found


def differences(what: str, wanted: dict[str, Any], shown: dict[str, Any]) -> list[str]:
    """The differences between the shown and the expected state, in words."""
    return [
        f"{what} {key}: shows {shown.get(key)}, the database has {wanted.get(key)}"
        for key in wanted.keys() | shown.keys()
        if wanted.get(key) != shown.get(key)
    ]


class CheckingClient:
    """A person's socket with views. Reconnects as graphql-ws does: to the next server, with equal operations."""

    def __init__(self, person: Api, urls: Sequence[str], *views: View, rng: random.Random) -> None:
        self.views = list(views)
        self.faults: list[str] = []
        self.close_codes: list[int] = []
        self._person = person
        self._urls = list(urls)
        self._rng = rng
        # A small buffer lets the server notice quickly that the client does not read. None: the system's default.
        self.receive_buffer_bytes: int | None = None
        self._connection: ClientConnection | None = None
        # If cleared, it reads nothing from its socket.
        self.reads = asyncio.Event()
        self.reads.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def user_id(self) -> str:
        """The user's id."""
        return self._person.user["id"]

    @property
    def url(self) -> str:
        """The server that it is connected to, or tries next."""
        return self._urls[0]

    @property
    def sees_pool(self) -> bool:
        """Whether it is a driver's."""
        return any(isinstance(view, PoolView) for view in self.views)

    def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop watching. Raises the error that ended it."""
        assert self._task is not None
        if not self._task.done():
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def cut(self) -> None:
        """Break the connection; a new one follows."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def watch(self, view: View) -> None:
        """Add one more view."""
        self.views.append(view)
        if self._connection is not None:
            with suppress(ConnectionClosed):
                await self._subscribe(self._connection, len(self.views) - 1)

    def differences(self, trips: dict[str, Row]) -> list[str]:
        """The differences between its views and the database."""
        if self._connection is None:
            return ["not connected"]
        return [difference for view in self.views for difference in view.differences(trips)]

    def forgive(self) -> None:
        """Forget the guarantees that were broken so far."""
        for view in self.views:
            view.faults.clear()

    def broken_promises(self) -> list[str]:
        """Guarantees that were broken."""
        # Each resync also reaches `myTripsUpdated` of the same socket, where it can be distinguished from a
        # change.
        resyncs = sum(view.snapshots for view in self.views if isinstance(view, MyTripsView))
        repeated = [
            f"trip came {view.repeats + 1} times, {resyncs} snapshots"
            for view in self.views
            if isinstance(view, TripView) and view.repeats > resyncs
        ]
        return [*self.faults, *repeated, *(fault for view in self.views for fault in view.faults)]

    async def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        while True:
            try:
                await self._watch_once()
                retry_s = FIRST_RETRY_S
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed):
                pass
            if self.close_codes and self.close_codes[-1] in FATAL_CODES:
                self.faults.append(f"the server closed with {self.close_codes[-1]}, and the client gives up")
                return
            self._urls.append(self._urls.pop(0))
            await asyncio.sleep(retry_s * self._rng.uniform(0.5, 1.0))
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    async def _watch_once(self) -> None:
        url = urlsplit(self._urls[0])
        link = socket.socket()
        link.setblocking(False)
        if self.receive_buffer_bytes is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(link, (url.hostname, url.port))
        except BaseException:
            link.close()
            raise
        async with connect(
            url._replace(scheme="ws", path="/graphql").geturl(),
            sock=link,
            subprotocols=["graphql-transport-ws"],  # pyright: ignore[reportArgumentType]
            additional_headers=self._person.cookie_header(),
            compression=None,
            open_timeout=2,
            close_timeout=1,
            max_size=None,
        ) as connection:
            try:
                await connection.send('{"type":"connection_init"}')
                if orjson.loads(await connection.recv())["type"] != "connection_ack":
                    self.faults.append("no connection_ack")
                number = 0
                while number < len(self.views):
                    await self._subscribe(connection, number)
                    number += 1
                self._connection = connection
                while True:
                    await self.reads.wait()
                    message = orjson.loads(await connection.recv())
                    self.views[int(message["id"])].take(message)
            except ConnectionClosed:
                self.close_codes.append(connection.close_code or 1006)
            finally:
                self._connection = None

    async def _subscribe(self, connection: ClientConnection, number: int) -> None:
        view = self.views[number]
        if view.is_complete:
            return
        view.begin()
        payload = {"query": view.query, "variables": view.variables}
        await connection.send(orjson.dumps({"type": "subscribe", "id": str(number), "payload": payload}).decode())
