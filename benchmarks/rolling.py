"""A rolling deploy of two servers behind a load balancer, under load: ``python -m benchmarks.rolling --help``.

HAProxy asks each server for ``/readyz``; nginx, which only notices failures, comes with the tests. Both run the
files of ``deploy/``, without TLS.
"""

import asyncio
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop
from picows import WSError

from application.settings import load_settings
from benchmarks import cores, operations
from benchmarks.http_client import HttpClient, HttpFailed, check, request
from benchmarks.latencies import Latencies
from benchmarks.live_socket import LiveSocket, SocketFailed, open_socket
from benchmarks.offers import Offers
from benchmarks.people import People, Person
from benchmarks.target import TAXIRANK, running
from tests.support import haproxy, nginx, servers
from tests.support.brokers import free_port

# Longer than two checks of HAProxy.
DELAY_S = 4
# As in docs/deployment.md.
DRAIN_S = 20
TRIPS_PER_S = 2
QUERIES_PER_S = 40
# How long clients wait before they connect again.
JITTER_S = 1.0
LOST_AFTER_S = 15.0


class Balancer(StrEnum):
    """The load balancers."""

    HAPROXY = "haproxy"
    NGINX = "nginx"


@contextmanager
def balancing(balancer: Balancer, folder: Path, ports: tuple[int, int]) -> Generator[int]:
    """A load balancer in front of the two ports; its own port."""
    port, proxy = free_port(), haproxy if balancer is Balancer.HAPROXY else nginx
    if proxy.program() is None:
        raise typer.BadParameter(f"{balancer} is not installed")
    addresses = [f"127.0.0.1:{each}" for each in ports]
    command = proxy.command(folder, servers=addresses, port=port, plain_port=free_port(), certificate=None)
    with started(command, port):
        yield port


@contextmanager
def started(command: Sequence[str], port: int) -> Generator[None]:
    """A load balancer that listens on that port."""
    process = subprocess.Popen(command)
    cores.pin(process.pid, cores.LOAD_CORE)
    try:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@dataclass
class Load:
    """What the clients behind the balancer do, and what they see.

    ``answers_s``: for each answered query when it was sent and how long it took.
    """

    port: int
    sockets: int
    offers: Offers
    answers_s: list[tuple[float, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    connected: int = 0
    all_connected: asyncio.Event = field(default_factory=asyncio.Event)
    refused: Counter[str] = field(default_factory=Counter[str])

    async def watch(self, number: int, driver: Person) -> None:
        """Follow the pool, and connect again whenever the socket is lost."""
        while True:
            try:
                socket = await self._open(number, driver)
                self.connected += 1
                if self.connected == self.sockets:
                    self.all_connected.set()
                await socket.lost.wait()
            except (OSError, SocketFailed, WSError) as failure:
                self.refused[str(failure)[:80]] += 1
            await asyncio.sleep(random.random() * JITTER_S)

    async def _open(self, number: int, driver: Person) -> LiveSocket:
        def on_message(message: bytes) -> None:
            self.offers.receive(number, message)

        def on_snapshot(message: bytes) -> None:
            (snapshot,) = orjson.loads(message)["payload"]["data"].values()
            for trip in snapshot["offers"]:
                on_message(trip["pickUpAddress"].encode())

        return await open_socket(self.port, driver.token, [operations.follow_pool()], on_message, on_snapshot)

    async def ask(self, http: HttpClient, rider: Person) -> None:
        """Query again and again, at the rate of all queries."""
        data = request(rider.token, operations.trips())
        while True:
            asyncio.create_task(self._ask(http, data))  # noqa: RUF006
            await asyncio.sleep(1 / QUERIES_PER_S)

    async def _ask(self, http: HttpClient, data: bytes) -> None:
        sent_s = time.perf_counter()
        try:
            check(await http.post(data))
            self.answers_s.append((sent_s, time.perf_counter() - sent_s))
        except (HttpFailed, OSError) as failure:
            self.failures.append(f"query: {failure}")

    async def order(self, http: HttpClient, riders: Sequence[Person]) -> None:
        """Request trips, which every driver has to see."""
        while True:
            offer = self.offers.new()
            offer.sent_s = time.perf_counter()
            body = operations.create_trip(operations.marked_address(offer.number))
            try:
                check(await http.post(request(riders[offer.number % len(riders)].token, body)))
            except (HttpFailed, OSError) as failure:
                self.failures.append(f"createTrip: {failure}")
            await asyncio.sleep(1 / TRIPS_PER_S)

    def percentile_ms(self, percent: float, begin_s: float, end_s: float) -> float:
        """Of the queries that were sent in this time."""
        return Latencies(took for sent, took in self.answers_s if begin_s <= sent < end_s).percentile_ms(percent)


def main(
    balancer: Annotated[Balancer, typer.Argument(help="The load balancer; HAProxy has to be installed.")],
    sockets: Annotated[int, typer.Option(min=2, help="Drivers that follow the pool.")] = 1000,
    seconds: Annotated[
        # The balancer has to see a new server.
        float, typer.Option(min=3, help="How long is measured before, between and after the two replacements.")
    ] = 10,
    drain_s: Annotated[
        float, typer.Option(min=0, help="In which time a server sends its sockets away.")
    ] = DRAIN_S,
) -> None:
    """Replace both servers one after another; print what the clients saw.

    Both servers share one core, also while one starts; the balancer, PostgreSQL, Redis and the clients another.
    """
    cores.pin(0, cores.LOAD_CORE)
    with (
        tempfile.TemporaryDirectory() as name,
        servers.postgres(Path(name)) as postgres,
        servers.redis() as redis_url,
    ):
        # nginx' workers may run as another user.
        Path(name).chmod(0o755)
        at = Path(name), postgres.copy(), redis_url
        failed = uvloop.run(_measure(balancer, *at, sockets=sockets, seconds=seconds, drain_s=drain_s))
    raise typer.Exit(1 if failed else 0)


async def _measure(
    balancer: Balancer,
    folder: Path,
    database_url: str,
    redis_url: str,
    *,
    sockets: int,
    seconds: float,
    drain_s: float,
) -> bool:
    environment = {
        "TAXIRANK_DATABASE_URL": database_url,
        "TAXIRANK_REDIS_URL": redis_url,
        "TAXIRANK_MEDIA_URL": str(folder / "media"),
        "TAXIRANK_DRAIN_DELAY_S": str(DELAY_S),
        "TAXIRANK_DRAIN_S": str(drain_s),
        "TAXIRANK_REQUEST_TTL_S": "86400",
        "TAXIRANK_TRIP_RATE": "off",
        "TAXIRANK_OPEN_TRIPS_PER_RIDER": "off",
        "TAXIRANK_TRUSTED_PROXIES": "127.0.0.1",
        "TAXIRANK_BUILD_PAGES": "false",
    }
    people = People(load_settings(database_url=database_url, redis_url=redis_url))
    await people.arrive(riders=20, drivers=sockets, reporters=0, cruisers=0, crowd=0)
    ports = (free_port(), free_port())

    async def start(stack: AsyncExitStack, port: int) -> None:
        log = folder / "servers.log"
        server = running(
            TAXIRANK, environment=environment, sizes=None, log=log, port=port, drain_s=DELAY_S + drain_s
        )
        await stack.enter_async_context(server)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(people.leave)
        stacks = [await stack.enter_async_context(AsyncExitStack()) for _ in ports]
        for each, port in zip(stacks, ports, strict=True):
            await start(each, port)
        load = Load(stack.enter_context(balancing(balancer, folder, ports)), sockets, Offers(sockets))
        http = await stack.enter_async_context(HttpClient(load.port))
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(load.watch(n, d)) for n, d in enumerate(people.drivers)]
            await load.all_connected.wait()
            print(f"{sockets} sockets behind {balancer}, {load.refused.total()} attempts failed", flush=True)
            asking = [
                group.create_task(load.ask(http, people.riders[0])),
                group.create_task(load.order(http, people.riders)),
            ]
            marks_s = [time.perf_counter()]

            async def passed() -> None:
                await asyncio.sleep(seconds)
                marks_s.append(time.perf_counter())

            await passed()
            for each, port in zip(stacks, ports, strict=True):
                await each.aclose()
                marks_s.append(time.perf_counter())
                await start(each, port)
                marks_s.append(time.perf_counter())
                await passed()
            for task in asking:
                task.cancel()
            made = load.offers.all
            are_complete = await load.offers.all_received(made, within_s=LOST_AFTER_S)
            for task in watching:
                task.cancel()
        _show(load, marks_s)
        lost = sum(offer.left for offer in made)
        print(
            f"{load.connected - sockets} sockets came back, {load.refused.total()} attempts failed; "
            f"{len(made)} trips, {lost} of {len(made) * sockets:,} receipts missing; "
            f"{len(load.answers_s)} queries answered; {len(load.failures)} requests failed"
        )
        for reason, times in load.refused.most_common(5):
            print(f"{times} attempts: {reason}")
        for failure in load.failures[:10]:
            print(failure)
        return bool(load.failures) or not are_complete


def _show(load: Load, marks_s: Sequence[float]) -> None:
    starts = "another starts"
    names = ("before", "the first stops", starts, "all at the second", "the second stops", starts, "after")
    for name, (begin_s, end_s) in zip(names, pairwise(marks_s), strict=True):
        p50, p99 = (load.percentile_ms(percent, begin_s, end_s) for percent in (50, 99))
        print(f"{name}: {end_s - begin_s:.0f} s, queries p50 {p50:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        typer.run(main)
