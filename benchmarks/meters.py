"""What several servers, PostgreSQL and Redis have used."""

from collections.abc import Sequence
from typing import Any, cast

import asyncpg
import psutil
from redis.asyncio import Redis

from benchmarks.cores import cpu_s
from benchmarks.spent import Spent
from benchmarks.target import Running


class Meters:
    """Reads what all processes have used so far."""

    def __init__(
        self,
        processes: Sequence[Running],
        postmaster: int,
        database: asyncpg.Connection,
        redis: Redis,
    ) -> None:
        self._processes = processes
        self._postmaster = psutil.Process(postmaster)
        self._database = database
        self._redis = redis
        self.sent_bytes = self.received_bytes = 0

    async def read(self) -> Spent:
        """Since they began."""
        cpu, stats = await self._info("cpu"), await self._info("stats")
        wal: Any = await self._database.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        backends = [self._postmaster, *self._postmaster.children(recursive=True)]
        return Spent(
            sum(cpu_s(each.process) for each in self._processes) * 1000,
            sum(map(cpu_s, backends)) * 1000,
            (cpu["used_cpu_sys"] + cpu["used_cpu_user"]) * 1000,
            float(wal) / 1000,
            (stats["total_net_input_bytes"] + stats["total_net_output_bytes"]) / 1000,
            self.sent_bytes / 1000,
            self.received_bytes / 1000,
        )

    async def tidy_database(self) -> None:
        """Do now what PostgreSQL would do at some time, and pay then."""
        await self._database.execute("VACUUM ANALYZE")
        await self._database.execute("CHECKPOINT")

    def memory_mb(self) -> float:
        """Of all servers."""
        return sum(each.process.memory_info().rss for each in self._processes) / 1e6

    async def redis_memory_kb(self) -> float:
        """Of what Redis holds."""
        return (await self._info("memory"))["used_memory"] / 1000

    async def _info(self, section: str) -> dict[str, float]:
        return cast("dict[str, float]", await self._redis.info(section))
