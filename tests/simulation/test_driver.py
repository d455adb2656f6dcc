"""A simulated driver without a server."""

from random import Random
from typing import Any, cast

from simulation.car import Car
from simulation.city import City
from simulation.client import Changed, Client
from simulation.counts import Counts
from simulation.driver import Driver
from simulation.geo import GeoPoint
from simulation.habits import Habits
from simulation.ledger import Ledger
from simulation.live_socket import LiveSocket

TRIP = {"id": "t", "version": 2, "status": "STARTED"}


class LateClient:
    """Refuses each change, and receives in the meantime that the rider cancelled the trip."""

    def __init__(self) -> None:
        self.driver: Driver | None = None
        self.asked: list[str] = []

    async def change(self, trip_id: str, status: str) -> Changed:
        assert self.driver is not None
        self.asked.append(status)
        called_off: dict[str, Any] = {**TRIP, "id": trip_id, "version": 3, "status": "CANCELLED"}
        await self.driver._hear_own({"__typename": "TripChanged", "trip": called_off})
        return Changed(None, "TRIP_CANCELLED")


async def test_a_driver_who_goes_home_as_the_trip_is_cancelled_sends_no_more_requests() -> None:
    client, habits = LateClient(), Habits(Random(1), speed_up=1.0)
    client.driver = driver = Driver(
        "d",
        cast("Client", client),
        cast("LiveSocket", None),
        Car(City(GeoPoint(52.37, 4.9), 400.0), habits.rng, speed_mps=10.0),
        habits,
        ledger=Ledger(),
        counts=Counts(),
        report_every_s=1.0,
    )
    await driver._hear_own({"__typename": "MyTripsSnapshot", "trips": [TRIP]})
    await driver.go_home()
    assert client.asked == ["REQUESTED"]
