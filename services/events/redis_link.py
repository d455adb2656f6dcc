"""The Redis of this process: its connections, its role, and the log of its outages."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.connection import HiredisRespSerializer
from redis.exceptions import RedisError

from services.events.redis_address import RedisAddress
from services.events.redis_errors import (
    LINK_ERRORS,
    REPLICA,
    UnusableRedis,
    WrongKind,
    WrongRole,
    advice,
    check_role,
    is_final,
    is_of_replica,
    words,
)
from services.events.redis_outages import Outage
from services.events.redis_target import target_of
from services.events.sentinels import Unconfirmed

CHECK_TIMEOUT_S = 2.0
# The lifetime of the key that tests whether Redis accepts writes.
PROBE_TTL_MS = 10_000
# An outage ends after this many heartbeats without a failure, so that an intermittent failure is one outage.
QUIET_HEARTBEATS = 3
# Being unsure of the primary is an outage from this many heartbeats on: a process that stood still is sure again
# when it has asked the sentinels.
UNSURE_HEARTBEATS = 2
# How often a process looks whether the others use the same server.
LOOK_INTERVAL_S = 0.1

_SERIALIZER = HiredisRespSerializer()

# A script, because positions and rates are also written by scripts.
_PROBE = "return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"


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
        address = RedisAddress.parse(url)
        self._server = address.shown
        self._target = target_of(address)
        self._clients: list[Redis] = []
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
        self._wrong: WrongRole | WrongKind | None = None
        self._has_gone_wrong = asyncio.Event()
        self._away = Outage("redis is away: each process works for itself until it is back")
        self._failing = Outage("redis fails in part: each process keeps positions and rates for itself")

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

    def client(self, *, timeout_s: float, max_connections: int) -> Redis:
        """A client of this Redis with connections of its own, which live as long as the link."""
        client = Redis.from_pool(
            self._target.pool(
                # RESP2: on a connection that only listens, every reply is one of a few arrays.
                protocol=2,
                retry=None,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                max_connections=max_connections,
                redis_connect_func=_connect,
            )
        )
        self._clients.append(client)
        return client

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
        for client in self._clients:
            pool = client.connection_pool
            with suppress(*LINK_ERRORS):
                # Connections in use are closed when they are released.
                await pool.update_active_connections_for_reconnect()
                await pool.disconnect(inuse_connections=False)

    async def follow(self) -> None:
        """Keep up with what is the primary. Never returns."""
        await self._target.follow()

    async def find_server(self) -> None:
        """Decide which server new connections lead to. Raises: ConnectionError: none is known."""
        await self._target.find()

    async def pause(self, seconds: float) -> None:
        """Wait before the next attempt to connect; shorter if there is another primary meanwhile."""
        await self._target.pause(seconds)

    async def wrong_server(self) -> None:
        """Wait for any answer of a server that is not, or no longer, the primary.

        Raises:
            WrongRole, WrongKind: then.
        """
        await self._has_gone_wrong.wait()
        raise self._wrong or WrongRole(REPLICA)

    async def moved(self) -> None:
        """Wait until another server is the primary. Raises: PrimaryMoved: then."""
        await self._target.moved()

    async def when_shared(self, act: Callable[[], None]) -> None:
        """Call ``act`` when ``is_shared`` becomes true, unless it is already.

        Others may have published on the former primary after this process had left it.
        """
        was_shared = self.is_shared
        while not self.is_shared:  # noqa: ASYNC110 - it becomes true as time passes
            await asyncio.sleep(LOOK_INTERVAL_S)
        if not was_shared:
            act()

    def failed(self, error: str | BaseException) -> None:
        """Redis refused a request, or did not answer in time. Logged only if the link stays up.

        If the server is not the primary, that ends the link.
        """
        if isinstance(error, WrongRole | WrongKind) or is_of_replica(error):
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

    async def check(self, name: str) -> None:
        """Check whether the setting can ever work. A Redis that is unreachable, a replica or full is no error.

        ``name``: of a channel and a key of our own.

        Raises:
            UnusableRedis
        """
        try:
            await self._target.check()
            await self._target.find()
            await self._check_server(name)
        except LINK_ERRORS as error:
            if is_final(error):
                raise UnusableRedis(f"{self._server} {words(error)}: {self._advice(error)}") from None
        finally:
            await self.close()

    async def _check_server(self, name: str) -> None:
        try:
            client = self.client(timeout_s=CHECK_TIMEOUT_S, max_connections=2)
            listening = client.connection_pool.make_connection()
        except (ValueError, TypeError) as error:
            raise UnusableRedis(f"is not the address of a Redis ({error})") from None
        try:
            await listening.connect()
            await listening.send_command("SUBSCRIBE", name)
            await listening.read_response()
            if (error := await probe(client, name)) is not None:
                raise error
        finally:
            await listening.disconnect(nowait=True)

    async def close(self) -> None:
        """Close every connection."""
        self._up = False
        for client in self._clients:
            with suppress(*LINK_ERRORS):
                await client.aclose()
        await self._target.close()

    def _begin(self, outage: Outage, error: str | BaseException) -> None:
        outage.begin(error, self._advice(error), {"server": self._server, **self._target.log_fields})

    def _advice(self, error: str | BaseException) -> str:
        return self._target.advice(error) or advice(error)


async def probe(redis: Redis, name: str) -> Exception | None:
    """Publish a heartbeat on the channel ``name``, and test the role and a write in the same round trip.

    Returns why Redis takes no writes, or None.

    Raises:
        WrongRole, WrongKind: the server's role has changed, or a proxy leads to a replica.
        RedisError, OSError: it does not answer, or the heartbeat was not published.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.publish(name, b"")
        pipeline.execute_command("HELLO")
        pipeline.eval(_PROBE, 1, name, str(PROBE_TTL_MS))
        published, hello, written = await pipeline.execute(raise_on_error=False)
    check_role(hello)
    if isinstance(published, Exception):
        raise published
    if is_of_replica(written):
        raise WrongRole(REPLICA)
    return written if isinstance(written, Exception) else None


async def _connect(connection: AbstractConnection) -> None:
    """Run redis-py's set-up of a connection, then check the role of the server."""
    # Commands are packed in C. redis-py does so for its blocking client only; in Python it takes 1 µs an argument.
    connection.pack_command = _SERIALIZER.pack  # pyright: ignore[reportAttributeAccessIssue]
    await connection.on_connect()
    await connection.send_command("HELLO", check_health=False)
    try:
        hello = await connection.read_response(disable_decoding=True)
    except RedisError as error:
        hello = error
    check_role(hello)
