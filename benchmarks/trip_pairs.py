"""Trip pairs: each rider follows a trip while its driver changes the status."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

import orjson

from benchmarks import operations
from benchmarks.http_client import HttpClient, HttpFailed, check, request
from benchmarks.latencies import Latencies
from benchmarks.live_socket import open_sockets
from benchmarks.measures import Figures
from benchmarks.people import Person
from benchmarks.stage import Stage

STEPS = ("STARTED", "IN_PROGRESS", "COMPLETED")
UPDATES_PER_S = 50.0
UNDER_WAY = 32
WARM_UP_UPDATES = 100
LOST_AFTER_S = 5.0
TRIPS_A_PAIR_AND_SECOND = 2
# Below the server's limit of operations a socket.
MAX_TRIPS_A_PAIR = 40
OPEN_AT_ONCE = 20


@dataclass(slots=True, eq=False)
class Pair:
    """A driver and a rider, their remaining trips, and the update that is running."""

    driver: Person
    trips: deque[str]
    step: int = 0
    expected: tuple[str, str] | None = None
    sent_s: float = 0.0
    received: asyncio.Event = field(default_factory=asyncio.Event)
    latency_s: float = 0.0

    def receive(self, message: bytes) -> None:
        """Note what came on the rider's socket."""
        now_s = time.perf_counter()
        body = orjson.loads(message)
        if (
            body["type"] == "next"
            and (body["id"], body["payload"]["data"]["tripUpdated"]["status"]) == self.expected
        ):
            self.latency_s = now_s - self.sent_s
            self.received.set()

    def next_step(self) -> tuple[str, str] | None:
        """The next trip and its next status; None when all trips have ended."""
        if self.step == len(STEPS):
            self.trips.popleft()
            self.step = 0
        return (self.trips[0], STEPS[self.step]) if self.trips else None


@dataclass(slots=True)
class Counts:
    """The results of updates."""

    latencies_s: list[float] = field(default_factory=list)
    lost: int = 0
    failed: int = 0


async def trip_pairs(stage: Stage) -> Figures:
    """Measure the latency of an update at a steady rate, then the highest rate and its CPU."""
    pairs = await _pairs(stage)
    riders = [rider.token for rider in stage.people.riders[: len(pairs)]]
    opened = await open_sockets(
        stage.port,
        riders,
        lambda number: [operations.follow_trip(trip) for trip in pairs[number].trips],
        lambda number, message: pairs[number].receive(message),
        at_once=OPEN_AT_ONCE,
    )
    async with HttpClient(stage.port) as http:
        await http.open(UNDER_WAY)
        turns = deque(pairs)
        await _flat_out(http, turns, updates=min(WARM_UP_UPDATES, len(pairs)), seconds=LOST_AFTER_S)
        steady = await _steadily(http, turns, stage.scale.seconds)
        meter = stage.meter()
        fast = await _flat_out(http, turns, updates=None, seconds=stage.scale.seconds)
        usage = meter.read()
    for socket in opened:
        socket.close()
    updates = len(fast.latencies_s)
    return {
        "p50_ms": Latencies(steady.latencies_s).percentile_ms(50),
        "p99_ms": Latencies(steady.latencies_s).percentile_ms(99),
        "max_per_s": updates / usage.elapsed_s,
        "cpu_us": usage.server_cpu_s / max(1, updates) * 1e6,
        "lost": steady.lost + fast.lost,
        "failed": steady.failed + fast.failed,
        "load_share": usage.load_share,
    }


async def _pairs(stage: Stage) -> list[Pair]:
    """Create pairs, and request all their trips."""
    people, number = stage.people, stage.scale.pairs
    trips = min(MAX_TRIPS_A_PAIR, max(2, round(TRIPS_A_PAIR_AND_SECOND * stage.scale.seconds)))
    return [
        Pair(driver, deque([str(await people.add_open_trip(rider)) for _ in range(trips)]))
        for rider, driver in zip(people.riders[:number], people.drivers[:number], strict=True)
    ]


async def _steadily(http: HttpClient, turns: deque[Pair], seconds: float) -> Counts:
    """Update at a fixed rate (open loop), one pair after the other."""
    counts = Counts()
    began_s = time.perf_counter()
    updates: list[asyncio.Task[None]] = []
    for number in range(round(seconds * UPDATES_PER_S)):
        await asyncio.sleep(began_s + number / UPDATES_PER_S - time.perf_counter())
        pair = turns.popleft()
        updates.append(asyncio.create_task(_update(http, pair, counts, turns)))
    await asyncio.gather(*updates)
    return counts


async def _flat_out(http: HttpClient, turns: deque[Pair], *, updates: int | None, seconds: float) -> Counts:
    """Update with 32 requests at a time, until the time, the number of updates or the trips are used up."""
    counts = Counts()
    until_s = time.perf_counter() + seconds
    left = updates if updates is not None else len(turns) * MAX_TRIPS_A_PAIR * len(STEPS)

    async def work() -> None:
        nonlocal left
        while left > 0 and turns and time.perf_counter() < until_s:
            left -= 1
            await _update(http, turns.popleft(), counts, turns)

    await asyncio.gather(*(work() for _ in range(UNDER_WAY)))
    return counts


async def _update(http: HttpClient, pair: Pair, counts: Counts, turns: deque[Pair]) -> None:
    """Update a pair's trip, wait until its rider has received it, and queue the pair again."""
    step = pair.next_step()
    if step is None:
        return
    pair.expected = step
    pair.received.clear()
    data = request(pair.driver.token, operations.update_trip(*step))
    pair.sent_s = time.perf_counter()
    try:
        check(await http.post(data))
        async with asyncio.timeout(LOST_AFTER_S):
            await pair.received.wait()
    except HttpFailed as error:
        print(f"updateTrip failed: {error}")
        counts.failed += 1
        return
    except TimeoutError:
        counts.lost += 1
        return
    counts.latencies_s.append(pair.latency_s)
    pair.step += 1
    turns.append(pair)
