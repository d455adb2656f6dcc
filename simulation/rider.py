"""A rider: requests a trip, follows the car, and rides."""

import asyncio
from typing import Any
from uuid import UUID

from simulation import operations
from simulation.city import City
from simulation.client import Client, Failed
from simulation.counts import Counts
from simulation.geo import GeoPoint
from simulation.habits import Habits
from simulation.ledger import ENDED, UNDER_WAY, Ledger
from simulation.live_socket import LiveSocket
from simulation.names import STREETS


class Rider:
    """One rider's app and behaviour. A rider has one trip at a time."""

    def __init__(
        self,
        client: Client,
        socket: LiveSocket,
        city: City,
        habits: Habits,
        *,
        ledger: Ledger,
        counts: Counts,
    ) -> None:
        self.socket = socket
        self.is_free = True
        self._client = client
        self._city = city
        self._habits = habits
        self._ledger = ledger
        self._counts = counts
        self._statuses: dict[str, str] = {}
        self._watched: set[str] = set()
        self._news = asyncio.Event()

    async def arrive(self) -> None:
        """Subscribe to the rider's trips."""
        await self.socket.follow(operations.MY_TRIPS, self._hear)

    async def ride(self) -> None:
        """Request a trip, and return when it has ended."""
        self.is_free = False
        try:
            trip_id = await self._request()
            if trip_id is None:
                return
            patience_s = self._habits.patience_s()
            try:
                async with asyncio.timeout(patience_s):
                    await self._ended(trip_id)
            except TimeoutError:
                await self._call_off(trip_id)
                await self._ended(trip_id)
        finally:
            self.is_free = True

    async def go_home(self) -> None:
        """Cancel the rider's trip if that is still possible, so that no driver comes in vain."""
        for trip_id, status in self._statuses.items():
            if status not in ENDED:
                await self._call_off(trip_id)

    async def _request(self) -> str | None:
        """Request a trip; returns its id, or None if the server does not answer."""
        pick_up = self._city.anywhere(self._habits.rng)
        drop_off = self._city.leg(
            self._habits.rng,
            pick_up,
            heading=self._habits.rng.uniform(0, 360),
            length_m=self._habits.ride_m(self._city.radius_m),
        )
        request = {
            "pickUpAddress": self._address(),
            "dropOffAddress": self._address(),
            "pickUp": _position(pick_up),
            "dropOff": _position(drop_off),
            "idempotencyKey": str(UUID(int=self._habits.rng.getrandbits(128))),
        }
        sent_s = self._ledger.clock()
        try:
            payload = await self._client.insist(operations.CREATE_TRIP, input=request)
        except Failed:
            return None
        if payload["trip"] is None:
            self._counts.answers[payload["errors"][0]["code"]] += 1
            return None
        self._ledger.requested(payload["trip"], sent_s=sent_s)
        # The event may have come before the answer.
        self._statuses.setdefault(payload["trip"]["id"], payload["trip"]["status"])
        return payload["trip"]["id"]

    async def _call_off(self, trip_id: str) -> None:
        try:
            answer = await self._client.change(trip_id, "CANCELLED")
        except Failed:
            return
        if answer.trip is not None:
            self._ledger.changed(answer.trip)

    async def _ended(self, trip_id: str) -> None:
        while self._statuses[trip_id] not in ENDED:
            self._news.clear()
            await self._news.wait()

    async def _hear(self, event: dict[str, Any]) -> None:
        for trip in event["trips"] if event["__typename"] == "MyTripsSnapshot" else [event["trip"]]:
            trip_id = trip["id"]
            self._ledger.heard(trip)
            self._statuses[trip_id] = trip["status"]
            if trip["status"] in UNDER_WAY and trip_id not in self._watched:
                self._watched.add(trip_id)
                await self._watch_car(trip_id)
        self._news.set()

    async def _watch_car(self, trip_id: str) -> None:
        async def see(location: dict[str, Any]) -> None:
            if location["isStale"]:
                # The last position again, now marked as stale.
                return
            self._counts.positions_seen += 1
            self._ledger.saw_car(trip_id)

        await self.socket.follow(operations.DRIVER_LOCATION, see, tripId=trip_id)

    def _address(self) -> str:
        return f"{self._habits.rng.randint(1, 120)} {self._habits.one_of(STREETS)}"


def _position(point: GeoPoint) -> dict[str, float]:
    return {"lat": point.lat, "lng": point.lng}
