"""The city for staff: what it costs while drivers report, with 20 watchers beside one and none."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks import operations
from benchmarks.http_client import HttpClient, check, request
from benchmarks.latencies import Latencies
from benchmarks.live_socket import LiveSocket, open_sockets
from benchmarks.measures import Figures
from benchmarks.people import WATCHERS
from benchmarks.stage import Stage
from models.geo import GeoPoint

DRIVERS = 200
# The others have no trip.
ON_TRIP = 60
REPORT_EVERY_S = 4.0
OPEN_AT_ONCE = 20
SETTLE_S = 2.0
# One message a second, for each watcher.
INTERVAL_S = 1.0
# From street to street.
STEP = 1e-4


class Reports:
    """Drivers who report in turn, each every ``REPORT_EVERY_S`` seconds."""

    def __init__(self, phones: Sequence[LiveSocket]) -> None:
        self._phones = phones
        self._numbers = itertools.count()

    async def go_on(self, seconds: float) -> None:
        """Report for that long, in an open loop."""
        began_s, pause_s = time.perf_counter(), REPORT_EVERY_S / len(self._phones)
        for count in range(round(seconds / pause_s)):
            number = next(self._numbers)
            driver = number % len(self._phones)
            point = place(driver, moved=number // len(self._phones))
            self._phones[driver].send(operations.report_location_on_socket(f"r{number}", point, datetime.now(UTC)))
            await asyncio.sleep(max(0.0, began_s + (count + 1) * pause_s - time.perf_counter()))


class Watching:
    """What the watchers receive: how much, and how evenly."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.gaps_s: list[float] = []
        self._last_s: dict[int, float] = {}

    def receive(self, watcher: int, message: bytes) -> None:
        """Count a message."""
        now_s = time.perf_counter()
        self.messages += 1
        self.bytes += len(message)
        if watcher in self._last_s:
            self.gaps_s.append(now_s - self._last_s[watcher])
        self._last_s[watcher] = now_s


def place(driver: int, *, moved: int) -> GeoPoint:
    """Where a driver is who has moved that often."""
    return GeoPoint(52.3 + driver * 1e-3, 4.8 + moved * STEP)


async def city(stage: Stage) -> Figures:
    """Measure the CPU of 200 reporting drivers with no watcher, one and 20, each for the same time."""
    phones = await _open(stage)
    reports, seconds = Reports(phones), stage.scale.seconds
    figures: Figures = {"load_share": 0}
    for watchers in (0, 1, WATCHERS):
        seen = Watching()
        sockets = await open_sockets(
            stage.port,
            [person.token for person in stage.people.staff[:watchers]],
            lambda _: [operations.follow_city()],
            seen.receive,
            at_once=OPEN_AT_ONCE,
        )
        await reports.go_on(SETTLE_S)
        seen.messages = seen.bytes = 0
        seen.gaps_s.clear()
        meter = stage.meter()
        await reports.go_on(seconds)
        usage = meter.read()
        figures[f"cpu_ms_{watchers}"] = usage.server_cpu_s / usage.elapsed_s * 1e3
        figures["load_share"] = max(figures["load_share"], usage.load_share)
        if watchers == WATCHERS:
            figures["message_kb"] = seen.bytes / max(1, seen.messages) / 1e3
            figures["gap_p99_ms"] = Latencies(seen.gaps_s).percentile_ms(99)
            expected = watchers * (usage.elapsed_s / INTERVAL_S - 1)
            figures["lost"] = max(0, round(expected * 0.9) - seen.messages)
        for socket in sockets:
            socket.close()
    for phone in phones:
        phone.close()
    return figures


async def _open(stage: Stage) -> list[LiveSocket]:
    """The drivers' sockets. Some have accepted a trip, and all have reported a position."""
    people = stage.people
    drivers = people.drivers[:DRIVERS]
    async with HttpClient(stage.port) as http:
        for number, driver in enumerate(drivers):
            if number < ON_TRIP:
                trip = str(await people.add_open_trip(people.riders[number % len(people.riders)]))
                check(await http.post(request(driver.token, operations.update_trip(trip, "STARTED"))))
            report = operations.report_location(place(number, moved=0), datetime.now(UTC))
            check(await http.post(request(driver.token, report)))
    return await open_sockets(
        stage.port,
        [driver.token for driver in drivers],
        lambda _: [operations.follow_own_trips()],
        lambda _, __: None,
        at_once=OPEN_AT_ONCE,
    )
