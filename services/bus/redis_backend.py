"""Publish/subscribe over Redis for broadcaster: one supervised connection."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from broadcaster import BroadcastBackend, Event
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

_log = structlog.stdlib.get_logger(__name__)

HEARTBEAT_S = 1.0
MISSED_HEARTBEATS = 3
CONNECT_TIMEOUT_S = 3.0
PUBLISH_TIMEOUT_S = 2.0
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 2.0
MAX_WAITING_EVENTS = 10_000

_LINK_ERRORS = (RedisError, OSError, TimeoutError)


class RedisBackend(BroadcastBackend):
    """A broadcaster backend that heals itself and says so.

    broadcaster's own Redis backend marks itself ready before SUBSCRIBE (with redis-py 8 its first
    subscription receives nothing), and a lost connection kills its listener silently (encode/broadcaster
    issues 142 and 144). Here one task owns the listening connection: it connects, subscribes to all topics
    again, calls ``on_gap``, reads, and sends itself a heartbeat every second through the broker; after three
    missed ones the link counts as half-open and is torn down. ``subscribe`` returns once Redis has confirmed.
    """

    def __init__(self, url: str, *, heartbeat_topic: str, on_gap: Callable[[], None]) -> None:
        # RESP2: on a connection that only listens, every reply is one of a few arrays.
        self._redis = Redis.from_url(
            url,
            protocol=2,
            retry=None,
            socket_timeout=PUBLISH_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            max_connections=64,
        )
        self._heartbeat_topic = heartbeat_topic
        self._on_gap = on_gap
        self._wanted: set[str] = set()
        self._confirmations: dict[str, asyncio.Future[None]] = {}
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._connection: AbstractConnection | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._last_heard = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the listening connection is up and every topic on it is confirmed."""
        return self._connection is not None

    async def connect(self) -> None:
        """Start the supervisor, and give it one moment to connect."""
        self._supervisor = asyncio.create_task(self._supervise())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), CONNECT_TIMEOUT_S)

    async def disconnect(self) -> None:
        """Stop listening and close every connection."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        await self._redis.aclose()

    async def subscribe(self, group: str) -> None:
        """Return when Redis has confirmed the subscription, or at once while the link is down."""
        self._wanted.add(group)
        connection = self._connection
        if connection is None:
            return
        confirmed = asyncio.get_running_loop().create_future()
        self._confirmations[group] = confirmed
        try:
            await connection.send_command("SUBSCRIBE", group, check_health=False)
            await confirmed
        except _LINK_ERRORS:
            # The supervisor notices the same, subscribes to what is wanted again, and announces the gap.
            pass
        finally:
            self._confirmations.pop(group, None)

    async def unsubscribe(self, group: str) -> None:
        """Stop receiving a channel."""
        self._wanted.discard(group)
        if self._connection is not None:
            with suppress(*_LINK_ERRORS):
                await self._connection.send_command("UNSUBSCRIBE", group, check_health=False)

    async def publish(self, channel: str, message: Any) -> None:
        """Publish; raises what redis-py raises when the broker does not take it."""
        await self._redis.publish(channel, message)

    async def publish_all(self, events: Sequence[tuple[Sequence[str], bytes]]) -> bool:
        """Publish each message on each of its channels in one round trip; False: not taken in time."""
        if self._connection is None:
            # Waiting for a broker that is away would hold up every request; the outbox keeps the change.
            return False
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for channels, message in events:
                    for channel in channels:
                        pipeline.publish(channel, message)
                await pipeline.execute()
        except _LINK_ERRORS as error:
            _log.warning("bus did not take an event", error=str(error))
            return False
        return True

    async def next_published(self) -> Event:
        """The next event of any subscribed channel."""
        return await self._events.get()

    async def _supervise(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await self._listen()
            except _LINK_ERRORS as error:
                _log.warning("bus link lost", error=str(error) or type(error).__name__)
            if self._last_heard:
                backoff_s = FIRST_BACKOFF_S
                self._last_heard = 0.0
            # Jitter keeps many processes from returning in the same instant.
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _listen(self) -> None:
        """Serve one connection until it fails."""
        connection = self._redis.connection_pool.make_connection()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
                await self._subscribe_again(connection)
            self._last_heard = asyncio.get_running_loop().time()
            self._connection = connection
            self._up.set()
            _log.info("bus link up")
            self._on_gap()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat(connection))
                tasks.create_task(self._read(connection))
        except* _LINK_ERRORS as errors:
            raise ConnectionError(str(errors.exceptions[0])) from errors
        finally:
            self._connection = None
            self._up.clear()
            for confirmed in self._confirmations.values():
                if not confirmed.done():
                    confirmed.set_exception(ConnectionError("link lost"))
                    confirmed.exception()
            await connection.disconnect(nowait=True)

    async def _subscribe_again(self, connection: AbstractConnection) -> None:
        """Subscribe to everything that is wanted, and read until all of it is confirmed."""
        unconfirmed: set[str] = set()
        while missing := ({self._heartbeat_topic, *self._wanted} - unconfirmed):
            await connection.send_command("SUBSCRIBE", *missing, check_health=False)
            unconfirmed |= missing
            waiting = len(missing)
            while waiting:
                if self._receive(await connection.read_response(disable_decoding=True)):
                    waiting -= 1

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            # The heartbeat bounds the silence; a time limit of its own on each read would cost more than the read.
            self._receive(await connection.read_response(disable_decoding=True, timeout=float("inf")))

    def _receive(self, reply: Any) -> bool:
        """Take in one reply; True when it confirms a subscription."""
        kind, channel = reply[0], reply[1].decode()
        if kind == b"message":
            self._last_heard = asyncio.get_running_loop().time()
            if channel != self._heartbeat_topic:
                if self._events.qsize() >= MAX_WAITING_EVENTS:
                    raise ConnectionError("events arrive faster than they are handled")
                self._events.put_nowait(Event(channel, reply[2]))
            return False
        if kind == b"subscribe":
            confirmed = self._confirmations.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
            return True
        return False

    async def _beat(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if loop.time() - self._last_heard > HEARTBEAT_S * MISSED_HEARTBEATS:
                raise ConnectionError("no heartbeat came back")
            with suppress(*_LINK_ERRORS):
                await asyncio.wait_for(self._redis.publish(self._heartbeat_topic, b""), HEARTBEAT_S)
