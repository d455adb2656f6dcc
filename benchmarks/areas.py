"""Areas: drivers all over a city report their positions; a request reaches only those near it."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from math import cos, radians, sin

import h3.api.basic_int as h3

from benchmarks import operations
from benchmarks.cores import Usage
from benchmarks.http_client import HttpClient, HttpFailed, check, request
from benchmarks.latencies import Latencies
from benchmarks.live_socket import LiveSocket, open_sockets
from benchmarks.measures import Figures
from benchmarks.offers import Offer, Offers
from benchmarks.stage import Stage
from models.geo import GeoPoint
from services.positions import cells

# One driver in each cell. The default radius of 3 km then reaches seven drivers: the one in the cell of the
# pick-up and the six around it. Centers of neighbouring cells are 2.4 km apart, the next ones 4.2 km.
SIZES = (500, 1000, 2000, 4000)
REPORTING = 2000
IN_REACH = 7
REPORT_EVERY_S = 4.0
REQUESTS_PER_S = 20.0
# Requests are made in this many cells in the middle of the city, so that all their neighbours have drivers.
MIDDLE_CELLS = 300
CENTER = GeoPoint(52.3702, 4.8952)
MOVES_M = 150.0
RIDERS = 16
LOST_AFTER_S = 15.0
OPEN_AT_ONCE = 50
SETTLE_S = 1.0


async def areas(stage: Stage) -> Figures:
    """Measure the CPU of a request with more and more drivers out of reach, then with all of them reporting.

    The cost of the same drivers without requests is subtracted.
    """
    figures: Figures = {"lost": 0, "repeated": 0, "failed": 0, "load_share": 0}
    for drivers in SIZES:
        crowd = Crowd(stage, min(drivers, len(stage.people.cruisers)))
        async with HttpClient(stage.port) as http:
            await crowd.arrive(http)
            await _requests(crowd, http, min(2.0, stage.scale.area_seconds))
            idle = await _idle(stage, stage.scale.area_seconds)
            silent = await _requests(crowd, http, stage.scale.area_seconds)
            figures[f"request_cpu_us_{drivers}"] = (
                (silent.usage.server_cpu_s - idle.server_cpu_s) / len(silent.offers) * 1e6
            )
            silent.count_faults(figures)
            if drivers == REPORTING:
                figures |= await _reporting(crowd, http, figures)
            crowd.leave()
    return figures


class Crowd:
    """Drivers with sockets, one in each cell."""

    def __init__(self, stage: Stage, drivers: int) -> None:
        self.stage = stage
        self.offers = Offers(drivers)
        self.centers = _spiral(drivers)
        self._middle = min(MIDDLE_CELLS, _surrounded(drivers))
        self.sockets: Sequence[LiveSocket] = ()
        self._tokens = [driver.token for driver in stage.people.cruisers[:drivers]]
        self._reports = itertools.count()

    async def arrive(self, http: HttpClient) -> None:
        """Report a position each, then follow the pool."""
        for number, token in enumerate(self._tokens):
            check(await http.post(request(token, operations.report_location(*self._position(number)))))
        self.sockets = await open_sockets(
            self.stage.port,
            self._tokens,
            lambda _: [operations.follow_pool()],
            self.offers.receive,
            at_once=OPEN_AT_ONCE,
        )
        await asyncio.sleep(SETTLE_S)

    async def report(self, seconds: float) -> int:
        """Report all positions repeatedly, at an even rate; returns the number of reports."""
        interval_s = REPORT_EVERY_S / len(self.sockets)
        began_s = time.perf_counter()
        reports = round(seconds / interval_s)
        for count in range(reports):
            late_s = began_s + count * interval_s - time.perf_counter()
            if late_s > 0:
                await asyncio.sleep(late_s)
            number = count % len(self.sockets)
            message = operations.report_location_on_socket(f"r{next(self._reports)}", *self._position(number))
            self.sockets[number].send(message)
        return reports

    def leave(self) -> None:
        """Close the sockets."""
        for socket in self.sockets:
            socket.close()

    def pick_up(self, number: int) -> GeoPoint:
        """The center of one of the cells in the middle of the city."""
        return self.centers[number * 7 % self._middle]

    def _position(self, number: int) -> tuple[GeoPoint, datetime]:
        """A position on a circle around the center of the driver's cell."""
        center, turn = self.centers[number], radians(time.perf_counter() * 10 + number)
        north = MOVES_M / 111_195
        return (
            GeoPoint(center.lat + north * cos(turn), center.lng + north * sin(turn) / cos(radians(center.lat))),
            datetime.now(UTC),
        )


class Requests:
    """The requests of one measurement and their results."""

    def __init__(self, offers: list[Offer], usage: Usage, failed: int) -> None:
        self.offers = offers
        self.usage = usage
        self._failed = failed

    def count_faults(self, figures: Figures) -> None:
        """Add the faults to the figures."""
        figures["lost"] += sum(max(0, offer.left) for offer in self.offers)
        # Drivers out of reach must not receive the offer.
        figures["repeated"] += sum(max(0, -offer.left) for offer in self.offers)
        figures["failed"] += self._failed
        figures["load_share"] = max(figures["load_share"], self.usage.load_share)


async def _reporting(crowd: Crowd, http: HttpClient, figures: Figures) -> Figures:
    """Measure requests while all positions are reported."""
    seconds = max(crowd.stage.scale.area_seconds, REPORT_EVERY_S)
    await crowd.report(REPORT_EVERY_S)
    meter = crowd.stage.meter()
    reports = await crowd.report(seconds)
    alone = meter.read()
    reporting = asyncio.create_task(crowd.report(seconds + SETTLE_S))
    busy = await _requests(crowd, http, seconds)
    await reporting
    busy.count_faults(figures)
    latencies = Latencies(itertools.chain.from_iterable(offer.latencies_s for offer in busy.offers))
    return {
        "cpu_share": busy.usage.server_cpu_s / busy.usage.elapsed_s * 100,
        "report_cpu_us": alone.server_cpu_s / reports * 1e6,
        "p50_ms": latencies.percentile_ms(50),
        "p99_ms": latencies.percentile_ms(99),
    }


async def _idle(stage: Stage, seconds: float) -> Usage:
    meter = stage.meter()
    await asyncio.sleep(seconds)
    return meter.read()


async def _requests(crowd: Crowd, http: HttpClient, seconds: float) -> Requests:
    """Request trips at a fixed rate (open loop), each in another cell."""
    offers: list[Offer] = []
    posts: list[asyncio.Task[bool]] = []
    meter = crowd.stage.meter()
    began_s = time.perf_counter()
    for number in range(max(1, round(seconds * REQUESTS_PER_S))):
        await asyncio.sleep(began_s + number / REQUESTS_PER_S - time.perf_counter())
        offer = crowd.offers.new(receivers=IN_REACH)
        offers.append(offer)
        token = crowd.stage.people.riders[number % RIDERS].token
        posts.append(asyncio.create_task(_request(http, token, offer, crowd.pick_up(number))))
    failed = (await asyncio.gather(*posts)).count(False)
    await crowd.offers.all_received(offers, within_s=LOST_AFTER_S)
    return Requests(offers, meter.read(), failed)


async def _request(http: HttpClient, token: str, offer: Offer, pick_up: GeoPoint) -> bool:
    body = operations.create_trip(operations.marked_address(offer.number), pick_up)
    data = request(token, body)
    offer.sent_s = time.perf_counter()
    try:
        check(await http.post(data))
    except HttpFailed as error:
        print(f"createTrip failed: {error}")
        return False
    return True


def _surrounded(count: int) -> int:
    """How many cells of a spiral of ``count`` cells have all six neighbours in it; at least 1."""
    rings = 0
    while _cells_within(rings + 1) <= count:
        rings += 1
    return _cells_within(max(0, rings - 1))


def _cells_within(rings: int) -> int:
    """The number of cells in ``rings`` rings around a cell, with that cell."""
    return 1 + 3 * rings * (rings + 1)


def _spiral(count: int) -> list[GeoPoint]:
    """The centers of ``count`` cells, from the middle of the city outwards."""
    center = h3.latlng_to_cell(CENTER.lat, CENTER.lng, cells.FINE)
    found = [center]
    for ring in itertools.count(1):
        if len(found) >= count:
            break
        found += h3.grid_ring(center, ring)
    return [GeoPoint(*h3.cell_to_latlng(cell)) for cell in found[:count]]
