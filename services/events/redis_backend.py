"""Publish/subscribe over Redis for broadcaster: one supervised connection."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import uuid4

import structlog
from broadcaster import BroadcastBackend, Event
from redis.asyncio.connection import AbstractConnection

from services.events.redis_errors import LINK_ERRORS
from services.events.redis_link import RedisLink, probe
from services.events.redis_publishing import publish_all, with_listeners
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running

_log = structlog.stdlib.get_logger(__name__)

HEARTBEAT_S = 1.0
# The link is dead after this many heartbeats without any message.
MISSED_HEARTBEATS = 3
# Also after this many heartbeats in which other messages arrive but not our own heartbeat: then we publish to
# another server. A higher number, because a process that reads slowly receives its heartbeats late.
UNHEARD_HEARTBEATS = 10
CONNECT_TIMEOUT_S = 3.0
PUBLISH_TIMEOUT_S = 2.0
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 1.0
MAX_WAITING_EVENTS = 10_000
MAX_CONNECTIONS = 64


class RedisBackend(BroadcastBackend):
    """A broadcaster backend that reconnects and reports each gap.

    broadcaster's own Redis backend marks itself ready before SUBSCRIBE (with redis-py 8 its first subscription
    receives nothing), and a lost connection kills its listener silently (encode/broadcaster issues 142 and 144).
    Here one task owns the listening connection: it connects, subscribes to all topics again, hears its own first
    heartbeat, calls ``on_gap``, reads, and sends itself a heartbeat every second through the broker; after three
    missed ones the link counts as half-open and is torn down. ``subscribe`` returns once Redis has confirmed.

    The heartbeat is published like any event. So the link never counts as up while its two connections reach
    different servers, or while published events do not arrive.

    Commands go through that task too: redis-py closes a connection when a command is cancelled while it is
    written, and one client that leaves at once would cost every subscriber a gap.
    """

    def __init__(
        self, link: RedisLink, counters: Counters, *, heartbeat_topic: str, on_gap: Callable[[], None]
    ) -> None:
        self._link = link
        self._counters = counters
        self._redis = link.client(timeout_s=PUBLISH_TIMEOUT_S, max_connections=MAX_CONNECTIONS)
        self._heartbeat_topic = heartbeat_topic
        self._on_gap = on_gap
        # The prefix of JSON objects that `mark_origin` has marked.
        self._origin_prefix = f'{{"origin":"{uuid4().hex}",'.encode()
        self._wanted: set[str] = set()
        self._commands: list[tuple[str, str]] = []
        self._has_commands = asyncio.Event()
        # One for each SUBSCRIBE that Redis has not answered, in order, like its answers.
        self._confirmations: deque[asyncio.Future[None]] = deque()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._connection: AbstractConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()
        self._last_heard = 0.0
        self._heartbeats = 0
        self._failure: Exception | None = None

    async def connect(self) -> None:
        """Start the supervisor, and give it one moment to connect."""
        for name, work in (("bus link", self._supervise), ("primary", self._link.follow)):
            self._tasks.append(asyncio.create_task(keep_running(name, work, self._counters)))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), CONNECT_TIMEOUT_S)

    async def disconnect(self) -> None:
        """Stop listening and close every connection."""
        await cancel_and_wait(self._tasks)
        await self._link.close()

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
            # The supervisor also notices: it reconnects, subscribes again, and announces the gap.
            pass
        except asyncio.CancelledError:
            # broadcaster only unsubscribes from completed subscriptions.
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
        """Publish each message on each of its channels in one round trip; False: perhaps the primary has not."""
        if self._connection is None:
            # Waiting for a broker that is away would hold up every request; the outbox keeps the change.
            return False
        epoch = self._link.epoch
        try:
            await publish_all(self._redis, events)
        except LINK_ERRORS as error:
            self._link.failed(error)
            return False
        return self._link.is_still(epoch)

    async def followed(self, channels: Collection[str]) -> Collection[str]:
        """The channels that a process listens to; of this process alone while Redis does not tell."""
        if self._connection is not None and channels:
            try:
                return await with_listeners(self._redis, channels)
            except LINK_ERRORS as error:
                self._link.failed(error)
        return [channel for channel in channels if channel in self._wanted]

    def mark_origin(self, message: bytes) -> bytes:
        """Mark a JSON object, so that this process drops it when it comes back."""
        return self._origin_prefix + message[1:]

    def publish_here(self, channel: str, message: Any) -> None:
        """Publish to the listeners of this process only."""
        if channel in self._wanted and self._events.qsize() < MAX_WAITING_EVENTS:
            self._events.put_nowait(Event(channel, message))

    async def next_published(self) -> Event:
        """The next event of any subscribed channel."""
        return await self._events.get()

    async def _supervise(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await self._listen()
            except Exception as error:
                # Any error: without this task no event arrives again.
                if not isinstance(error, LINK_ERRORS):
                    _log.exception("bus link failed")
                await self._link.went_down(error)
            if self._last_heard:
                backoff_s = FIRST_BACKOFF_S
                self._last_heard = 0.0
            # Jitter keeps many processes from returning in the same instant.
            await self._link.pause(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _listen(self) -> None:
        """Serve one connection until it fails."""
        await self._link.find_server()
        connection = self._redis.connection_pool.make_connection()
        # The heartbeat bounds all waiting. (With a time limit, redis-py sends through asyncio.wait_for, which
        # swallows a cancellation before Python 3.12.)
        connection.socket_timeout = None
        try:
            not_written = await self._begin(connection)
            self._connection = connection
            self._up.set()
            self._link.went_up()
            self._link.heartbeat_returned(not_written)
            self._on_gap()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_heartbeats())
                tasks.create_task(self._send(connection))
                tasks.create_task(self._read(connection))
                tasks.create_task(self._link.wrong_server())
                tasks.create_task(self._link.moved())
                tasks.create_task(self._link.when_shared(self._on_gap))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        finally:
            self._connection = None
            self._up.clear()
            self._commands.clear()
            for confirmed in self._confirmations:
                if not confirmed.done():
                    confirmed.set_exception(ConnectionError("link lost"))
            self._confirmations.clear()
            await connection.disconnect(nowait=True)

    async def _begin(self, connection: AbstractConnection) -> Exception | None:
        """Connect, subscribe to all that is wanted, and hear a heartbeat of our own.

        Returns why Redis takes no writes, or None.
        """
        subscribed: set[str] = set()
        self._failure = None
        before = self._heartbeats
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
                await self._subscribe_again(connection, subscribed)
                not_written = await probe(self._redis, self._heartbeat_topic)
        except TimeoutError:
            raise ConnectionError(f"it does not answer within {CONNECT_TIMEOUT_S} s") from None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while self._heartbeats == before:
                    self._receive(await connection.read_response(disable_decoding=True))
                await self._subscribe_again(connection, subscribed)
        except TimeoutError:
            raise ConnectionError("published messages do not arrive") from None
        # Channels that were unsubscribed meanwhile.
        for channel in subscribed - self._wanted - {self._heartbeat_topic}:
            self._send_soon("UNSUBSCRIBE", channel)
        return not_written

    async def _subscribe_again(self, connection: AbstractConnection, subscribed: set[str]) -> None:
        """Subscribe to everything that is wanted, and read until all of it is confirmed."""
        while missing := ({self._heartbeat_topic, *self._wanted} - subscribed):
            await connection.send_command("SUBSCRIBE", *missing, check_health=False)
            subscribed |= missing
            waiting = len(missing)
            while waiting:
                if self._receive(await connection.read_response(disable_decoding=True)):
                    waiting -= 1

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
        kind = reply[0]
        if kind == b"message":
            self._last_heard = asyncio.get_running_loop().time()
            if reply[2].startswith(self._origin_prefix):
                return False
            channel = reply[1].decode()
            if channel == self._heartbeat_topic:
                self._heartbeats += 1
            else:
                if self._events.qsize() >= MAX_WAITING_EVENTS:
                    raise ConnectionError("events arrive faster than they are handled")
                self._events.put_nowait(Event(channel, reply[2]))
            return False
        # None while the supervisor subscribes again: it counts by what is returned.
        if kind == b"subscribe" and self._confirmations:
            confirmed = self._confirmations.popleft()
            if not confirmed.done():
                confirmed.set_result(None)
        return kind == b"subscribe"

    async def _send_heartbeats(self) -> None:
        silent = unheard = 0
        # Counted, not timed: a process that stood still for a while has not lost its link.
        while silent < MISSED_HEARTBEATS and unheard < UNHEARD_HEARTBEATS:
            heard, heartbeats = self._last_heard, self._heartbeats
            # At a frozen broker a publish hangs: it must not delay the detection.
            probing = asyncio.create_task(self._probe())
            try:
                await asyncio.sleep(HEARTBEAT_S)
            finally:
                probing.cancel()
            silent = silent + 1 if self._last_heard == heard else 0
            unheard = unheard + 1 if self._heartbeats == heartbeats else 0
        raise self._failure or ConnectionError("no heartbeat came back")

    async def _probe(self) -> None:
        try:
            self._link.heartbeat_returned(await probe(self._redis, self._heartbeat_topic))
            self._failure = None
        except Exception as error:
            # Any error: otherwise it would be lost with the task.
            self._failure = error
            self._link.failed(error)
