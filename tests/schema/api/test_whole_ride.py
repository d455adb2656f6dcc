"""A ride from the sign-up to the ratings through the API, where approval, a vehicle and a PIN are required."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application.settings import Settings
from tests.conftest import LiveServer, SignUp
from tests.support.api import Api
from tests.support.staff import StaffBrowser, make_staff

PICK_UP, DROP_OFF = {"lat": 52.366, "lng": 4.8966}, {"lat": 52.3731, "lng": 4.8926}
VEHICLE = {"make": "Skoda", "model": "Octavia", "color": "Blue", "licensePlate": "AB-12-CD", "seats": 4}
TRIP = """id status arrivedAt noShowAt cancelCode pickUpPin dropOffEta myRating
    vehicle { licensePlate } route { distanceM estimated } driver { rating { average } }"""
ANSWER = f"trip {{ {TRIP} }} errors {{ code retryAfter }}"
CREATE = f"mutation ($input: CreateTripInput!) {{ createTrip(input: $input) {{ {ANSWER} }} }}"
UPDATE = f"mutation ($input: UpdateTripInput!) {{ updateTrip(input: $input) {{ {ANSWER} }} }}"
ARRIVE = f"mutation ($id: ID!) {{ reportArrival(tripId: $id) {{ {ANSWER} }} }}"
RATE = f"mutation ($id: ID!, $stars: Int!) {{ rateTrip(tripId: $id, stars: $stars) {{ {ANSWER} }} }}"
WATCH = f"subscription ($id: ID!) {{ tripUpdated(id: $id) {{ {TRIP} }} }}"
POOL = """subscription { driverPool { __typename
    ... on PoolSnapshot { paused offers { id } } ... on TripOffered { trip { id } } } }"""
ME = "{ me { availability approval approvalReason vehicle { color } rating { average count } } }"
SET_VEHICLE = "mutation ($input: VehicleInput) { setVehicle(input: $input) { errors { code } } }"
SET_DUTY = "mutation ($on: Boolean!) { setOnDuty(onDuty: $on) { user { availability } errors { code } } }"
REPORT = "mutation ($input: LocationInput!) { reportLocation(input: $input) { errors { code } } }"
ESTIMATE = """query ($from: GeoPointInput!, $to: GeoPointInput!) {
    tripEstimate(pickUp: $from, dropOff: $to) { driversNearby pickUpEta durationS route { estimated } } }"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"driver_approval": True, "vehicle_required": True, "pick_up_pin": True, "location_rate": "off"}
    )


async def code(api: Api, query: str, /, **variables: Any) -> tuple[str, float | None]:
    """The one error of a mutation's payload, and when to try again."""
    (error,) = (await api.data(query, **variables))["errors"]
    return error["code"], error["retryAfter"]


async def done(api: Api, query: str, /, **variables: Any) -> dict[str, Any]:
    """The trip after a mutation."""
    payload = await api.data(query, **variables)
    assert payload["errors"] == []
    return payload["trip"]


async def test_a_ride_with_everything_that_can_be_required_and_one_whose_rider_does_not_come(
    live_server: LiveServer, person: SignUp, rider: Api
) -> None:
    driver = await (await person()).sign_up("DRIVER")
    database = live_server.application.database

    async def move(api: Api, trip: dict[str, Any], status: str, **more: Any) -> dict[str, Any]:
        return await done(api, UPDATE, input={"id": trip["id"], "status": status, **more})

    async def is_here() -> None:
        report = {"point": PICK_UP, "recordedAt": datetime.now(UTC).isoformat()}
        assert (await driver.data(REPORT, input=report))["errors"] == []

    async with StaffBrowser(live_server.url) as staff, driver.socket() as socket, rider.socket() as riders_socket:
        await staff.log_in(await make_staff(live_server.application, "stella"))
        pool = await socket.start(POOL)

        async def pauses() -> str | None:
            """Why the pool is paused, as the next message says, which is a snapshot without offers."""
            snapshot = await pool.next()
            assert (snapshot["__typename"], snapshot["offers"]) == ("PoolSnapshot", [])
            return snapshot["paused"]

        # Approval and vehicle.
        assert await pauses() == "NOT_APPROVED"
        await staff.row_action("user", "refuse", driver.user["id"], reason="No photo.")
        assert await pauses() == "NOT_APPROVED"
        assert (await driver.data(ME))["approvalReason"] == "No photo."
        await staff.row_action("user", "approve", driver.user["id"])
        assert await pauses() == "NO_VEHICLE"
        assert (await driver.data(SET_VEHICLE, input=VEHICLE))["errors"] == []
        assert await pauses() is None

        # Duty.
        open_trip = await done(rider, CREATE, input=ends())
        assert (await pool.next())["__typename"] == "TripOffered"
        assert (await driver.data(SET_DUTY, on=False))["user"]["availability"] == "OFF_DUTY"
        assert await pauses() == "OFF_DUTY"
        assert await code(driver, UPDATE, input={"id": open_trip["id"], "status": "STARTED"}) == ("OFF_DUTY", None)
        await move(rider, open_trip, "CANCELLED", cancelCode="CHANGED_PLANS")
        assert (await driver.data(SET_DUTY, on=True))["user"]["availability"] == "AVAILABLE"
        assert await pauses() is None

        # The estimate, the request, the acceptance.
        await is_here()
        assert await pauses() is None, "the pool is now the one around this position"
        estimate = await rider.data(ESTIMATE, **{"from": PICK_UP, "to": DROP_OFF})
        assert (estimate["driversNearby"], estimate["route"]["estimated"]) == (1, True)
        trip = await done(rider, CREATE, input=ends())
        assert await pool.next() == {"__typename": "TripOffered", "trip": {"id": trip["id"]}}
        watched = await riders_socket.start(WATCH, id=trip["id"])
        assert (await watched.next())["status"] == "REQUESTED"
        accepted = await move(driver, trip, "STARTED")
        assert (accepted["pickUpPin"], accepted["vehicle"]["licensePlate"]) == (None, "AB-12-CD")
        assert await pauses() == "ON_TRIP"
        told = await watched.next()
        assert (told["status"], told["vehicle"]["licensePlate"]) == ("STARTED", "AB-12-CD")
        assert told["route"]["distanceM"] > 0
        assert told["dropOffEta"] > 0
        assert told["noShowAt"] is None
        pin = told["pickUpPin"]

        # Arrival, the wait, and the PIN.
        no_show = {"id": trip["id"], "status": "CANCELLED"}
        assert await code(driver, UPDATE, input=no_show) == ("TOO_EARLY", None)
        arrived = await done(driver, ARRIVE, id=trip["id"])
        assert await done(driver, ARRIVE, id=trip["id"]) == arrived
        told = await watched.next()
        arrived_at, no_show_at = (datetime.fromisoformat(told[name]) for name in ("arrivedAt", "noShowAt"))
        assert no_show_at - arrived_at == timedelta(seconds=live_server.application.settings.no_show_wait_s)
        refused, seconds = await code(driver, UPDATE, input=no_show)
        assert (refused, seconds is not None and 295 <= seconds <= 300) == ("TOO_EARLY", True)
        start = {"id": trip["id"], "status": "IN_PROGRESS"}
        wrong = "0000" if pin != "0000" else "1111"
        assert await code(driver, UPDATE, input=start) == ("WRONG_PIN", None)
        assert await code(driver, UPDATE, input={**start, "pin": wrong}) == ("WRONG_PIN", None)
        begun = await move(driver, trip, "IN_PROGRESS", pin=pin)
        assert await move(driver, trip, "IN_PROGRESS", pin=pin) == begun
        told = await watched.next()
        assert (told["status"], told["pickUpPin"], told["noShowAt"]) == ("IN_PROGRESS", None, None)
        assert told["dropOffEta"] > 0
        assert (await code(rider, UPDATE, input=no_show))[0] == "TOO_EARLY", "the driver is not silent"

        # The end, and the ratings.
        await move(driver, trip, "COMPLETED")
        assert (await watched.next())["route"] is None
        assert await pauses() is None
        assert (await done(rider, RATE, id=trip["id"], stars=5))["myRating"] == 5
        assert (await done(driver, RATE, id=trip["id"], stars=4))["myRating"] == 4
        assert await code(rider, RATE, id=trip["id"], stars=1) == ("ALREADY_RATED", None)
        assert (await driver.data(ME))["rating"] == {"average": 5.0, "count": 1}

        # The rider does not come.
        trip = await done(rider, CREATE, input=ends())
        assert (await pool.next())["__typename"] == "TripOffered"
        await move(driver, trip, "STARTED")
        assert await pauses() == "ON_TRIP"
        await done(driver, ARRIVE, id=trip["id"])
        await database.fetch(f"UPDATE trips SET arrived_at = {database.sql.ago(300)} WHERE status = 'STARTED'")
        cancelled = await move(driver, trip, "CANCELLED")
        assert (cancelled["cancelCode"], cancelled["driver"]["rating"]) == ("NO_SHOW", {"average": 5.0})
        assert await pauses() is None

        # Staff end a trip that nobody else ends.
        trip = await done(rider, CREATE, input=ends())
        assert (await pool.next())["__typename"] == "TripOffered"
        await move(driver, trip, "STARTED")
        assert await pauses() == "ON_TRIP"
        watched = await riders_socket.start(WATCH, id=trip["id"])
        assert (await watched.next())["status"] == "STARTED"
        await staff.row_action("trip", "complete", trip["id"], reason="A lost phone.")
        assert (await watched.next())["status"] == "COMPLETED"
        assert await pauses() is None


def ends() -> dict[str, Any]:
    return {"pickUpAddress": "Here", "dropOffAddress": "There", "pickUp": PICK_UP, "dropOff": DROP_OFF}
