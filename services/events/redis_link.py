"""The Redis of this process: its connections, its role, and the log of its outages."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from redis.asyncio import Redis

from services.events import cluster_address
from services.events.redis_address import RedisAddress
from services.events.redis_clients import Clients, all_of
from services.events.redis_connections import client
from services.events.redis_errors import (
    LINK_ERRORS,
    REPLICA,
    SlotMoved,
    UnusableRedis,
    WrongKind,
    WrongRole,
    advice,
    is_final,
    is_of_moved_slot,
    is_of_replica,
    words,
)
from services.events.redis_listener import Listener
from services.events.redis_nodes import ClusterSlots, Node, Placement, SingleServer
from services.events.redis_outages import Outage
from services.events.redis_probe import probe
from services.events.redis_target import FixedTarget, target_of
from services.events.sentinels import Unconfirmed

CHECK_TIMEOUT_S = 2.0
# An outage ends after this many heartbeats without a failure, so that an intermittent failure is one outage.
QUIET_HEARTBEATS = 3
# Being unsure of the primary is an outage from this many heartbeats on: a process that stood still is sure again
# when it has asked the sentinels.
UNSURE_HEARTBEATS = 2
# How often a process looks whether the others use the same server.
LOOK_INTERVAL_S = 0.1


class RedisLink:
    """The Redis that all parts of this process share.

    ``Target`` decides which server that is. Every new connection checks the server's role, and is closed if the
    role is wrong.

    There are two kinds of outage. Each begins and ends with one line in the log:

    - The link is down (``is_up``): no events are received, and no code sends requests to Redis.
    - The link is up, but Redis refuses or delays other requests (``is_healthy``), for example because it is full.
      Each process then keeps positions and rates for itself.
    """

    def __init__(self, url: str) -> None:
        """Raises: BadRedisUrl."""
        cluster = cluster_address.parse(url)
        self._cluster = cluster
        # On a cluster only what all targets of single servers say: it is always the right one.
        address = RedisAddress.parse(url if cluster is None else cluster.url(cluster.nodes[0]))
        self._server = address.shown if cluster is None else cluster.shown
        self._target = target_of(address)
        self._placement: Placement = SingleServer() if cluster is None else ClusterSlots(cluster.nodes, self._ask)
        self._clients: list[Clients] = []
        self._up = False
        # Changes whenever Redis may have lost data, or this process may be connected to another server.
        self.epoch = 0
        # Since when (``time.monotonic``) Redis can have lost nothing that this process knows of.
        self.whole_since = time.monotonic()
        self._up_since = math.inf
        self._part_error: str | BaseException | None = None
        self._quiet_heartbeats = 0
        self._unsure_heartbeats = 0
        # What an answer has shown: the server is not, or no longer, the primary.
        self._wrong: WrongRole | WrongKind | SlotMoved | None = None
        self._has_gone_wrong = asyncio.Event()
        self._away = Outage("redis is away: each process works for itself until it is back")
        self._failing = Outage("redis fails in part: each process keeps positions and rates for itself")

    @property
    def is_cluster(self) -> bool:
        """Whether the names are divided among the nodes of a Redis Cluster."""
        return self._placement.is_cluster

    @property
    def is_up(self) -> bool:
        """Whether events are received."""
        return self._up

    @property
    def is_healthy(self) -> bool:
        """Whether Redis has been answering all kinds of requests."""
        return self.is_sure and self._part_error is None

    @property
    def is_sure(self) -> bool:
        """Whether events are received, from a server that was the primary a moment ago.

        Otherwise what it has is not relied on, and what was published may have reached nobody.
        """
        return self._up and self._target.is_sure

    def is_still(self, epoch: int) -> bool:
        """Whether an answer can be relied on that was asked for at that epoch: it came from this same primary."""
        return self.is_sure and self.epoch == epoch

    @property
    def is_shared(self) -> bool:
        """Whether no process that is sure of its server uses another one."""
        return self.shared_since <= time.monotonic()

    @property
    def shared_since(self) -> float:
        """Since when (``time.monotonic``) that holds; infinite, or in the future, while it does not."""
        return max(self._up_since, self._target.shared_since) if self.is_sure else math.inf

    def clients(self, *, timeout_s: float, max_connections: int) -> Clients:
        """Clients of this Redis with connections of their own, which live as long as the link.

        ``max_connections``: to each server.
        """
        clients = Clients(
            self._placement, partial(self._client, timeout_s=timeout_s, max_connections=max_connections)
        )
        self._clients.append(clients)
        return clients

    def _client(
        self, server: Node | None, *, timeout_s: float, max_connections: int, any_role: bool = False
    ) -> Redis:
        target = self._target
        if self._cluster is not None and server is not None:
            target = FixedTarget(RedisAddress.parse(self._cluster.url(server)))
        return client(
            target,
            timeout_s=timeout_s,
            max_connections=max_connections,
            is_cluster=self.is_cluster,
            any_role=any_role,
        )

    async def _ask(self, node: Node) -> tuple[Mapping[str, str], Sequence[Any]]:
        """Ask a node of the cluster, a primary or a replica, how it sees the cluster. Raises: LINK_ERRORS."""
        asking = self._client(node, timeout_s=CHECK_TIMEOUT_S, max_connections=1, any_role=True)
        try:
            async with asking.pipeline(transaction=False) as pipeline:
                pipeline.execute_command("CLUSTER INFO")
                pipeline.execute_command("CLUSTER SLOTS")
                info, slots = await pipeline.execute()
                return info, slots
        finally:
            await asking.aclose()

    def went_up(self) -> None:
        """The link is up: events are received again."""
        self._up = True
        self._up_since = self.whole_since = time.monotonic()
        self._has_gone_wrong.clear()
        if not self._failing.is_on:
            # Of requests that were under way when the link went down.
            self._part_error = None
        self._away.end(self._target.log_fields)

    async def went_down(self, error: BaseException) -> None:
        """The link is down. Drops all connections: the address may now lead to another server."""
        self._up = False
        self.epoch += 1
        self._begin(self._away, error)
        for clients in self._clients:
            await clients.drop_connections()

    async def follow(self) -> None:
        """Keep up with what is the primary. Never returns."""
        await self._target.follow()

    async def find_servers(self) -> None:
        """Decide which servers new connections lead to. Raises: LINK_ERRORS: none is known."""
        await self._target.find()
        await self._placement.find()

    async def pause(self, seconds: float) -> None:
        """Wait before the next attempt to connect; shorter if there is another primary meanwhile."""
        await self._target.pause(seconds)

    async def wrong_server(self) -> None:
        """Wait for any answer of a server that is not, or no longer, the right one.

        Raises:
            WrongRole, WrongKind, SlotMoved: then.
        """
        await self._has_gone_wrong.wait()
        raise self._wrong or WrongRole(REPLICA)

    async def moved(self) -> None:
        """Wait until another server is the primary. Raises: PrimaryMoved: then."""
        await self._target.moved()

    async def when_shared(self, act: Callable[[], None]) -> None:
        """Call ``act`` when ``is_shared`` becomes true.

        Others may have published on the former primary after this process had left it.
        """
        while not self.is_shared:  # noqa: ASYNC110 - it becomes true as time passes
            await asyncio.sleep(LOOK_INTERVAL_S)
        act()

    def failed(self, error: str | BaseException) -> None:
        """Redis refused a request, or did not answer in time. Logged only if the link stays up.

        If the server is not the primary, or not any more that of a slot, that ends the link.
        """
        if is_of_moved_slot(error):
            # The promoted replica of a cluster may still have a lease that was ended.
            error = self._wrong = SlotMoved()
            self._has_gone_wrong.set()
        elif isinstance(error, WrongRole | WrongKind) or is_of_replica(error):
            self._wrong = error if isinstance(error, WrongRole | WrongKind) else None
            self._has_gone_wrong.set()
        self.epoch += 1
        self.whole_since = time.monotonic()
        self._part_error = error
        self._quiet_heartbeats = 0

    def heartbeat_returned(self, error: BaseException | None) -> None:
        """A heartbeat of this process came back. ``error``: why Redis refused the write that came with it."""
        self._unsure_heartbeats = 0 if self._target.is_sure else self._unsure_heartbeats + 1
        if error is None and self._unsure_heartbeats >= UNSURE_HEARTBEATS:
            error = Unconfirmed("too few sentinels name it as the primary")
        if error is not None:
            self.failed(error)
        if self._part_error is None:
            return
        self._begin(self._failing, self._part_error)
        self._quiet_heartbeats += 1
        if error is None and self._quiet_heartbeats >= QUIET_HEARTBEATS:
            self._part_error = None
            self._failing.end(self._target.log_fields)

    async def check(self, heartbeats: Sequence[str]) -> None:
        """Check whether the setting can ever work. A Redis that is unreachable, a replica or full is no error.

        ``heartbeats``: of ``Topics.heartbeats``.

        Raises:
            UnusableRedis
        """
        clients = self.clients(timeout_s=CHECK_TIMEOUT_S, max_connections=2)
        try:
            await self._target.check()
            await self.find_servers()
            servers: dict[Node | None, list[str]] = {}
            for topic in heartbeats:
                servers.setdefault(clients.server(topic), []).append(topic)
            await all_of([self._check_server(clients, server, topics) for server, topics in servers.items()])
        except LINK_ERRORS as error:
            if is_final(error):
                raise UnusableRedis(f"{self._server} {words(error)}: {self._advice(error)}") from None
        finally:
            await self.close()

    async def _check_server(self, clients: Clients, server: Node | None, topics: Sequence[str]) -> None:
        try:
            connection = clients.at(server).connection_pool.make_connection()
        except (ValueError, TypeError) as error:
            raise UnusableRedis(f"is not the address of a Redis ({error})") from None
        listener = Listener(
            connection,
            lambda _topic, _message: None,
            heartbeats=topics,
            slot=clients.slot,
            is_cluster=clients.is_cluster,
        )
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await listener.connect()
                await listener.listen_to(topics)
                if (error := await probe(clients, server, topics)) is not None:
                    raise error
        finally:
            await listener.close()

    async def close(self) -> None:
        """Close every connection."""
        self._up = False
        for clients in self._clients:
            await clients.close()
        await self._target.close()

    def _begin(self, outage: Outage, error: str | BaseException) -> None:
        outage.begin(error, self._advice(error), {"server": self._server, **self._target.log_fields})

    def _advice(self, error: str | BaseException) -> str:
        return self._target.advice(error) or advice(error)
