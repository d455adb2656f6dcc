"""Fan-out: every request of a rider reaches every driver's socket."""

import asyncio
import itertools
import time
from dataclasses import dataclass

from benchmarks import operations
from benchmarks.cores import Usage
from benchmarks.http_client import HttpClient, HttpFailed, check, request
from benchmarks.latencies import Latencies
from benchmarks.live_socket import open_sockets
from benchmarks.measures import Figures
from benchmarks.offers import Offer, Offers
from benchmarks.stage import Stage

DELIVERIES_PER_S = 2000.0
RIDERS = 16
WARM_UP_S = 2.0
SETTLE_S = 1.0
# A rate is sustained if the 99th percentile of the latencies and the last delivery are below this limit.
PATIENCE_S = 1.0
# A delivery that takes longer counts as lost.
LOST_AFTER_S = 15.0
RAMP_FROM = 0.6
RAMP_STEP = 1.12
RAMP_STRETCH_S = 3.0
OPEN_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Stretch:
    """The results of requesting trips at a steady rate for some time."""

    offers: list[Offer]
    elapsed_s: float
    usage: Usage
    failed: int
    holds: bool

    @property
    def lost(self) -> int:
        """Deliveries that never came."""
        return sum(offer.left for offer in self.offers)

    @property
    def deliveries(self) -> int:
        """Deliveries that came."""
        return sum(len(offer.latencies_s) for offer in self.offers)

    @property
    def latencies(self) -> Latencies:
        """From sending the create request to each receipt."""
        return Latencies(itertools.chain.from_iterable(offer.latencies_s for offer in self.offers))

    @property
    def cpu_us(self) -> float:
        """The server's CPU time for one delivery, with its share of the request that caused it."""
        return self.usage.server_cpu_s / max(1, self.deliveries) * 1e6


async def fan_out(stage: Stage) -> Figures:
    """Measure the CPU of a delivery and its latency at a steady rate, then the highest rate that holds."""
    sockets = stage.scale.sockets
    tokens = [driver.token for driver in stage.people.drivers[:sockets]]
    offers = Offers(sockets)
    await warm_sockets(stage, tokens[:OPEN_AT_ONCE])
    empty_kb = stage.server.process.memory_info().rss / 1024
    opened = await open_sockets(
        stage.port,
        tokens,
        lambda _: [operations.follow_pool()],
        offers.receive,
        at_once=OPEN_AT_ONCE,
    )
    await asyncio.sleep(SETTLE_S)
    memory_kb = (stage.server.process.memory_info().rss / 1024 - empty_kb) / sockets
    async with HttpClient(stage.port) as http:
        await http.open(RIDERS)
        await steady(stage, http, offers, DELIVERIES_PER_S, min(WARM_UP_S, stage.scale.seconds))
        measured = await steady(stage, http, offers, DELIVERIES_PER_S, stage.scale.seconds)
        best = await _ramp(stage, http, offers, from_per_s=RAMP_FROM * 1e6 / measured.cpu_us)
    for socket in opened:
        socket.close()
    return {
        "cpu_us": measured.cpu_us,
        "p50_ms": measured.latencies.percentile_ms(50),
        "p99_ms": measured.latencies.percentile_ms(99),
        "memory_kb": memory_kb,
        "lost": measured.lost,
        "repeated": offers.repeated,
        "failed": measured.failed,
        "load_share": max(stretch.usage.load_share for stretch in (measured, best or measured)),
        # A rate at which any delivery was lost, or any request failed, did not hold.
        **({"max_per_s": best.deliveries / best.elapsed_s, "cpu_at_max_us": best.cpu_us} if best else {}),
    }


async def _ramp(stage: Stage, http: HttpClient, offers: Offers, *, from_per_s: float) -> Stretch | None:
    """The highest sustained rate; None if there is none.

    Goes up while the rates are sustained, or down until one is. A rate that fails is tried again, because other
    work of the machine can disturb one measurement.
    """
    best: Stretch | None = None
    rate, has_failed = from_per_s, False
    for _ in range(stage.scale.ramp_steps):
        stretch = await steady(stage, http, offers, rate, min(RAMP_STRETCH_S, stage.scale.seconds))
        if stretch.holds:
            best, has_failed = stretch, False
            rate *= RAMP_STEP
        elif not has_failed:
            has_failed = True
        elif best is None:
            has_failed = False
            rate *= RAMP_FROM
        else:
            break
    return best


async def steady(
    stage: Stage, http: HttpClient, offers: Offers, deliveries_per_s: float, seconds: float
) -> Stretch:
    """Request trips at a fixed rate (open loop): a slow server does not slow down the riders."""
    interval_s = stage.scale.sockets / deliveries_per_s
    requested: list[Offer] = []
    posts: list[asyncio.Task[bool]] = []
    meter = stage.meter()
    began_s = time.perf_counter()
    for number in range(max(1, round(seconds / interval_s))):
        await asyncio.sleep(began_s + number * interval_s - time.perf_counter())
        offer = offers.new()
        requested.append(offer)
        token = stage.people.riders[number % RIDERS].token
        posts.append(asyncio.create_task(_request(http, token, offer)))
    sending_ended_s = time.perf_counter()
    failed = (await asyncio.gather(*posts)).count(False)
    has_all = await offers.all_received(requested, within_s=LOST_AFTER_S)
    usage = meter.read()
    ended_s = offers.last_receipt_s if has_all else time.perf_counter()
    stretch = Stretch(requested, max(ended_s - began_s, seconds), usage, failed, holds=False)
    holds = (
        has_all
        and not failed
        and ended_s - sending_ended_s <= PATIENCE_S
        and stretch.latencies.percentile_ms(99) <= PATIENCE_S * 1000
    )
    return Stretch(requested, stretch.elapsed_s, usage, failed, holds)


async def _request(http: HttpClient, token: str, offer: Offer) -> bool:
    data = request(token, operations.create_trip(operations.marked_address(offer.number)))
    offer.sent_s = time.perf_counter()
    try:
        check(await http.post(data))
    except HttpFailed as error:
        print(f"createTrip failed: {error}")
        return False
    return True


async def warm_sockets(stage: Stage, tokens: list[str]) -> None:
    """Open and close a few sockets, so that one-time allocations do not count as memory of a socket."""
    opened = await open_sockets(stage.port, tokens, lambda _: [operations.follow_pool()], lambda _, __: None)
    for socket in opened:
        socket.close()
    await asyncio.sleep(SETTLE_S)
