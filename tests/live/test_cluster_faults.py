"""Faults of a Redis Cluster under load, with real processes: the guarantees and the witness of a single Redis.

``uv run pytest tests/live/test_cluster_faults.py --long-faults`` makes the outages 20 s long, with 10 seeds each.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
import pytest_asyncio
from redis.crc import key_slot

from services.events.topics import TAGS, Topics
from tests.live.faults.stage import SERVERS, Ground, Stage, ground, stage
from tests.support.redis_clusters import ClusterNode, RedisCluster, redis_cluster
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S, until

# One loop for all: the cluster and the servers start once.
pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

# A promotion takes the node's time-out, the election, and the next attempt of the link.
TOPICS = Topics("faults", is_cluster=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting_cluster() -> AsyncIterator[RedisCluster]:
    async with redis_cluster() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(
    postgres: Postgres, lasting_cluster: RedisCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    urls = [lasting_cluster.url] * SERVERS
    async with ground(postgres.copy(), tmp_path_factory.mktemp("faults"), *urls) as standing:
        yield standing


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(lasting_cluster: RedisCluster) -> AsyncIterator[RedisCluster]:
    """Whole again when the next test begins."""
    yield lasting_cluster
    for node in lasting_cluster.nodes:
        node.thaw()
        if not node.is_running:
            await node.start()
    await until(lasting_cluster.is_whole)


@pytest_asyncio.fixture(loop_scope="module")
async def running(lasting: Ground, cluster: RedisCluster, seed: int) -> AsyncIterator[Stage]:
    async with stage(lasting, seed) as running:
        yield running


async def bus(running: Stage) -> list[str]:
    """What ``/readyz`` says of the bus at each server."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        return [(await http.get(f"{server.url}/readyz")).json()["bus"] for server in running.servers]


async def is_back(running: Stage) -> bool:
    return await bus(running) == ["ok", "ok"]


async def survives(running: Stage, fault: Callable[[], Awaitable[None]]) -> None:
    """The servers work during the fault, say that the bus is degraded, and are right soon after it is over."""
    async with running.load.running():
        await asyncio.sleep(0.5)
        await fault()
        await until(lambda: is_back(running))
        await running.changes_again()
    await running.settled()
    await running.works_again()


async def is_degraded(running: Stage) -> bool:
    """Whether both servers say so. A promotion may be over before the second one has noticed: hold it off."""
    return await bus(running) == ["degraded", "degraded"]


async def primary_of_the_pool(cluster: RedisCluster) -> ClusterNode:
    """The node with the topic that has most events."""
    return await cluster.owner(TOPICS.pool)


async def test_a_node_killed_and_its_replica_promoted(running: Stage, cluster: RedisCluster) -> None:
    killed = await primary_of_the_pool(cluster)

    async def kill() -> None:
        async with cluster.without_promotion(killed):
            await killed.kill()
            await until(lambda: is_degraded(running))

    await survives(running, kill)
    assert await primary_of_the_pool(cluster) is not killed


async def test_a_node_that_hangs(running: Stage, cluster: RedisCluster) -> None:
    frozen = await primary_of_the_pool(cluster)

    async def freeze() -> None:
        async with cluster.without_promotion(frozen):
            frozen.freeze()
            await until(lambda: is_degraded(running))

    await survives(running, freeze)
    frozen.thaw()
    await running.works_again()


async def test_a_replica_promoted_in_order(running: Stage, cluster: RedisCluster) -> None:
    async def promote() -> None:
        replica = await cluster.replica_of(await primary_of_the_pool(cluster))
        await replica.execute("CLUSTER", "FAILOVER")
        await until(replica.is_primary)

    await survives(running, promote)


async def test_slots_moved_to_another_node(running: Stage, cluster: RedisCluster, outage_s: float) -> None:
    async def move() -> None:
        for tag in TAGS[: 4 if outage_s <= 2 else 16]:
            slot = key_slot(tag.encode())
            target = await cluster.another_primary(await cluster.owner(f"{{{tag}}}"))
            # Long enough for many events and positions to meet it.
            await cluster.move(slot, target, in_between=asyncio.sleep(0.3))

    await survives(running, move)


async def test_the_servers_cut_off_from_one_node(running: Stage, cluster: RedisCluster, outage_s: float) -> None:
    """For the other nodes it works: nothing is promoted."""
    node = await primary_of_the_pool(cluster)

    async def cut() -> None:
        node.clients_door.close()
        await until(lambda: is_degraded(running))
        await asyncio.sleep(outage_s)
        assert await is_degraded(running)
        await node.clients_door.open()

    await survives(running, cut)
    assert await primary_of_the_pool(cluster) is node


async def test_a_node_cut_off_from_all(running: Stage, cluster: RedisCluster) -> None:
    """Its replica is promoted; when it comes back, it follows."""
    node = await primary_of_the_pool(cluster)

    async def cut() -> None:
        async with cluster.without_promotion(node):
            cluster.cut_off(node)
            await until(lambda: is_degraded(running))

    await survives(running, cut)
    await cluster.reconnect(node)
    await until(cluster.is_whole)
    assert not await node.is_primary()
    await running.works_again()


async def test_the_listening_links_cut_again_and_again(
    running: Stage, cluster: RedisCluster, outage_s: float
) -> None:
    async def cut() -> None:
        for _ in range(int(outage_s * 4)):
            for node in cluster.nodes:
                await node.execute("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.25 * running.rng.uniform(0.5, 1.5))

    await survives(running, cut)
