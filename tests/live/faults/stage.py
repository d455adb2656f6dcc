"""Two servers with their database and broker, people who use them, and clients that check both."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.live.faults.cruise import AreaView, Cruise
from tests.live.faults.load import CENTER, Load, Person, people
from tests.support.brokers import Broker, broker
from tests.support.checking_clients import CheckingClient, MyTripsView, PoolView, TripView, Truth, View
from tests.support.globe import destination
from tests.support.processes import ServerProcess, server_process
from tests.support.waiting import PATIENCE_S, until

SERVERS = 2
RIDERS, DRIVERS, CRUISING = 3, 3, 2
# The distance of their homes from the centre: their surroundings overlap.
HOME_M = 2_000.0
WATCHED_A_RIDER = 8
# Requests expire under the faults too.
REQUEST_TTL_S = 5


@dataclass
class Ground:
    """Two servers on one database and one broker, and people with a session at both.

    ``own_broker``: None if the test has given the servers another Redis.
    """

    servers: Sequence[ServerProcess]
    own_broker: Broker | None
    truth: Truth
    people: Sequence[Person]


@dataclass
class Stage:
    """The object of a fault test."""

    settles_within_s: ClassVar = PATIENCE_S
    """Less in a run with ``--long-faults``, which has the machine for itself."""
    servers: Sequence[ServerProcess]
    own_broker: Broker | None
    truth: Truth
    load: Load
    rng: random.Random
    checkers: list[CheckingClient] = field(default_factory=list)

    @property
    def broker(self) -> Broker:
        """The broker of both servers."""
        assert self.own_broker is not None, "the test has its own"
        return self.own_broker

    @property
    def urls(self) -> list[str]:
        """The URLs of the servers."""
        return [server.url for server in self.servers]

    def checker(
        self, person: Person, at: int, *extra: PoolView, receive_buffer_bytes: int | None = None
    ) -> CheckingClient:
        """Let a person watch everything of theirs, first at the server with that number."""
        is_driver = person.home.user["role"] == "DRIVER"
        pool = [PoolView(person.id)] if is_driver else []
        return self.watch(
            person, at, MyTripsView(person.id), *pool, *extra, receive_buffer_bytes=receive_buffer_bytes
        )

    def watch(
        self, person: Person, at: int, *views: View, receive_buffer_bytes: int | None = None
    ) -> CheckingClient:
        """Let a person watch something, first at the server with that number."""
        urls = self.urls[at:] + self.urls[:at]
        checker = CheckingClient(person.home, urls, *views, rng=self.rng)
        checker.receive_buffer_bytes = receive_buffer_bytes
        self.checkers.append(checker)
        checker.start()
        return checker

    async def settled(
        self, within_s: float | None = None, checkers: Sequence[CheckingClient] | None = None
    ) -> float:
        """Return, with the duration, when every checker shows the state of the database.

        Raises:
            AssertionError: they do not in time, or a guarantee was broken in the meantime.
        """
        began, watching = time.monotonic(), self.checkers if checkers is None else checkers
        within_s = within_s or self.settles_within_s
        found: list[str] = []

        async def all_show_it() -> bool:
            trips = await self.truth.trips()
            found[:] = [difference for checker in watching for difference in checker.differences(trips)]
            await asyncio.sleep(0.01)
            return not found

        try:
            await until(all_show_it, within_s)
        except TimeoutError:
            raise AssertionError(f"not settled after {within_s} s: {found[:10]} and {len(found)} in all") from None
        finally:
            self.check()
        return time.monotonic() - began

    def check(self) -> None:
        """Fail if a checker saw a broken guarantee."""
        broken = [fault for checker in self.checkers for fault in checker.broken_promises()]
        assert not broken, broken[:10]

    async def changes_again(self) -> None:
        """Return when the load that is running has made changes again."""
        wanted = self.load.done.total() + 10
        await until(lambda: self.load.done.total() >= wanted)

    async def works_again(self) -> None:
        """Fail unless events travel as before: a little more load, and all checkers receive it soon."""
        async with self.load.running():
            await asyncio.sleep(0.3)
        await self.settled()


@asynccontextmanager
async def ground(database_url: str, media: Path, *redis_urls: str) -> AsyncGenerator[Ground]:
    """Everything is running, without people. ``redis_urls``: the Redis of each server; otherwise one broker."""
    async with AsyncExitStack() as stack:
        own_broker = None if redis_urls else await stack.enter_async_context(broker())
        urls = [own_broker.url] * SERVERS if own_broker is not None else redis_urls
        settings = {
            "database_url": database_url,
            "redis_prefix": "faults",
            "media_url": media,
            "password_hash_memory_kib": 1024,
            "database_pool_size": 5,
            "request_ttl_s": REQUEST_TTL_S,
            "shutdown_timeout_s": 3,
            # One test has few people watch from many sockets.
            "max_sockets_per_user": 200,
            "max_pools_per_user": 200,
        }
        servers = [await stack.enter_async_context(server_process(**settings, redis_url=url)) for url in urls]
        for server in servers:
            await server.ready()
        roles = ["RIDER"] * RIDERS + ["DRIVER"] * (DRIVERS + CRUISING)
        everybody = await stack.enter_async_context(people([server.url for server in servers], roles))
        truth = Truth(database_url)
        stack.push_async_callback(truth.close)
        yield Ground(servers, own_broker, truth, everybody)


@asynccontextmanager
async def stage(ground: Ground, seed: int) -> AsyncGenerator[Stage]:
    """New checkers of everybody on both servers, settled, before the load begins."""
    rng = random.Random(seed)
    await ground.truth.forget_ended()
    for person in ground.people:
        person.rng = random.Random(rng.random())
    riding, driving, cruising = (
        ground.people[:RIDERS],
        ground.people[RIDERS : RIDERS + DRIVERS],
        ground.people[RIDERS + DRIVERS :],
    )
    load = Load(riding, driving)
    running = Stage(ground.servers, ground.own_broker, ground.truth, load, rng)
    watching = {person.id: [running.checker(person, at) for at in range(2)] for person in (*riding, *driving)}
    cruises = [
        Cruise(person, destination(CENTER, 360 * number / CRUISING, HOME_M))
        for number, person in enumerate(cruising)
    ]
    for cruise in cruises:
        await cruise.start()
        for at in range(2):
            running.watch(cruise.person, at, AreaView(cruise))

    async def watch_it(rider: Person, trip_id: str) -> None:
        for checker in watching[rider.id]:
            if sum(isinstance(v, TripView) and not v.is_complete for v in checker.views) < WATCHED_A_RIDER:
                await checker.watch(TripView(trip_id, rider.id))

    load.on_request = watch_it
    try:
        await running.settled(PATIENCE_S)
        yield running
    finally:
        await asyncio.gather(*(cruise.stop() for cruise in cruises))
        await asyncio.gather(*(checker.stop() for checker in running.checkers))
