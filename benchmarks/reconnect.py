"""Mass reconnect: all sockets are cut at the same moment and reconnect at once."""

import asyncio
import time

from benchmarks import operations
from benchmarks.http_client import HttpClient, check, request
from benchmarks.live_socket import LiveSocket, open_sockets
from benchmarks.measures import Figures
from benchmarks.offers import Offers
from benchmarks.stage import Stage

LOST_AFTER_S = 15.0
OPEN_AT_ONCE = 50


async def reconnect(stage: Stage) -> Figures:
    """Measure from the cut until every socket has its snapshot. One more trip then shows that each is live."""
    offers = Offers(stage.scale.sockets)
    before = await _open(stage, offers, at_once=OPEN_AT_ONCE)
    meter = stage.meter()
    began_s = time.perf_counter()
    for socket in before:
        socket.cut()
    after = await _open(stage, offers, at_once=None)
    all_live_s = time.perf_counter() - began_s
    usage = meter.read()
    probe = offers.new()
    probe.sent_s = time.perf_counter()
    async with HttpClient(stage.port) as http:
        body = operations.create_trip(operations.marked_address(probe.number))
        check(await http.post(request(stage.people.riders[0].token, body)))
    await offers.all_received([probe], within_s=LOST_AFTER_S)
    for socket in after:
        socket.close()
    # Let the server finish closing these sockets before the next measurement.
    await asyncio.sleep(1)
    return {
        "all_live_ms": all_live_s * 1000,
        "cpu_us": usage.server_cpu_s / stage.scale.sockets * 1e6,
        "lost": probe.left,
        "repeated": offers.repeated,
        "load_share": usage.load_share,
    }


async def _open(stage: Stage, offers: Offers, *, at_once: int | None) -> list[LiveSocket]:
    tokens = [driver.token for driver in stage.people.drivers[: stage.scale.sockets]]
    return await open_sockets(
        stage.port, tokens, lambda _: [operations.follow_pool()], offers.receive, at_once=at_once
    )
