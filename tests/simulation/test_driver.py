"""A simulated driver without a server."""

import asyncio
from random import Random
from typing import Any, cast

import pytest

from simulation.car import Car
from simulation.city import City
from simulation.client import Changed, Client
from simulation.counts import Counts
from simulation.driver import Driver
from simulation.driver_app import DriverApp
from simulation.geo import GeoPoint
from simulation.habits import Habits
from simulation.ledger import Ledger
from simulation.live_socket import LiveSocket
from simulation.meetings import Meetings
from simulation.ratings import Ratings

TRIP: dict[str, Any] = {"id": "t", "version": 2, "status": "STARTED", "arrivedAt": None, "cancelCode": None}


class LateClient:
    """Refuses each change, and receives in the meantime that the rider cancelled the trip."""

    def __init__(self) -> None:
        self.driver: Driver | None = None
        self.asked: list[str] = []

    async def change(self, trip_id: str, status: str) -> Changed:
        assert self.driver is not None
        self.asked.append(status)
        called_off: dict[str, Any] = {**TRIP, "id": trip_id, "version": 3, "status": "CANCELLED"}
        await self.driver.app.hear_own({"__typename": "TripChanged", "trip": called_off})
        return Changed(None, "TRIP_CANCELLED")


class CarelessClient:
    """A server that lets a driver do everything."""

    async def change(self, trip_id: str, status: str, **_: object) -> Changed:
        return Changed({**TRIP, "id": trip_id, "version": 5, "status": status})


class Clumsy(Habits):
    """A driver who types a wrong PIN first, and a rider who gets in at once."""

    def mistypes(self) -> bool:
        return True

    def boarding_s(self) -> float:
        return 0.0


def driver_with(client: object, ledger: Ledger, meetings: Meetings | None = None) -> Driver:
    habits = Clumsy(Random(1), speed_up=1.0)
    return Driver(
        "d",
        cast("Client", client),
        cast("LiveSocket", None),
        Car(City(GeoPoint(52.37, 4.9), 400.0), habits.rng, speed_mps=10.0),
        habits,
        ledger=ledger,
        ratings=Ratings(),
        meetings=meetings or Meetings(),
        counts=Counts(),
        report_every_s=1.0,
    )


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def app(ledger: Ledger) -> DriverApp:
    return DriverApp(ledger=ledger, counts=Counts())


def snapshot(paused: str | None, *offers: str) -> dict[str, Any]:
    return {"__typename": "PoolSnapshot", "paused": paused, "offers": [{"id": offer} for offer in offers]}


OFFER = {"__typename": "TripOffered", "trip": {"id": "o"}}


async def test_a_driver_who_goes_home_as_the_trip_is_cancelled_sends_no_more_requests(ledger: Ledger) -> None:
    client = LateClient()
    client.driver = driver = driver_with(client, ledger)
    await driver.app.hear_own({"__typename": "MyTripsSnapshot", "trips": [TRIP]})
    await driver.go_home()
    assert client.asked == ["REQUESTED"]


async def test_a_driver_who_is_given_a_trip_off_duty_is_noticed(ledger: Ledger) -> None:
    driver = driver_with(CarelessClient(), ledger)
    await driver.accept("on duty")
    assert ledger.paused_wrongly == 0
    driver.app.set_on_duty(False)
    await driver.accept("off duty")
    assert ledger.paused_wrongly == 1


async def test_a_ride_that_begins_with_a_wrong_pin_is_noticed(ledger: Ledger) -> None:
    meetings = Meetings()
    meetings.of("t").pin = "9999"
    driver = driver_with(CarelessClient(), ledger, meetings)
    driver.app.take_note(TRIP)
    await driver.wait_for_rider(TRIP)
    assert ledger.wrong_pins == 1


async def test_an_offer_in_a_paused_pool_is_noticed(app: DriverApp, ledger: Ledger) -> None:
    await app.hear_pool(snapshot(None, "a"))
    await app.hear_pool(OFFER)
    await app.hear_pool(snapshot("OFF_DUTY"))
    assert ledger.paused_wrongly == 0
    await app.hear_pool(OFFER)
    await app.hear_pool(snapshot("ON_TRIP", "a"))
    assert ledger.paused_wrongly == 2


async def test_a_pool_is_right_when_it_is_paused_for_what_the_driver_does(app: DriverApp) -> None:
    await app.hear_pool(snapshot(None))
    assert app.pause_is_right
    app.take_note(TRIP)
    assert not app.pause_is_right
    becomes_right = asyncio.create_task(app.pause_gets_right())
    await app.hear_pool(snapshot("ON_TRIP"))
    await becomes_right
    # Being off duty is told before being on a trip.
    app.set_on_duty(None)
    assert app.pause_is_right
    app.set_on_duty(False)
    assert not app.pause_is_right
    await app.hear_pool(snapshot("OFF_DUTY"))
    assert app.pause_is_right
