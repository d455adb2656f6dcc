"""Measures the length of the server's answers, so that the bare application can send as many bytes."""

import asyncio
from dataclasses import dataclass

from benchmarks import operations
from benchmarks.http_client import HttpClient, request
from benchmarks.live_socket import open_socket
from benchmarks.people import People

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of each answer: whole socket messages, and HTTP bodies."""

    pool_snapshot: int
    trip_offered: int
    trip_updated: int
    trips_page: int
    trip_payload: int


async def measure_sizes(port: int, people: People) -> Sizes:
    """Request one answer of each kind from a server."""
    rider, driver = people.riders[0], people.drivers[0]
    messages: asyncio.Queue[bytes] = asyncio.Queue()
    await people.add_page(rider, people.drivers)
    async with HttpClient(port) as http, asyncio.timeout(TIMEOUT_S):
        page = await http.post(request(rider.token, operations.trips()))
        watched = await people.add_open_trip(rider)
        pool = await open_socket(port, driver.token, [operations.follow_pool()], messages.put_nowait)
        payload = await http.post(request(rider.token, operations.create_trip(operations.marked_address(0))))
        offered = await messages.get()
        pool.close()
        trip = await open_socket(port, rider.token, [operations.follow_trip(str(watched))], messages.put_nowait)
        await http.post(request(driver.token, operations.update_trip(str(watched), "STARTED")))
        updated = await messages.get()
        trip.close()
    await people.clear_trips()
    return Sizes(pool.snapshot_bytes, len(offered), len(updated), len(page), len(payload))
