"""Hostile sockets: how much they delay deliveries to honest sockets."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson

from application.paths import ROOT
from benchmarks import operations
from benchmarks.fan_out import OPEN_AT_ONCE, RIDERS, SETTLE_S, WARM_UP_S, steady
from benchmarks.http_client import HttpClient
from benchmarks.live_socket import open_sockets
from benchmarks.measures import Figures
from benchmarks.offers import Offers
from benchmarks.stage import Stage

HONEST = 200
# Each has as many sockets as the server allows.
HOSTILE_USERS = 50
SOCKETS_A_USER = 20
REQUESTS_PER_S = 10.0


async def hostile(stage: Stage) -> Figures:
    """Measure the delivery to honest drivers, first without hostile sockets, then with them."""
    # A small run has fewer sockets of both kinds.
    count = min(HONEST, stage.scale.sockets)
    users = stage.people.drivers[-max(1, HOSTILE_USERS * count // HONEST) :]
    stage = replace(stage, scale=replace(stage.scale, sockets=count))
    offers = Offers(count)
    honest = await open_sockets(
        stage.port,
        [driver.token for driver in stage.people.drivers[:count]],
        lambda _: [operations.follow_pool()],
        offers.receive,
        at_once=OPEN_AT_ONCE,
    )
    await asyncio.sleep(SETTLE_S)
    seconds, rate = stage.scale.seconds, count * REQUESTS_PER_S
    async with HttpClient(stage.port) as http:
        await http.open(RIDERS)
        await steady(stage, http, offers, rate, min(WARM_UP_S, seconds))
        alone = await steady(stage, http, offers, rate, seconds)
        before_mb = _memory_mb(stage)
        async with _crowd(stage.port, [user.token for user in users]) as crowd:
            coming = await steady(stage, http, offers, rate, seconds)
            await crowd.has_come()
            # Let the server answer the remaining handshakes, which were measured above.
            await asyncio.sleep(SETTLE_S)
            beside = await steady(stage, http, offers, rate, seconds)
            during_mb = _memory_mb(stage)
        await asyncio.sleep(SETTLE_S)
    after_mb = _memory_mb(stage)
    for socket in honest:
        socket.close()
    return {
        "alone_p50_ms": alone.latencies.percentile_ms(50),
        "alone_p99_ms": alone.latencies.percentile_ms(99),
        "coming_p99_ms": coming.latencies.percentile_ms(99),
        "p50_ms": beside.latencies.percentile_ms(50),
        "p99_ms": beside.latencies.percentile_ms(99),
        "p99_ratio": beside.latencies.percentile_ms(99) / alone.latencies.percentile_ms(99),
        "alone_cpu_share": alone.usage.server_cpu_s / alone.elapsed_s * 100,
        "cpu_share": beside.usage.server_cpu_s / beside.elapsed_s * 100,
        "before_mb": before_mb,
        "during_mb": during_mb,
        "after_mb": after_mb,
        "honest_cut": sum(socket.is_lost for socket in honest),
        "lost": alone.lost + coming.lost + beside.lost,
        "repeated": offers.repeated,
        "failed": alone.failed + coming.failed + beside.failed,
        "load_share": max(alone.usage.load_share, beside.usage.load_share),
        **crowd.figures,
    }


class _Crowd:
    """A process of hostile sockets."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.figures: Figures = {}

    async def ask(self, line: bytes) -> None:
        """Send the process a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()

    async def line(self) -> bytes:
        """The next line that the process prints."""
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    async def has_come(self) -> None:
        """Return when every socket has tried to connect."""
        await self.line()


@asynccontextmanager
async def _crowd(port: int, tokens: list[str]) -> AsyncGenerator[_Crowd]:
    """Hostile sockets that are about to connect. Their results are in the figures afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.hostile_crowd",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    crowd = _Crowd(process)
    try:
        await crowd.ask(orjson.dumps({"port": port, "tokens": tokens, "sockets": len(tokens) * SOCKETS_A_USER}))
        yield crowd
        await crowd.ask(b"leave")
        result = orjson.loads(await crowd.line())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    crowd.figures["hostile_open"] = result["open"]
    ended: Counter[str] = Counter()
    for kind, codes in result["ended"].items():
        print(f"  {kind}: " + ", ".join(f"{count} x {code}" for code, count in sorted(codes.items())))
        ended.update(codes)
    for code, count in ended.items():
        crowd.figures[f"ended_{code}"] = count


def _memory_mb(stage: Stage) -> float:
    return stage.server.process.memory_info().rss / 1024 / 1024
