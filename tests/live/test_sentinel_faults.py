"""The fault suite on a Redis that sentinels watch: the same guarantees through each promotion.

``uv run pytest tests/live/test_sentinel_faults.py --long-faults`` makes the faults 20 s long, with 10 seeds each.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from tests.live.faults.stage import SERVERS, Ground, Stage, ground, stage
from tests.support.proxy import WebLink, web_link
from tests.support.sentinels import SERVICE, Watched, watched
from tests.support.servers import Postgres
from tests.support.waiting import PATIENCE_S, until

# One loop for all: the servers start once.
pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Standing:
    """Two servers on a Redis that sentinels watch. ``ways``: of each server to each of the sentinels."""

    ground: Ground
    redis: Watched
    ways: list[list[WebLink]]


@dataclass
class Scene:
    """The object of a fault test."""

    running: Stage
    redis: Watched
    ways: list[list[WebLink]]

    async def buses(self) -> list[str]:
        """What each server says of its bus."""
        return [await self._bus(server.url) for server in self.running.servers]

    async def _bus(self, url: str) -> str:
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as http:
            return (await http.get("/readyz")).json()["bus"]

    async def are_up(self) -> bool:
        """Whether each server is sure of its Redis."""
        return await self.buses() == ["ok"] * SERVERS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Standing]:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(watched())
        ways = [
            [await stack.enter_async_context(web_link(f"http://{each.place}")) for each in redis.sentinels]
            for _ in range(SERVERS)
        ]
        urls = [
            f"redis+sentinel://{','.join(way.url.removeprefix('http://') for way in of_one)}/{SERVICE}"
            for of_one in ways
        ]
        media = tmp_path_factory.mktemp("faults")
        yield Standing(
            await stack.enter_async_context(ground(postgres.copy(), media, *urls)), redis=redis, ways=ways
        )


@pytest_asyncio.fixture(loop_scope="module")
async def scene(standing: Standing, seed: int) -> AsyncIterator[Scene]:
    # The last test may have left a server that is not a replica yet, and if it failed, whatever it did.
    await standing.redis.mend()
    for way in itertools.chain(*standing.ways):
        if way.is_cut:
            await way.restore()
    await until(standing.redis.is_whole, 60.0)
    async with stage(standing.ground, seed) as running:
        scene = Scene(running, standing.redis, standing.ways)
        await until(scene.are_up)
        yield scene


async def test_a_replica_promoted_by_an_operator(scene: Scene, outage_s: float) -> None:
    """The former primary goes on for a while, as a primary."""
    running = scene.running
    async with running.load.running():
        await asyncio.sleep(0.5)
        await scene.redis.fail_over()
        await asyncio.sleep(outage_s / 2)
    await running.settled()
    await running.works_again()


async def test_the_primary_killed(scene: Scene, outage_s: float) -> None:
    running, former = scene.running, await scene.redis.primary()
    async with running.load.running():
        await asyncio.sleep(0.5)
        former.kill()
        await scene.redis.promoted(former)
        # The servers work also while they look for the new primary.
        await running.changes_again()
        await asyncio.sleep(outage_s / 2)
        # It comes back as a primary, and is demoted.
        await former.start()
        await asyncio.sleep(0.5)
    await running.settled()
    await until(scene.are_up)
    await running.works_again()


async def test_the_primary_frozen(scene: Scene, outage_s: float) -> None:
    running, former = scene.running, await scene.redis.primary()
    async with running.load.running():
        await asyncio.sleep(0.5)
        former.freeze()
        await scene.redis.promoted(former)
        await asyncio.sleep(outage_s / 2)
        former.thaw()
        await asyncio.sleep(0.5)
    await running.settled()
    await until(scene.are_up)
    await running.works_again()


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_a_promotion_with_one_sentinel_of_three_gone(scene: Scene, outage_s: float, fault: str) -> None:
    running, missing = scene.running, scene.redis.sentinels[2]
    async with running.load.running():
        await asyncio.sleep(0.5)
        if fault == "killed":
            missing.kill()
        else:
            missing.freeze()
        await scene.redis.fail_over()
        await asyncio.sleep(outage_s / 2)
    await running.settled()
    await until(scene.are_up)
    await running.works_again()
    if fault == "killed":
        await missing.start()
    else:
        missing.thaw()


async def test_one_server_cut_off_from_the_sentinels_during_a_promotion(scene: Scene, outage_s: float) -> None:
    """It stays on the former primary, which takes its events for a while; nobody else hears them."""
    running, cut = scene.running, scene.ways[1]
    async with running.load.running():
        await asyncio.sleep(0.5)
        for way in cut:
            await way.cut()
        await scene.redis.fail_over()
        await until(lambda: _equals(scene.buses(), ["ok", "degraded"]))
        await asyncio.sleep(outage_s)
        for way in cut:
            await way.restore()
        await until(scene.are_up)
    await running.settled()
    await running.works_again()


async def test_the_sentinels_gone_while_the_primary_stays(scene: Scene, outage_s: float) -> None:
    """Nothing is promoted then, but a server cannot know: the notes stay, and events travel."""
    running = scene.running
    async with running.load.running():
        await asyncio.sleep(0.5)
        for each in scene.redis.sentinels:
            each.freeze()
        await until(lambda: _equals(scene.buses(), ["degraded"] * SERVERS))
        await asyncio.sleep(outage_s / 2)
    await running.settled()
    assert await running.truth.unpublished() > 0
    for each in scene.redis.sentinels:
        each.thaw()
    await until(scene.are_up)
    await running.works_again()
    await until(lambda: _equals(running.truth.unpublished(), 0))


async def _equals(found: object, wanted: object) -> bool:
    return await found == wanted  # type: ignore[misc]
