"""Faults under load, with real processes: nothing is lost, and all clients show the current state soon.

``uv run pytest tests/live/test_faults.py --long-faults`` makes the outages 20 s long, with 10 seeds each, and the
state must be shown within 3 s.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from schema.transport.send_queue import SEND_TIMEOUT_S
from tests.live.faults.stage import Ground, Stage, ground, stage
from tests.support import servers
from tests.support.api import POOL
from tests.support.checking_clients import PoolView
from tests.support.processes import ServerProcess
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S, until

# One loop for all: the servers start once for all faults that they survive.
pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

# With more, three heartbeats are missed, and the link counts as lost.
HALF_OPEN_S = 4.5
UNNOTICED_S = 2.0
# The size of an event: a few seconds of them fill every buffer on the way.
LARGE_POOL = POOL.replace("pickUpAddress", " ".join(f"a{n}: pickUpAddress" for n in range(20)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Servers for the faults that they survive."""
    async with ground(postgres.copy(), tmp_path_factory.mktemp("faults")) as standing:
        yield standing


@pytest_asyncio.fixture(loop_scope="module")
async def running(lasting: Ground, seed: int) -> AsyncIterator[Stage]:
    async with stage(lasting, seed) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def passing(postgres: Postgres, tmp_path: Path, seed: int) -> AsyncIterator[Stage]:
    """Servers for one test, which ends them."""
    async with ground(postgres.copy(), tmp_path) as standing, stage(standing, seed) as running:
        yield running


async def test_redis_restarted(running: Stage) -> None:
    async with running.load.running():
        await asyncio.sleep(0.5)
        await running.broker.restart()
    await running.settled()
    await running.works_again()


async def test_redis_gone_for_a_while(running: Stage, outage_s: float) -> None:
    async with running.load.running():
        await asyncio.sleep(0.5)
        await running.broker.stop()
        await asyncio.sleep(outage_s)
        # The servers work without Redis.
        await running.changes_again()
        await running.broker.start()
    await running.settled()
    await running.works_again()


async def test_the_listening_links_cut_again_and_again(running: Stage, outage_s: float) -> None:
    """Events that are published while nobody listens are lost without a note: only the resync brings them."""
    async with running.load.running(), running.broker.client() as client:
        for _ in range(int(outage_s * 4)):
            await client.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.25 * running.rng.uniform(0.5, 1.5))
    await running.settled()
    await running.works_again()


@pytest.mark.parametrize("frozen_s", [UNNOTICED_S, HALF_OPEN_S])
async def test_redis_frozen(running: Stage, outage_s: float, frozen_s: float) -> None:
    async with running.load.running():
        await asyncio.sleep(0.5)
        running.broker.freeze()
        await asyncio.sleep(max(frozen_s, outage_s) if frozen_s == HALF_OPEN_S else frozen_s)
        # The servers work while Redis hangs.
        await running.changes_again()
        running.broker.thaw()
    await running.settled()
    await running.works_again()


async def test_the_committing_process_killed_before_it_published(passing: Stage) -> None:
    async with passing.load.running():
        await asyncio.sleep(0.5)
    await passing.settled()
    killed, survivor = passing.servers
    # These cannot heal by a reconnect: the survivor's sweep finds their events.
    stayed = [checker for checker in passing.checkers if checker.url == survivor.url]
    passing.broker.freeze()
    rider = next(api for api in passing.load.riders[0].apis if api.url == killed.url)
    trips = [await rider.create_trip() for _ in range(5)]
    await rider.update_trip(trips[0]["id"], "CANCELLED")
    killed.kill()
    await asyncio.sleep(UNNOTICED_S)
    assert await passing.truth.unpublished() >= 6
    passing.broker.thaw()
    await passing.settled()
    assert not any(checker.close_codes for checker in stayed)
    await passing.works_again()


async def test_postgresql_restarted(tmp_path: Path, seed: int, outage_s: float) -> None:
    with servers.own_postgres() as postgres:
        database_url = postgres.copy()
        async with ground(database_url, tmp_path) as standing, stage(standing, seed) as running:
            async with running.load.running():
                await asyncio.sleep(0.5)
                await postgres.stop()
                await asyncio.sleep(outage_s)
                await postgres.start()
            await running.settled()
            await running.works_again()


async def test_a_server_stopped_while_its_clients_go_to_the_other(passing: Stage) -> None:
    stopped = passing.servers[0]
    async with passing.load.running():
        await asyncio.sleep(0.5)
        assert await stopped.stop() == 0
    await passing.settled()
    codes = {code for checker in passing.checkers for code in checker.close_codes}
    assert codes == {1012}, codes
    await passing.works_again()


async def test_a_client_that_never_reads_among_many_that_do(running: Stage, outage_s: float) -> None:
    drivers = running.load.drivers
    if outage_s > 2:
        # So that 200 clients in one test process, each receiving every change, keep up with the servers.
        running.load.pause_s *= 6
    for number in range(200 if outage_s > 2 else 40):
        running.checker(drivers[number % len(drivers)], number % 2)
    readers = list(running.checkers)
    large = [PoolView(drivers[0].id, LARGE_POOL) for _ in range(45)]
    stuck = running.checker(drivers[0], 0, *large, receive_buffer_bytes=4096)
    await running.settled(PATIENCE_S)
    server = running.servers[0]
    loop = asyncio.get_running_loop()
    stuck.reads.clear()
    began = loop.time()
    async with running.load.running():
        await asyncio.sleep(outage_s)
        # Unread messages wait and are conflated; on a busy machine it takes longer until there are enough.
        await until(partial(has_conflated, server))
    await running.settled(checkers=readers)
    unread_s = loop.time() - began
    stuck.reads.set()
    await running.settled()
    # A client that reads nothing for 15 s is aborted; one that was only late is not.
    if unread_s > SEND_TIMEOUT_S:
        assert stuck.close_codes in ([1006], [])
        assert stuck.close_codes or outage_s < SEND_TIMEOUT_S
    else:
        assert stuck.close_codes == []
    assert not any(checker.close_codes for checker in readers)
    await running.works_again()


async def has_conflated(server: ServerProcess) -> bool:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    return any(float(line.split()[1]) > 0 for line in lines if line.startswith("taxirank_conflations_total "))
