"""A rider: asks for an estimate, requests a trip, follows the car, and rides."""

import asyncio
from contextlib import suppress
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
from simulation.meetings import Meeting, Meetings
from simulation.names import STREETS
from simulation.ratings import Ratings

_AFTER_REFUSAL_S = 1.0


class Rider:
    """One rider's app and behaviour. A rider has one trip at a time."""

    def __init__(
        self,
        name: str,
        client: Client,
        socket: LiveSocket,
        city: City,
        habits: Habits,
        *,
        ledger: Ledger,
        ratings: Ratings,
        meetings: Meetings,
        counts: Counts,
    ) -> None:
        """``name``: the id of the rider's account."""
        self.name = name
        self.socket = socket
        self.is_free = True
        self._client = client
        self._city = city
        self._habits = habits
        self._ledger = ledger
        self._ratings = ratings
        self._meetings = meetings
        self._counts = counts
        self._trips: dict[str, dict[str, Any]] = {}
        self._watched: set[str] = set()
        self._news = asyncio.Event()

    async def arrive(self) -> None:
        """Subscribe to the rider's trips."""
        await self.socket.follow(operations.MY_TRIPS, self._hear)

    async def ride(self) -> None:
        """Request a trip, return when it has ended, and rate the driver."""
        self.is_free = False
        try:
            trip_id = await self._request()
            if trip_id is None:
                return
            meeting = self._meetings.of(trip_id)
            meeting.rider_comes, meeting.news = self._habits.comes(), self._news
            try:
                # Who does not come does not cancel either.
                async with asyncio.timeout(self._habits.patience_s() if meeting.rider_comes else None):
                    await self._ended(trip_id, meeting)
            except TimeoutError:
                if self._trips[trip_id]["status"] != "IN_PROGRESS":
                    await self._call_off(trip_id, self._habits.cancel_code())
                await self._ended(trip_id, meeting)
            await self._rate(self._trips[trip_id])
        finally:
            self.is_free = True

    async def check_rating(self) -> None:
        """Compare the rider's rating with what the drivers gave."""
        await self._ratings.check(self._client, self.name)

    async def go_home(self) -> None:
        """Cancel the rider's trip if that is still possible, so that no driver comes in vain."""
        for trip in list(self._trips.values()):
            if trip["status"] not in ENDED:
                await self._call_off(trip["id"], "OTHER")

    async def _request(self) -> str | None:
        """Request a trip; returns its id, or None if the server does not answer."""
        pick_up = self._city.anywhere(self._habits.rng)
        drop_off = self._city.leg(
            self._habits.rng,
            pick_up,
            heading=self._habits.rng.uniform(0, 360),
            length_m=self._habits.ride_m(self._city.radius_m),
        )
        way = {"pickUp": _position(pick_up), "dropOff": _position(drop_off)}
        with suppress(Failed):
            await self._client.ask(operations.ESTIMATE, **way)
            self._counts.estimates += 1
        request = {
            **way,
            "pickUpAddress": self._address(),
            "dropOffAddress": self._address(),
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
        self._trips.setdefault(payload["trip"]["id"], payload["trip"])
        return payload["trip"]["id"]

    async def _call_off(self, trip_id: str, code: str) -> float | None:
        """Cancel the trip; returns after how many seconds it may succeed, None if it has or never will."""
        sent_s = self._ledger.clock()
        try:
            answer = await self._client.change(trip_id, "CANCELLED", code=code)
        except Failed:
            return _AFTER_REFUSAL_S
        if answer.trip is not None:
            self._counts.cancel_codes[code] += 1
            self._ledger.changed(answer.trip)
        elif answer.code == "TOO_EARLY":
            self._ledger.too_early(trip_id, sent_s=sent_s, retry_after_s=answer.retry_after_s)
            return self._habits.obeys_s(answer.retry_after_s or _AFTER_REFUSAL_S)
        return None

    async def _ended(self, trip_id: str, meeting: Meeting) -> None:
        """Wait until the trip has ended; if the driver's phone dies on the way, try to end it."""
        tries_in_s: float | None = None
        while self._trips[trip_id]["status"] not in ENDED:
            if meeting.phone_is_dead and tries_in_s is None:
                tries_in_s = await self._call_off(trip_id, "OTHER")
            self._news.clear()
            try:
                async with asyncio.timeout(tries_in_s if meeting.phone_is_dead else None):
                    await self._news.wait()
            except TimeoutError:
                tries_in_s = None

    async def _rate(self, trip: dict[str, Any]) -> None:
        if trip["status"] == "COMPLETED":
            driver = trip["driver"]["id"]
            self._ratings.rode(self.name, driver)
            await self._ratings.give(self._client, self._habits, self._counts, trip_id=trip["id"], subject=driver)

    async def _hear(self, event: dict[str, Any]) -> None:
        for trip in event["trips"] if event["__typename"] == "MyTripsSnapshot" else [event["trip"]]:
            trip_id = trip["id"]
            self._ledger.heard(trip)
            self._trips[trip_id] = trip
            self._meetings.of(trip_id).pin = trip["pickUpPin"]
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
