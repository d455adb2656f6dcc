"""Three times as many requests as the server can answer: what happens to those it accepts, and afterwards."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks import operations
from benchmarks.http_client import HttpClient, HttpConnection, HttpFailed, check, request
from benchmarks.http_requests import CONNECTIONS, WARM_UP_S, closed_loop
from benchmarks.latencies import Latencies
from benchmarks.measures import Figures
from benchmarks.stage import Stage

TIMES = 3
# The length of the overload, and the shortest one: the time to begin to refuse is part of it.
OVERLOAD_S, QUICK_S = 15.0, 2.0
TICK_S = 0.005
PROBE_INTERVAL_S = 0.1
# The server gives memory back every ten seconds.
SETTLE_S, QUICK_SETTLE_S = 22.0, 1.0
# After an overload, an answer within this time is an ordinary one.
ORDINARY_S = 0.1
GIVE_UP_S = 60.0
PROBES = ("/readyz", "/metrics")


@dataclass(slots=True)
class _Answers:
    """What became of the requests."""

    accepted_s: list[float] = field(default_factory=list)
    refused: int = 0
    # Refused without Retry-After, cut, or failed in another way.
    failed: int = 0
    reasons: set[str] = field(default_factory=set)


async def overload(stage: Stage) -> Figures:
    """Measure a page of 20 trips at three times the sustainable rate, over kept and over new connections."""
    rider = stage.people.riders[0]
    await stage.people.add_page(rider, stage.people.drivers)
    data = request(rider.token, operations.trips())
    is_quick = stage.scale.seconds < 1
    async with HttpClient(stage.port) as http:
        await http.open(CONNECTIONS)
        check(await http.post(data))
        await closed_loop(http, lambda _: data, min(WARM_UP_S, stage.scale.seconds))
        begun_s = time.perf_counter()
        latencies_s, _ = await closed_loop(http, lambda _: data, stage.scale.seconds)
        rate = len(latencies_s) / (time.perf_counter() - begun_s)
    await asyncio.sleep(QUICK_SETTLE_S if is_quick else SETTLE_S)
    figures: Figures = {"rate_per_s": rate, "before_mb": _memory_mb(stage), "failed": 0.0}
    seconds = QUICK_S if is_quick else OVERLOAD_S
    for name, keeps in (("kept", True), ("new", False)):
        figures |= await _overloaded(stage, data, rate * TIMES, seconds, name, keeps=keeps, figures=figures)
    await asyncio.sleep(QUICK_SETTLE_S if is_quick else SETTLE_S)
    return figures | {"after_mb": _memory_mb(stage)}


async def _overloaded(
    stage: Stage, data: bytes, rate: float, seconds: float, name: str, *, keeps: bool, figures: Figures
) -> Figures:
    answers, probes_s = _Answers(), list[float]()
    client = _OpenLoop(stage.port, data, answers, keeps=keeps)
    meter = stage.meter()
    probing = [asyncio.create_task(_probe(stage.port, path, probes_s)) for path in PROBES]
    sent = await client.send(rate, seconds)
    usage = meter.read()
    during_mb = _memory_mb(stage)
    ended_s = time.perf_counter()
    await client.finish()
    recovery_s = await _ordinary_again(stage.port, data) - ended_s
    for task in probing:
        task.cancel()
    await asyncio.wait(probing)
    for reason in sorted(answers.reasons)[:5]:
        print(f"  {name}: {reason!r}")
    accepted = Latencies(answers.accepted_s)
    return {
        f"{name}_sent_per_s": sent / seconds,
        f"{name}_p50_ms": accepted.percentile_ms(50),
        f"{name}_p99_ms": accepted.percentile_ms(99),
        f"{name}_longest_ms": accepted.percentile_ms(100),
        f"{name}_accepted_per_s": len(answers.accepted_s) / seconds,
        f"{name}_shed_share": answers.refused / max(1, sent) * 100,
        f"{name}_probe_ms": max(probes_s, default=0.0) * 1000,
        f"{name}_recovery_ms": recovery_s * 1000,
        f"{name}_mb": during_mb,
        "failed": figures["failed"] + answers.failed,
        "load_share": max(figures.get("load_share", 0.0), usage.load_share),
    }


class _OpenLoop:
    """Sends at a rate, however long answers take: over connections that are free again, or each over its own."""

    def __init__(self, port: int, data: bytes, answers: _Answers, *, keeps: bool) -> None:
        self._port = port
        self._data = data
        self._answers = answers
        self._keeps = keeps
        self._idle: list[HttpConnection] = []
        self._asking: set[asyncio.Task[None]] = set()

    async def send(self, rate: float, seconds: float) -> int:
        """Send; returns how many were sent."""
        sent, began_s = 0, time.perf_counter()
        while (elapsed_s := time.perf_counter() - began_s) < seconds:
            while sent < elapsed_s * rate:
                # From when it should have been sent: a slow generator must not look like a fast server.
                task = asyncio.create_task(self._ask(began_s + sent / rate))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
                sent += 1
            await asyncio.sleep(TICK_S)
        return sent

    async def finish(self) -> None:
        """Return when everything is answered."""
        if self._asking:
            await asyncio.wait(self._asking, timeout=GIVE_UP_S)
        for connection in self._idle:
            connection.close()

    async def _ask(self, due_s: float) -> None:
        connection = None
        while self._idle and (connection is None or not connection.is_open):
            connection = self._idle.pop()
        try:
            if connection is None or not connection.is_open:
                connection = await connect(self._port)
            await connection.send(self._data)
            self._answers.accepted_s.append(time.perf_counter() - due_s)
        except HttpFailed as failed:
            if str(failed).startswith("HTTP/1.1 503") and "retry-after" in str(failed).lower():
                self._answers.refused += 1
            else:
                self._fail(str(failed))
        except OSError as error:
            self._fail(str(error))
        if connection is not None:
            if self._keeps:
                self._idle.append(connection)
            else:
                connection.close()

    def _fail(self, reason: str) -> None:
        self._answers.failed += 1
        self._answers.reasons.add(reason[:100])


async def connect(port: int) -> HttpConnection:
    """A new connection."""
    _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, "127.0.0.1", port)
    return connection


async def _timed(port: int, data: bytes) -> float:
    began_s = time.perf_counter()
    connection = await connect(port)
    try:
        await connection.send(data)
    finally:
        connection.close()
    return time.perf_counter() - began_s


async def _probe(port: int, path: str, durations_s: list[float]) -> None:
    """Ask a path again and again, each time over a new connection."""
    data = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    while True:
        durations_s.append(await _timed(port, data))
        await asyncio.sleep(PROBE_INTERVAL_S)


async def _ordinary_again(port: int, data: bytes) -> float:
    """When a request was answered in an ordinary time."""
    while True:
        with suppress(HttpFailed, OSError):
            if await _timed(port, data) < ORDINARY_S:
                return time.perf_counter()
        await asyncio.sleep(TICK_S)


def _memory_mb(stage: Stage) -> float:
    return stage.server.process.memory_info().rss / 1024 / 1024
