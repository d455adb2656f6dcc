"""The main job: a rider's request reaches a driver, and the rider watches the driver accept."""

from tests.conftest import LiveServer
from tests.support.api import MY_TRIPS, POOL, TRIP_UPDATED, Api


async def test_a_request_reaches_the_driver_and_the_answer_reaches_the_rider(
    live_server: LiveServer, rider: Api, driver: Api
) -> None:
    async with driver.socket() as driver_socket, rider.socket() as rider_socket:
        pool = await driver_socket.start(POOL)
        no_offers = {"__typename": "PoolSnapshot", "offers": [], "truncated": False, "paused": None}
        assert await pool.next() == no_offers
        mine = await rider_socket.start(MY_TRIPS)
        assert await mine.next() == {"__typename": "MyTripsSnapshot", "trips": []}

        trip = await rider.create_trip()

        offered = await pool.next()
        assert offered["__typename"] == "TripOffered"
        assert offered["trip"]["id"] == trip["id"]
        assert offered["trip"]["rider"]["username"] is None
        assert (await mine.next())["trip"]["status"] == "REQUESTED"
        watched = await rider_socket.start(TRIP_UPDATED, id=trip["id"])
        assert (await watched.next())["status"] == "REQUESTED"

        await driver.update_trip(trip["id"], "STARTED")

        assert await pool.next() == no_offers | {"paused": "ON_TRIP"}
        seen = await watched.next()
        assert (seen["status"], seen["version"]) == ("STARTED", 2)
        assert seen["driver"]["username"] == driver.user["username"]
        assert (await mine.next())["trip"]["driver"]["id"] == driver.user["id"]

        await driver.update_trip(trip["id"], "IN_PROGRESS")
        await driver.update_trip(trip["id"], "COMPLETED")
        assert (await watched.next())["status"] == "IN_PROGRESS"
        assert (await watched.next())["status"] == "COMPLETED"
        await watched.completed()
        assert await pool.next() == no_offers
        assert [(await mine.next())["trip"]["status"] for _ in range(2)] == ["IN_PROGRESS", "COMPLETED"]
