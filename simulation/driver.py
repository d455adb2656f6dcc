"""A driver: drives around, accepts offers that are near, and brings riders to their destinations."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from simulation import operations
from simulation.car import Car
from simulation.client import Client, Failed, Limited
from simulation.counts import Counts
from simulation.geo import GeoPoint, distance_m
from simulation.habits import Habits
from simulation.ledger import UNDER_WAY, Ledger
from simulation.live_socket import LiveSocket

_AFTER_FAILURE_S = 0.5


class Driver:
    """One driver's app and behaviour.

    The list of offers follows the pool's events. The driver's trip is the newest version from answers and events.
    So the driver notices when the rider cancels, and finds a trip whose acceptance was not answered.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        socket: LiveSocket,
        car: Car,
        habits: Habits,
        *,
        ledger: Ledger,
        counts: Counts,
        report_every_s: float,
    ) -> None:
        self.name = name
        self.socket = socket
        self._client = client
        self._car = car
        self._habits = habits
        self._ledger = ledger
        self._counts = counts
        self._report_every_s = report_every_s
        self._driven_until_s = asyncio.get_running_loop().time()
        self._offers: dict[str, dict[str, Any]] = {}
        self._trip: dict[str, Any] | None = None
        self._versions: dict[str, int] = {}
        self._news = asyncio.Event()

    async def live(self) -> None:
        """Drive until cancelled."""
        # The pool depends on the driver's position, so report that first.
        await self._report()
        await self.socket.follow(operations.DRIVER_POOL, self._hear_pool)
        await self.socket.follow(operations.MY_TRIPS, self._hear_own)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_reporting())
            tasks.create_task(self._work())

    async def go_home(self) -> None:
        """Give back or complete the driver's trip, so that no rider waits in vain."""
        # The last change may have been made although its answer was lost, so try both statuses.
        for home in ("REQUESTED", "COMPLETED"):
            # An event may have ended the trip in the meantime.
            if self._trip is None or (await self._client.change(self._trip["id"], home)).code is None:
                return

    async def _work(self) -> None:
        while True:
            if self._trip is not None:
                await self._drive(self._trip)
                continue
            self._look_at_the_road()
            self._car.cruise()
            self._news.clear()
            offer = min(self._offers.values(), key=self._distance_m, default=None)
            if offer is None:
                await self._news.wait()
                continue
            await asyncio.sleep(self._habits.reaction_s(self._distance_m(offer)))
            if self._trip is None and offer["id"] in self._offers:
                await self._accept(offer["id"])

    async def _accept(self, trip_id: str) -> None:
        try:
            answer = await self._client.change(trip_id, "STARTED")
        except Failed:
            await asyncio.sleep(self._habits.about(_AFTER_FAILURE_S))
            return
        self._offers.pop(trip_id, None)
        if answer.trip is not None:
            self._ledger.accepted(answer.trip, driver=self.name)
            self._take_note(answer.trip)

    async def _drive(self, trip: dict[str, Any]) -> None:
        """Drive until the trip's next status is due, and set it, unless the trip is cancelled before."""
        is_on_the_way = trip["status"] == "STARTED"
        where = trip["pickUp"] if is_on_the_way else trip["dropOff"]
        self._look_at_the_road()
        # A request without coordinates: assume that the rider is here.
        arrival_s = self._car.head_for(_point(where) if where is not None else self._car.point)
        if is_on_the_way and self._habits.gives_back():
            if await self._stays_ours(trip, arrival_s / 2):
                await self._move_on(trip, "REQUESTED")
            return
        if not await self._stays_ours(trip, arrival_s):
            return
        await self._report()
        if not is_on_the_way:
            await self._move_on(trip, "COMPLETED")
        elif await self._stays_ours(trip, self._habits.boarding_s()):
            await self._move_on(trip, "IN_PROGRESS")

    async def _move_on(self, trip: dict[str, Any], status: str) -> None:
        try:
            answer = await self._client.change(trip["id"], status)
        except Failed:
            await asyncio.sleep(self._habits.about(_AFTER_FAILURE_S))
            return
        if answer.trip is not None:
            self._ledger.changed(answer.trip)
            self._take_note(answer.trip)
        elif self._is_own(trip["id"]):
            # The trip was cancelled. The event may come later.
            self._trip = None

    async def _stays_ours(self, trip: dict[str, Any], seconds: float) -> bool:
        """Wait for ``seconds``; False, at once, if the trip changes before."""
        try:
            async with asyncio.timeout(seconds):
                while self._trip is trip:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return self._trip is trip

    async def _hear_pool(self, event: dict[str, Any]) -> None:
        match event["__typename"]:
            case "PoolSnapshot":
                self._offers = {offer["id"]: offer for offer in event["offers"]}
                self._counts.offers_in_snapshots += len(event["offers"])
            case "TripOffered":
                self._offers[event["trip"]["id"]] = event["trip"]
                self._counts.offers += 1
                self._ledger.offered(event["trip"]["id"])
            case _:
                self._offers.pop(event["tripId"], None)
                self._counts.withdrawn[event["reason"]] += 1
        self._news.set()

    async def _hear_own(self, event: dict[str, Any]) -> None:
        trips: Iterable[dict[str, Any]]
        if event["__typename"] == "MyTripsSnapshot":
            trips = event["trips"]
            if self._trip is not None and all(trip["id"] != self._trip["id"] for trip in trips):
                self._trip = None
        else:
            trips = [event["trip"]]
        for trip in trips:
            self._take_note(trip)
        self._news.set()

    def _take_note(self, trip: dict[str, Any]) -> None:
        """Store the driver's trip if it is newer than the stored one: answers and events come in any order."""
        if trip["version"] <= self._versions.get(trip["id"], 0):
            return
        self._versions[trip["id"]] = trip["version"]
        if trip["status"] in UNDER_WAY:
            self._trip = trip
        elif self._is_own(trip["id"]):
            self._trip = None

    def _is_own(self, trip_id: str) -> bool:
        return self._trip is not None and self._trip["id"] == trip_id

    async def _keep_reporting(self) -> None:
        await asyncio.sleep(self._habits.rng.uniform(0, self._report_every_s))
        while True:
            await self._report()
            await asyncio.sleep(self._habits.about(self._report_every_s))

    async def _report(self) -> None:
        self._look_at_the_road()
        position = {
            "point": {"lat": self._car.point.lat, "lng": self._car.point.lng},
            "heading": self._car.heading,
            "recordedAt": datetime.now(UTC).isoformat(),
        }
        try:
            payload = await self._client.ask(operations.REPORT_LOCATION, input=position)
        except Limited as limit:
            await asyncio.sleep(limit.retry_after_s)
            return
        except Failed:
            # The next report follows soon.
            return
        if payload["errors"]:
            self._counts.answers[payload["errors"][0]["code"]] += 1
        else:
            self._counts.positions += 1

    def _look_at_the_road(self) -> None:
        """Move the car by the time since the last call."""
        now_s = asyncio.get_running_loop().time()
        self._car.drive(now_s - self._driven_until_s)
        self._driven_until_s = now_s

    def _distance_m(self, offer: dict[str, Any]) -> float:
        return distance_m(self._car.point, _point(offer["pickUp"])) if offer["pickUp"] is not None else 0.0


def _point(position: dict[str, float]) -> GeoPoint:
    return GeoPoint(position["lat"], position["lng"])
