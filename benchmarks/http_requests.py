"""Queries and mutations over HTTP: 32 connections with one request at a time on each."""

import asyncio
import time
from collections.abc import Callable

from benchmarks import operations
from benchmarks.http_client import HttpClient, HttpFailed, check, request
from benchmarks.latencies import Latencies
from benchmarks.measures import Figures
from benchmarks.stage import Stage

CONNECTIONS = 32
WARM_UP_S = 1.0


async def query(stage: Stage) -> Figures:
    """Measure a page of 20 trips, each with its rider and its driver."""
    rider = stage.people.riders[0]
    await stage.people.add_page(rider, stage.people.drivers)
    data = request(rider.token, operations.trips())
    return await _drive(stage, lambda _: data)


async def mutation(stage: Stage) -> Figures:
    """Measure createTrip, while nobody follows the pool."""
    body = operations.create_trip("Central Station")
    data = [request(rider.token, body) for rider in stage.people.riders[:CONNECTIONS]]
    return await _drive(stage, lambda connection: data[connection % len(data)])


async def _drive(stage: Stage, request_of: Callable[[int], bytes]) -> Figures:
    """Send requests as fast as they are answered. ``request_of`` returns the request of a connection."""
    async with HttpClient(stage.port) as http:
        await http.open(CONNECTIONS)
        check(await http.post(request_of(0)))
        await closed_loop(http, request_of, min(WARM_UP_S, stage.scale.seconds))
        meter = stage.meter()
        latencies_s, failed = await closed_loop(http, request_of, stage.scale.seconds)
        usage = meter.read()
    latencies = Latencies(latencies_s)
    return {
        "max_per_s": len(latencies_s) / usage.elapsed_s,
        "cpu_us": usage.server_cpu_s / max(1, len(latencies_s)) * 1e6,
        "p50_ms": latencies.percentile_ms(50),
        "p99_ms": latencies.percentile_ms(99),
        "failed": failed,
        "load_share": usage.load_share,
    }


async def closed_loop(
    http: HttpClient, request_of: Callable[[int], bytes], seconds: float
) -> tuple[list[float], int]:
    """Send as fast as answers come; returns the latency of each successful request, and how many failed."""
    latencies_s: list[float] = []
    failed = 0
    until_s = time.perf_counter() + seconds

    async def drive(connection: int) -> None:
        nonlocal failed
        data = request_of(connection)
        while (sent_s := time.perf_counter()) < until_s:
            try:
                # Parsing each answer would cost the load generator more than the request.
                if not (await http.post(data)).startswith(b'{"data":'):
                    failed += 1
                    continue
            except HttpFailed:
                failed += 1
                return
            latencies_s.append(time.perf_counter() - sent_s)

    await asyncio.gather(*(drive(connection) for connection in range(CONNECTIONS)))
    return latencies_s, failed
