"""What a driver's app shows: the offers, the driver's trip, and whether the pool is paused."""

import asyncio
from collections.abc import Iterable
from typing import Any

from simulation.counts import Counts
from simulation.ledger import UNDER_WAY, Ledger


class DriverApp:
    """The offers follow the pool's events, and the driver's trip is the newest version from answers and events.

    So the driver notices when the rider cancels, and finds a trip whose acceptance was not answered. ``on_duty``:
    as the server has answered; None while a change is not answered. ``news``: set when something has changed.
    """

    def __init__(self, *, ledger: Ledger, counts: Counts) -> None:
        self.offers: dict[str, dict[str, Any]] = {}
        self.trip: dict[str, Any] | None = None
        self.on_duty: bool | None = True
        self.duty_changes = 0
        self.news = asyncio.Event()
        self._paused: str | None = None
        self._has_pool = asyncio.Event()
        self._versions: dict[str, int] = {}
        self._ledger = ledger
        self._counts = counts

    @property
    def is_unapproved(self) -> bool:
        """Whether the driver has to wait for staff."""
        return self._paused == "NOT_APPROVED"

    @property
    def reports(self) -> bool:
        """Whether the server takes positions now."""
        return self.trip is not None or bool(self.on_duty and not self.is_unapproved)

    async def has_pool(self) -> None:
        """Return after the first snapshot of the pool."""
        await self._has_pool.wait()

    @property
    def pause_is_right(self) -> bool:
        """Whether the pool is paused for the reason that the answers to this driver say."""
        if self.on_duty is None or self.is_unapproved:
            # The answer is not known, or it is the staff's decision.
            return True
        expected = "ON_TRIP" if self.trip is not None else None
        return self._paused == (expected if self.on_duty else "OFF_DUTY")

    def set_on_duty(self, on_duty: bool | None) -> None:
        """The driver asks for duty (None), or the server has answered."""
        self.on_duty = on_duty
        self.duty_changes += 1
        self.news.set()

    async def hear_pool(self, event: dict[str, Any]) -> None:
        """Follow an event of ``driverPool``."""
        match event["__typename"]:
            case "PoolSnapshot":
                self._paused = event["paused"]
                self._has_pool.set()
                self.offers = {offer["id"]: offer for offer in event["offers"]}
                self._counts.offers_in_snapshots += len(event["offers"])
                self._ledger.paused_wrongly += self._paused is not None and bool(event["offers"])
            case "TripOffered":
                self.offers[event["trip"]["id"]] = event["trip"]
                self._counts.offers += 1
                self._ledger.offered(event["trip"]["id"])
                self._ledger.paused_wrongly += self._paused is not None
            case _:
                self.offers.pop(event["tripId"], None)
                self._counts.withdrawn[event["reason"]] += 1
        self.news.set()

    async def hear_own(self, event: dict[str, Any]) -> None:
        """Follow an event of ``myTripsUpdated``."""
        trips: Iterable[dict[str, Any]]
        if event["__typename"] == "MyTripsSnapshot":
            trips = event["trips"]
            if self.trip is not None and all(trip["id"] != self.trip["id"] for trip in trips):
                self.trip = None
        else:
            trips = [event["trip"]]
        for trip in trips:
            self.take_note(trip)
        self.news.set()

    def take_note(self, trip: dict[str, Any]) -> None:
        """Store the driver's trip if it is newer than the stored one: answers and events come in any order."""
        if trip["version"] <= self._versions.get(trip["id"], 0):
            return
        self._versions[trip["id"]] = trip["version"]
        if trip["status"] in UNDER_WAY:
            self.trip = trip
        else:
            self.forget(trip["id"])

    def forget(self, trip_id: str) -> None:
        """The trip is not the driver's, or no longer."""
        if self.trip is not None and self.trip["id"] == trip_id:
            self.trip = None

    async def approved(self) -> None:
        """Return when the driver does not, or no longer, wait for staff."""
        while self.is_unapproved:
            self.news.clear()
            await self.news.wait()

    async def pause_gets_right(self) -> None:
        """Return when ``pause_is_right``."""
        while not self.pause_is_right:
            self.news.clear()
            await self.news.wait()

    async def keeps(self, trip: dict[str, Any], seconds: float) -> bool:
        """Wait for ``seconds``; False, at once, if the trip changes before."""
        try:
            async with asyncio.timeout(seconds):
                while self.trip is trip:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            pass
        return self.trip is trip
