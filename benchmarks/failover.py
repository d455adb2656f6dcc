"""How long changes pause while PostgreSQL fails over, and whether any is lost: ``python -m benchmarks.failover``.

Two servers use a PostgreSQL with a synchronous standby (from the wheel, without fsync). Riders request trips at a
steady rate and drivers follow the pool at both servers. The primary is killed, or frozen, or goes on beside its
standby, which is promoted immediately: how soon an operator or Patroni notices a failure is no part of the pause.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
import uvloop

from application.settings import load_settings
from benchmarks import cores, operations
from benchmarks.http_client import HttpClient, HttpFailed, check, request
from benchmarks.live_socket import open_socket
from benchmarks.offers import Offer, Offers
from benchmarks.people import People, Person
from benchmarks.site import Site
from services.runtime import logs
from tests.support import servers
from tests.support.replication import Pair, replicated

PROCESSES = 2
LOST_AFTER_S = 15.0


class Fault(StrEnum):
    """What happens to the primary."""

    KILLED = "killed"
    FROZEN = "frozen"
    RUNNING = "running"


@dataclass
class Load:
    """Requests, each of which every driver has to see.

    ``answered``: the offer, the trip's id, and when its answer came.
    """

    offers: Offers
    answered: list[tuple[Offer, str, float]] = field(default_factory=list)
    slowest_s: float = 0.0
    failed: int = 0

    async def run(
        self, clients: Sequence[HttpClient], riders: Sequence[Person], rate: float, stopping: asyncio.Event
    ) -> None:
        """Request trips until it is to stop; ends when all requests have been answered, or have failed."""
        async with asyncio.TaskGroup() as group:
            while not stopping.is_set():
                offer = self.offers.new()
                client = clients[offer.number % len(clients)]
                group.create_task(self._request(client, riders[offer.number % len(riders)], offer))
                await asyncio.sleep(1 / rate)

    async def _request(self, client: HttpClient, rider: Person, offer: Offer) -> None:
        offer.sent_s = time.perf_counter()
        body = operations.create_trip(operations.marked_address(offer.number))
        try:
            payload = check(await client.post(request(rider.token, body)))
        except (HttpFailed, OSError):
            self.failed += 1
        else:
            self.answered.append((offer, payload["trip"]["id"], time.perf_counter()))
        self.slowest_s = max(self.slowest_s, time.perf_counter() - offer.sent_s)


async def _measure(
    pair: Pair, redis_url: str, folder: Path, fault: Fault, sockets: int, rate: float, seconds: float
) -> bool:
    site = Site(pair.database_url, redis_url, folder)
    people = People(load_settings(database_url=pair.database_url, redis_url=redis_url))
    await people.arrive(riders=20, drivers=sockets, reporters=0, cruisers=0, crowd=0)
    offers = Offers(sockets)
    load = Load(offers)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(people.leave)
        running = await stack.enter_async_context(site.processes(PROCESSES))
        for number, driver in enumerate(people.drivers):
            port = running[number % PROCESSES].port

            def on_message(message: bytes, number: int = number) -> None:
                offers.receive(number, message)

            await open_socket(port, driver.token, [operations.follow_pool()], on_message, on_message)
        clients = [await stack.enter_async_context(HttpClient(server.port)) for server in running]
        stopping = asyncio.Event()
        loading = asyncio.create_task(load.run(clients, people.riders, rate, stopping))
        await asyncio.sleep(seconds)
        await asyncio.to_thread(_break, pair, fault)
        began_s = time.perf_counter()
        await asyncio.to_thread(pair.standby.promote)
        promotion_s = time.perf_counter() - began_s
        await asyncio.sleep(LOST_AFTER_S)
        stopping.set()
        await loading
        answered = [offer for offer, _, _ in load.answered]
        are_received = await offers.all_received(answered, within_s=LOST_AFTER_S)
        if fault is Fault.FROZEN:
            pair.primary.thaw()
    connection = await asyncpg.connect(pair.at(pair.standby))
    found = {row["id"] for row in await connection.fetch("SELECT id::text FROM trips")}
    await connection.close()
    lost = sum(trip_id not in found for _, trip_id, _ in load.answered)
    times_s = sorted(at for _, _, at in load.answered)
    pause_s = max(later - earlier for earlier, later in pairwise(times_s))
    missing = sum(offer.left for offer in answered)
    print(
        f"{fault}: promoted in {promotion_s:.1f} s, no change answered for {pause_s:.1f} s; "
        f"{load.failed} requests failed, the slowest took {load.slowest_s:.1f} s; {lost} of {len(answered):,} "
        f"answered changes lost, {missing} of {len(answered) * sockets:,} receipts missing",
        flush=True,
    )
    return not lost and are_received


def _break(pair: Pair, fault: Fault) -> None:
    if fault is Fault.KILLED:
        pair.primary.kill()
    elif fault is Fault.FROZEN:
        pair.primary.freeze()


def main(
    only: Annotated[list[Fault] | None, typer.Option(help="Only this; may be given again.")] = None,
    sockets: Annotated[int, typer.Option(min=1, help="Drivers that follow the pool.")] = 100,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long the load runs before the failure.")] = 3,
) -> None:
    """Print, for each fault, how long changes pause, and what was lost."""
    cores.pin(os.getpid(), cores.LOAD_CORE)
    # As a server's: the pool of the load would tell each attempt to connect to the server that has failed.
    logs.configure(level="warning", format="console")
    is_right = True
    for fault in only or Fault:
        with (
            tempfile.TemporaryDirectory() as folder,
            servers.redis() as redis_url,
            replicated() as pair,
        ):
            measuring = _measure(pair, redis_url, Path(folder), fault, sockets, rate, seconds)
            is_right = uvloop.run(measuring) and is_right
    raise typer.Exit(0 if is_right else 1)


if __name__ == "__main__":
    typer.run(main)
