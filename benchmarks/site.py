"""Several servers on one database and one Redis."""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks.target import TAXIRANK, Running, running


class Site:
    """A database, a Redis, and where the servers write. All servers share one core; the rest is on another."""

    def __init__(self, database_url: str, redis_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.folder = folder

    @asynccontextmanager
    async def processes(self, number: int, **settings: str) -> AsyncGenerator[Sequence[Running]]:
        """That many servers on the same database and Redis; more ``settings`` by the names of their variables."""
        environment = {
            "TAXIRANK_DATABASE_URL": self.database_url,
            "TAXIRANK_REDIS_URL": self.redis_url,
            "TAXIRANK_REDIS_PREFIX": f"benchmark-{uuid.uuid4().hex[:8]}",
            "TAXIRANK_MEDIA_URL": str(self.folder / "media"),
            **{f"TAXIRANK_{rate}_RATE": "off" for rate in ("LOCATION", "TRIP", "SUBSCRIBE")},
            "TAXIRANK_OPEN_TRIPS_PER_RIDER": "off",
            **settings,
        }
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    running(TAXIRANK, environment=environment, sizes=None, log=self.folder / "servers.log")
                )
                for _ in range(number)
            ]
