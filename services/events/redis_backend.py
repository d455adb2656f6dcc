"""Publish/subscribe over Redis for broadcaster: supervised connections."""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import structlog
from broadcaster import BroadcastBackend, Event

from services.events.redis_clients import all_of
from services.events.redis_errors import LINK_ERRORS
from services.events.redis_link import RedisLink
from services.events.redis_listener import Listener
from services.events.redis_nodes import Node
from services.events.redis_probe import probe
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

    broadcaster's own Redis backend marks itself ready before SUBSCRIBE (with redis-py 8 its first
    subscription receives nothing), and a lost connection kills its listener silently (encode/broadcaster
    issues 142 and 144). Here one task owns the listening connection, on a cluster one to each node: it connects,
    subscribes to all topics again, hears its own first heartbeat, calls ``on_gap``, reads, and sends itself a
    heartbeat every second through the broker; after three missed ones the link counts as half-open and is torn
    down. ``subscribe`` returns once Redis has confirmed.

    The heartbeat is published like any event, on a cluster in each part of the names. So the link never counts as
    up while listening and publishing reach different servers, or while published events do not arrive. On a
    cluster the link is up while all nodes work: when one of them fails, or a slot moves, all begins again.
    """

    def __init__(
        self, link: RedisLink, counters: Counters, *, heartbeats: Sequence[str], on_gap: Callable[[], None]
    ) -> None:
        """``heartbeats``: of ``Topics.heartbeats``."""
        self._link = link
        self._counters = counters
        self._redis = link.clients(timeout_s=PUBLISH_TIMEOUT_S, max_connections=MAX_CONNECTIONS)
        self._heartbeats = heartbeats
        self._on_gap = on_gap
        # The prefix of JSON objects that `mark_origin` has marked.
        self._origin_prefix = f'{{"origin":"{uuid4().hex}",'.encode()
        self._wanted: set[str] = set()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        # By server; empty while the link is down.
        self._listeners: Mapping[Node | None, Listener] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()
        self._was_up = False
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
        if not self._listeners:
            return
        confirmed = self._listeners[self._redis.server(group)].subscribe(group)
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
        if self._listeners:
            self._listeners[self._redis.server(group)].unsubscribe(group)

    async def publish(self, channel: str, message: Any) -> None:
        """Publish; raises what redis-py raises when the broker does not take it."""
        await publish_all(self._redis, [([channel], message)])

    async def publish_all(self, events: Sequence[tuple[Sequence[str], bytes]]) -> bool:
        """Publish each message on each of its channels in one round trip; False: perhaps the primary has not."""
        if not self._listeners:
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
        """Those of the channels that a process listens to; of this process alone while Redis does not tell."""
        if self._listeners and channels:
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
            self._was_up = False
            try:
                await self._listen()
            except Exception as error:
                # Any error: without this task no event arrives again.
                if not isinstance(error, LINK_ERRORS):
                    _log.exception("bus link failed")
                await self._link.went_down(error)
            if self._was_up:
                backoff_s = FIRST_BACKOFF_S
            # Jitter keeps many processes from returning in the same instant.
            await self._link.pause(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _listen(self) -> None:
        """Serve one connection to each server until one fails."""
        listeners: dict[Node | None, Listener] = {}
        await self._link.find_servers()
        try:
            for server, heartbeats in self._heartbeats_by_server().items():
                listeners[server] = Listener(
                    self._redis.at(server).connection_pool.make_connection(),
                    self._receive,
                    heartbeats=heartbeats,
                    slot=self._redis.slot,
                    is_cluster=self._redis.is_cluster,
                    lag=self._counters.bus_lag,
                )
            not_written = await self._begin(listeners)
            self._listeners = listeners
            self._was_up = True
            self._up.set()
            self._link.went_up()
            self._link.heartbeat_returned(not_written)
            # Before the gap is told: what it becomes afterwards is another gap.
            is_shared = self._link.is_shared
            self._on_gap()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_heartbeats())
                for listener in listeners.values():
                    tasks.create_task(listener.run())
                tasks.create_task(self._link.wrong_server())
                tasks.create_task(self._link.moved())
                if not is_shared:
                    tasks.create_task(self._link.when_shared(self._on_gap))
        except ExceptionGroup as failed:
            raise _first(failed) from failed
        finally:
            self._listeners = {}
            self._up.clear()
            for listener in listeners.values():
                await listener.close()

    def _heartbeats_by_server(self) -> Mapping[Node | None, Sequence[str]]:
        found: dict[Node | None, list[str]] = {}
        for topic in self._heartbeats:
            found.setdefault(self._redis.server(topic), []).append(topic)
        return found

    async def _begin(self, listeners: Mapping[Node | None, Listener]) -> Exception | None:
        """Connect, subscribe to all that is wanted, and hear all heartbeats of our own.

        Returns why a server takes no writes, or None.
        """
        self._failure = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await all_of([listener.connect() for listener in listeners.values()])
                await self._subscribe_again(listeners)
                not_written = await self._probe_all(listeners)
        except TimeoutError:
            raise _does_not_answer() from None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await all_of([listener.hear_heartbeats() for listener in listeners.values()])
                await self._subscribe_again(listeners)
        except TimeoutError:
            raise ConnectionError("published messages do not arrive") from None
        for listener in listeners.values():
            # Topics that were left meanwhile.
            listener.leave_others(self._wanted)
            listener.look()
        return not_written

    async def _subscribe_again(self, listeners: Mapping[Node | None, Listener]) -> None:
        """Subscribe to everything that is wanted, also to what others want meanwhile, until all is confirmed."""
        while True:
            wanted: dict[Node | None, list[str]] = {server: [] for server in listeners}
            for topic in self._wanted:
                wanted[self._redis.server(topic)].append(topic)
            missing = [
                (listener, topics)
                for server, listener in listeners.items()
                if (topics := listener.missing(wanted[server]))
            ]
            if not missing:
                return
            await all_of([listener.listen_to(topics) for listener, topics in missing])

    async def _probe_all(self, listeners: Mapping[Node | None, Listener]) -> Exception | None:
        found = await all_of(
            [probe(self._redis, server, listener.heartbeats) for server, listener in listeners.items()]
        )
        return next((error for error in found if error is not None), None)

    def _receive(self, topic: bytes, message: Any) -> None:
        if message.startswith(self._origin_prefix):
            return
        if self._events.qsize() >= MAX_WAITING_EVENTS:
            raise ConnectionError("events arrive faster than they are handled")
        self._events.put_nowait(Event(topic.decode(), message))

    async def _send_heartbeats(self) -> None:
        silent, unheard = dict.fromkeys(self._listeners, 0), dict.fromkeys(self._listeners, 0)
        # Counted, not timed: a process that stood still for a while has not lost its link.
        while max(silent.values()) < MISSED_HEARTBEATS and max(unheard.values()) < UNHEARD_HEARTBEATS:
            # At a frozen broker a publish hangs: it must not delay the detection.
            probing = asyncio.create_task(self._probe())
            try:
                await asyncio.sleep(HEARTBEAT_S)
            finally:
                probing.cancel()
            for server, listener in self._listeners.items():
                has_heard, has_heartbeat = listener.look()
                silent[server] = 0 if has_heard else silent[server] + 1
                unheard[server] = 0 if has_heartbeat else unheard[server] + 1
        raise self._failure or ConnectionError("no heartbeat came back")

    async def _probe(self) -> None:
        for listener in self._listeners.values():
            listener.sends_heartbeat()
        try:
            self._link.heartbeat_returned(await self._probe_all(self._listeners))
            self._failure = None
        except Exception as error:
            # Any error: otherwise it would be lost with the task.
            self._failure = error
            self._link.failed(error)


def _does_not_answer() -> ConnectionError:
    return ConnectionError(f"it does not answer within {CONNECT_TIMEOUT_S} s")


def _first(failed: ExceptionGroup) -> Exception:
    """The first error of nested groups."""
    error = failed.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
