"""PostgreSQL fails over under load: no answered change is lost, no server restarts, and all are live again soon.

``uv run pytest tests/live/test_failover.py --long-faults`` lets the load run for 20 s, with 10 seeds.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio

from tests.live.faults.stage import Stage, ground, stage
from tests.support.processes import ServerProcess
from tests.support.replication import Node, Pair, replicated
from tests.support.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

# A second or two, unless the machine has much else to do.


@dataclass
class Scene:
    """The object of a failover test."""

    running: Stage
    pair: Pair
    pids: list[int]

    async def noticed(self, at: Node) -> None:
        """Return when every server has noticed that another primary still accepts writes, and shows what is at the
        new one.

        Until then, one that has not noticed shows the state of the former primary, which is older.
        """
        for server in self.running.servers:
            await until(partial(tells_of_one, server))
        await self.running.truth.move(self.pair.at(at))
        await until(self.shows_the_truth)
        for checker in self.running.checkers:
            checker.forgive()

    async def shows_the_truth(self) -> bool:
        """Whether all checkers show the state of the database."""
        trips = await self.running.truth.trips()
        return not any(checker.differences(trips) for checker in self.running.checkers)

    async def holds(self, at: Node) -> None:
        """Fail unless everything is right on the server that is the primary now."""
        await self.running.truth.move(self.pair.at(at))
        await self.running.settled()
        lost = self.running.load.acknowledged - await self.running.truth.changes()
        assert not lost, f"answered, and lost: {sorted(lost)[:10]} and {len(lost)} in all"
        assert at.execute("SELECT pg_is_in_recovery()") == "f"
        await self.running.works_again()
        lost = self.running.load.acknowledged - await self.running.truth.changes()
        assert not lost, f"answered after the failover, and not written there: {sorted(lost)[:10]}"
        assert [server.pid for server in self.running.servers] == self.pids
        for server in self.running.servers:
            await server.ready()

    async def is_not_written(self, former: Node) -> None:
        """Fail if a server writes there, or does not tell that others could."""
        # It still waits for its standby with what was to be written last; those who asked are gone.
        await asyncio.to_thread(former.execute, "ALTER SYSTEM SET synchronous_standby_names = ''")
        await asyncio.to_thread(former.execute, "SELECT pg_reload_conf()")
        database = self.pair.at(former)
        await until(partial(is_idle, database))
        before = await changes_in(database)
        await self.running.works_again()
        assert await changes_in(database) == before
        for server in self.running.servers:
            await until(partial(tells_of_one, server))


async def is_idle(database_url: str) -> bool:
    """Whether no server waits for a statement there."""
    return not await count(
        database_url, "pg_stat_activity WHERE application_name = 'taxirank' AND state = 'active'"
    )


async def changes_in(database_url: str) -> int:
    """How many changes a database has."""
    return await count(database_url, "trip_changes")


async def count(database_url: str, table: str) -> int:
    """The number of rows."""
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


async def tells_of_one(server: ServerProcess) -> bool:
    """Whether the metrics and the log of a server name a former primary that accepts writes."""
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as http:
        metrics = (await http.get("/metrics")).text
    is_told = "a former primary still accepts writes" in server.log()
    return is_told and "taxirank_former_primaries 1.0" in metrics


@pytest_asyncio.fixture(loop_scope="module")
async def scene(tmp_path: Path, seed: int) -> AsyncIterator[Scene]:
    with replicated() as pair:
        async with ground(pair.database_url, tmp_path) as standing, stage(standing, seed) as running:
            yield Scene(running, pair, [server.pid for server in running.servers])


async def test_the_primary_killed_and_its_standby_promoted(scene: Scene, outage_s: float) -> None:
    """The former primary comes back as a standby."""
    running, primary, standby = scene.running, scene.pair.primary, scene.pair.standby
    async with running.load.running():
        await asyncio.sleep(outage_s / 2)
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.promote)
        await running.changes_again()
        await asyncio.to_thread(primary.rejoin, standby)
        await asyncio.sleep(outage_s / 2)
    assert primary.execute("SELECT pg_is_in_recovery()") == "t"
    await scene.holds(standby)


async def test_the_primary_frozen_and_its_standby_promoted(scene: Scene, outage_s: float) -> None:
    """No connection breaks: all wait for an answer. The former primary comes back as a primary."""
    running, primary, standby = scene.running, scene.pair.primary, scene.pair.standby
    async with running.load.running():
        await asyncio.sleep(outage_s / 2)
        await asyncio.to_thread(primary.freeze)
        await asyncio.to_thread(standby.promote)
        await running.changes_again()
        await asyncio.to_thread(primary.thaw)
        await asyncio.sleep(outage_s / 2)
    await scene.holds(standby)
    await scene.is_not_written(primary)


async def test_a_standby_promoted_beside_a_primary_that_nobody_has_shut_off(scene: Scene, outage_s: float) -> None:
    running, primary, standby = scene.running, scene.pair.primary, scene.pair.standby
    async with running.load.running():
        await asyncio.sleep(outage_s / 2)
        await asyncio.to_thread(standby.promote)
        await running.changes_again()
        await asyncio.sleep(outage_s / 2)
    await scene.noticed(standby)
    await scene.holds(standby)
    await scene.is_not_written(primary)
