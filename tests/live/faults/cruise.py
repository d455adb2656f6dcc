"""Drivers who drive all the time and report their positions, whatever happens to the servers."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from models.geo import GeoPoint
from services.live.offer_area import KEPT
from tests.live.faults.load import Person
from tests.support.api import REPORT_LOCATION
from tests.support.checking_clients import OPEN, PoolView, Row, differences
from tests.support.globe import destination, vector_distance_m

RADIUS_M = 3_000.0
ROAM_M = 300.0
REPORT_EVERY_S = 0.3


class Cruise:
    """A driver around a home, and the last position that a server has confirmed."""

    def __init__(self, person: Person, home: GeoPoint) -> None:
        self.person = person
        self.home = home
        self.at: GeoPoint | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Report once, and continue."""
        await self._report()
        assert self.at is not None, "the servers are up"
        self._task = asyncio.create_task(self._drive())

    async def stop(self) -> None:
        """Stop driving."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _drive(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            await self._report()

    async def _report(self) -> None:
        rng = self.person.rng
        point = destination(self.home, rng.uniform(0, 360), ROAM_M * rng.random())
        payload = await self.person.ask(
            REPORT_LOCATION,
            input={"point": {"lat": point.lat, "lng": point.lng}, "recordedAt": datetime.now(UTC).isoformat()},
        )
        if payload is not None:
            assert payload["errors"] == [], payload
            self.at = point


class AreaView(PoolView):
    """`driverPool` around a cruising driver: it never has a trip out of reach."""

    def __init__(self, cruise: Cruise) -> None:
        super().__init__(cruise.person.id)
        self._cruise = cruise

    def _fold(self, value: Any) -> None:
        offered = value.get("offers") or [trip for trip in [value.get("trip")] if trip is not None]
        for trip in offered:
            pick_up = trip["pickUp"]
            if (
                pick_up is not None
                and vector_distance_m(self._cruise.home, GeoPoint(**pick_up)) > RADIUS_M + ROAM_M + 1
            ):
                self.faults.append(f"offered out of reach: {trip['id']}")
        if value.get("reason") == "OUT_OF_RANGE":
            # The trip has not changed, and may come into reach again unchanged.
            self._told.pop(value["tripId"], None)
            if self.offers.pop(value["tripId"], None) is None:
                self.faults.append(f"out of range, and was not offered: {value['tripId']}")
        else:
            super()._fold(value)

    def differences(self, trips: dict[str, Row]) -> list[str]:
        at = self._cruise.at
        assert at is not None, "has reported"

        def belongs(row: Row) -> bool:
            # Shown trips are kept a little beyond the radius.
            reach_m = RADIUS_M * KEPT if row.id in self.offers else RADIUS_M
            return row.pick_up is None or vector_distance_m(at, row.pick_up) <= reach_m

        wanted = {row.id: row.version for row in trips.values() if row.status == OPEN and belongs(row)}
        return differences("area", wanted, self.offers)
