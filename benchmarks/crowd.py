"""Ten thousand sockets on one process: an idle second, requests that reach all of them, and a rider's queries
beside these.
"""

import asyncio
import resource
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from prometheus_client.parser import text_string_to_metric_families

from benchmarks import operations
from benchmarks.fan_out import LOST_AFTER_S, RIDERS, SETTLE_S, steady, warm_sockets
from benchmarks.http_client import HttpClient, HttpFailed, check, request
from benchmarks.latencies import Latencies
from benchmarks.live_socket import LiveSocket, open_sockets
from benchmarks.measures import Figures
from benchmarks.offers import Offers
from benchmarks.stage import Stage

DELIVERIES_PER_S = 20_000.0
OPEN_AT_ONCE = 100
QUERY_EVERY_S = 0.02
# The files of a process besides its sockets.
MORE_FILES = 500
STALL_S = 0.02
# The server returns memory when it next checks for a crowd that has left.
LEFT_S = 15.0


@dataclass(slots=True)
class _Queries:
    """A rider who sends a query every 20 ms."""

    latencies_s: list[float] = field(default_factory=list)
    failed: int = 0


async def crowd(stage: Stage) -> Figures:
    """Measure the cost of idle sockets, other clients' latency during deliveries, and the memory that stays."""
    sockets = stage.scale.crowd
    stage = replace(stage, scale=replace(stage.scale, sockets=sockets))
    offers = Offers(sockets)
    tokens = [driver.token for driver in stage.people.crowd]
    await warm_sockets(stage, tokens[:OPEN_AT_ONCE])
    async with HttpClient(stage.port) as http:
        await http.open(RIDERS + 1)
        empty_mb = _memory_mb(stage)
        began_s = time.perf_counter()
        opened = await _open(stage, tokens, offers)
        opened_s = time.perf_counter() - began_s
        await asyncio.sleep(SETTLE_S)
        full_mb = _memory_mb(stage)
        idle = stage.meter()
        await asyncio.sleep(stage.scale.area_seconds)
        idle_usage = idle.read()
        stalls = await _stalls(stage)
        async with _querying(stage) as queries:
            measured = await steady(stage, http, offers, DELIVERIES_PER_S, stage.scale.seconds)
        stalls = await _stalls(stage) - stalls
        began_s = time.perf_counter()
        for socket in opened:
            socket.cut()
        back = await _open(stage, tokens, offers, at_once=None)
        back_s = time.perf_counter() - began_s
        probe = offers.new()
        probe.sent_s = time.perf_counter()
        body = operations.create_trip(operations.marked_address(probe.number))
        check(await http.post(request(stage.people.riders[0].token, body)))
        await offers.all_received([probe], within_s=LOST_AFTER_S)
        for socket in back:
            socket.close()
        await asyncio.sleep(LEFT_S)
    asked = Latencies(queries.latencies_s)
    return {
        "open_ms": opened_s * 1000,
        "memory_kb": (full_mb - empty_mb) * 1024 / sockets,
        "idle_cpu_ms": idle_usage.server_cpu_s / idle_usage.elapsed_s * 1000,
        "cpu_us": measured.cpu_us,
        "p50_ms": measured.latencies.percentile_ms(50),
        "p99_ms": measured.latencies.percentile_ms(99),
        "query_p50_ms": asked.percentile_ms(50),
        "query_p99_ms": asked.percentile_ms(99),
        "stalls": stalls,
        "back_ms": back_s * 1000,
        "empty_mb": empty_mb,
        "full_mb": full_mb,
        "left_mb": _memory_mb(stage),
        "lost": measured.lost + probe.left,
        "repeated": offers.repeated,
        "failed": measured.failed + queries.failed,
        "load_share": measured.usage.load_share,
    }


def raise_file_limit(files: int) -> None:
    """Allow this process, and processes that it starts from now on, that many open files. Raises: ValueError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, hard)))


async def _open(
    stage: Stage, tokens: list[str], offers: Offers, *, at_once: int | None = OPEN_AT_ONCE
) -> list[LiveSocket]:
    return await open_sockets(
        stage.port, tokens, lambda _: [operations.follow_pool()], offers.receive, at_once=at_once
    )


@asynccontextmanager
async def _querying(stage: Stage) -> AsyncGenerator[_Queries]:
    """Ask for a page of trips every 20 ms within the block."""
    queries = _Queries()
    data = request(stage.people.riders[-2].token, operations.trips())
    asking: set[asyncio.Task[None]] = set()

    async def ask(http: HttpClient) -> None:
        sent_s = time.perf_counter()
        try:
            check(await http.post(data))
        except HttpFailed:
            queries.failed += 1
        else:
            queries.latencies_s.append(time.perf_counter() - sent_s)

    async def repeat(http: HttpClient) -> None:
        while True:
            asking.add(task := asyncio.create_task(ask(http)))
            task.add_done_callback(asking.discard)
            await asyncio.sleep(QUERY_EVERY_S)

    async with HttpClient(stage.port) as http:
        await http.open(4)
        repeating = asyncio.create_task(repeat(http))
        try:
            yield queries
        finally:
            repeating.cancel()
            await asyncio.gather(*asking)


async def _stalls(stage: Stage) -> float:
    """How often the server's event loop has been late by more than 20 ms."""
    async with HttpClient(stage.port) as http:
        text = (await http.post(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).decode()
    buckets = {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "taxirank_loop_lag_seconds_bucket"
    }
    return buckets[float("inf")] - buckets[STALL_S] if buckets else float("nan")


def _memory_mb(stage: Stage) -> float:
    return stage.server.process.memory_info().rss / 1024 / 1024
