"""The bus of one process, and the messages it receives."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from uuid import NAMESPACE_OID, uuid4, uuid5

from services.events.bus import Bus
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.runtime.counters import Counters
from tests.support.waiting import PATIENCE_S


class Process:
    """One process's bus, which counts its gaps."""

    def __init__(self, url: str | None, prefix: str) -> None:
        self.prefix = prefix
        self.gaps = 0
        # Whether the link was shared at the last gap.
        self.was_shared = False
        self._gap = asyncio.Event()
        self.link = RedisLink(url) if url else None
        self.topics = Topics(prefix, is_cluster=self.link is not None and self.link.is_cluster)
        self.bus = Bus(self.link, Counters(), heartbeats=self.topics.heartbeats(), on_gap=self._on_gap)

    def _on_gap(self) -> None:
        self.gaps += 1
        self.was_shared = self.link is not None and self.link.is_shared
        self._gap.set()

    async def gap(self) -> None:
        """Return at the next reported gap."""
        self._gap.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self._gap.wait()

    def topic(self, name: str) -> str:
        """On a cluster, topics of many names are on all nodes."""
        if self.link is not None and self.link.is_cluster:
            return self.topics.user(uuid5(NAMESPACE_OID, name))
        return f"{self.prefix}:{name}"

    async def publish(self, name: str, *messages: bytes) -> bool:
        return await self.bus.publish([([self.topic(name)], message) for message in messages])

    @asynccontextmanager
    async def listen(self, name: str) -> AsyncGenerator["Heard"]:
        async with self.bus.listen(self.topic(name)) as messages:
            yield Heard(messages)


class Heard:
    def __init__(self, messages: AsyncIterator[bytes]) -> None:
        self._messages = messages

    async def next(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await anext(aiter(self._messages))


@asynccontextmanager
async def process(url: str | None, prefix: str | None = None) -> AsyncGenerator[Process]:
    running = Process(url, prefix or f"bus-{uuid4().hex}")
    await running.bus.connect()
    try:
        yield running
    finally:
        await running.bus.disconnect()
