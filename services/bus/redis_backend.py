"""Publish/subscribe over Redis for broadcaster: one supervised connection."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any

import structlog
from broadcaster import BroadcastBackend, Event
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from services.endings import end

_log = structlog.stdlib.get_logger(__name__)

HEARTBEAT_S = 1.0
MISSED_HEARTBEATS = 3
CONNECT_TIMEOUT_S = 3.0
PUBLISH_TIMEOUT_S = 2.0
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 1.0
MAX_WAITING_EVENTS = 10_000

_LINK_ERRORS = (RedisError, OSError, TimeoutError)


class RedisBackend(BroadcastBackend):
    """A broadcaster backend that heals itself and says so.

    broadcaster's own Redis backend marks itself ready before SUBSCRIBE (with redis-py 8 its first
    subscription receives nothing), and a lost connection kills its listener silently (encode/broadcaster
    issues 142 and 144). Here one task owns the listening connection: it connects, subscribes to all topics
    again, calls ``on_gap``, reads, and sends itself a heartbeat every second through the broker; after three
    missed ones the link counts as half-open and is torn down. ``subscribe`` returns once Redis has confirmed.

    Commands go through that task too: redis-py closes a connection when a command is cancelled while it is
    written, and one client that leaves at once would cost everybody a gap.
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
        self._commands: list[tuple[str, str]] = []
        self._has_commands = asyncio.Event()
        # One for each SUBSCRIBE that Redis has not answered, in order, like its answers.
        self._confirmations: deque[asyncio.Future[None]] = deque()
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
            await end([self._supervisor])
        await self._redis.aclose()

    async def subscribe(self, group: str) -> None:
        """Return when Redis has confirmed the subscription, or at once while the link is down."""
        self._wanted.add(group)
        if self._connection is None:
            return
        confirmed = asyncio.get_running_loop().create_future()
        self._confirmations.append(confirmed)
        self._send_soon("SUBSCRIBE", group)
        try:
            await confirmed
        except ConnectionError:
            # The supervisor notices the same, subscribes to what is wanted again, and announces the gap.
            pass
        except asyncio.CancelledError:
            # broadcaster unsubscribes only from what has begun.
            await self.unsubscribe(group)
            raise

    async def unsubscribe(self, group: str) -> None:
        """Stop receiving ``group``."""
        self._wanted.discard(group)
        if self._connection is not None:
            self._send_soon("UNSUBSCRIBE", group)

    def _send_soon(self, command: str, channel: str) -> None:
        self._commands.append((command, channel))
        self._has_commands.set()

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
            except Exception:
                # Whatever it is: without this task no event ever travels again.
                _log.exception("bus link failed")
            if self._last_heard:
                backoff_s = FIRST_BACKOFF_S
                self._last_heard = 0.0
            # Jitter keeps many processes from returning in the same instant.
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _listen(self) -> None:
        """Serve one connection until it fails."""
        connection = self._redis.connection_pool.make_connection()
        # The heartbeat bounds all waiting. (With a time limit, redis-py sends through asyncio.wait_for, which
        # swallows a cancellation before Python 3.12.)
        connection.socket_timeout = None
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
                tasks.create_task(self._beat())
                tasks.create_task(self._send(connection))
                tasks.create_task(self._read(connection))
        except* _LINK_ERRORS as errors:
            raise ConnectionError(str(errors.exceptions[0])) from errors
        finally:
            self._connection = None
            self._up.clear()
            self._commands.clear()
            for confirmed in self._confirmations:
                if not confirmed.done():
                    confirmed.set_exception(ConnectionError("link lost"))
            self._confirmations.clear()
            await connection.disconnect(nowait=True)

    async def _subscribe_again(self, connection: AbstractConnection) -> None:
        """Subscribe to everything that is wanted, and read until all of it is confirmed."""
        subscribed: set[str] = set()
        while missing := ({self._heartbeat_topic, *self._wanted} - subscribed):
            await connection.send_command("SUBSCRIBE", *missing, check_health=False)
            subscribed |= missing
            waiting = len(missing)
            while waiting:
                if self._receive(await connection.read_response(disable_decoding=True)):
                    waiting -= 1
        # What was left meanwhile.
        for channel in subscribed - self._wanted - {self._heartbeat_topic}:
            self._send_soon("UNSUBSCRIBE", channel)

    async def _send(self, connection: AbstractConnection) -> None:
        while True:
            await self._has_commands.wait()
            self._has_commands.clear()
            commands, self._commands = self._commands, []
            for command, group in groupby(commands, key=itemgetter(0)):
                await connection.send_command(command, *(channel for _, channel in group), check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            self._receive(await connection.read_response(disable_decoding=True))

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
            # Empty while the supervisor subscribes again: it counts by what is returned.
            confirmed = self._confirmations.popleft() if self._confirmations else None
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
            return True
        return False

    async def _beat(self) -> None:
        missed = 0
        # Counted, not timed: a process that stood still for a while has not lost its link.
        while missed < MISSED_HEARTBEATS:
            heard = self._last_heard
            # At a frozen broker a publish hangs: it must not hold up the noticing.
            publishing = asyncio.create_task(self._publish_heartbeat())
            try:
                await asyncio.sleep(HEARTBEAT_S)
            finally:
                publishing.cancel()
            missed = missed + 1 if self._last_heard == heard else 0
        raise ConnectionError("no heartbeat came back")

    async def _publish_heartbeat(self) -> None:
        with suppress(*_LINK_ERRORS):
            await self._redis.publish(self._heartbeat_topic, b"")
