"""One connection that listens: to the Redis, or to one node of a cluster."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection
from itertools import groupby
from time import perf_counter
from typing import Any

from redis.asyncio.connection import AbstractConnection

from services.events.redis_errors import SlotMoved
from services.runtime.durations import Durations

# Of a message that was published: its topic and the message.
OnMessage = Callable[[bytes, bytes], None]


class Listener:
    """Subscribes, and passes on what it hears, until something fails: then it is closed, and another one begins.

    Commands are written by a task of its own: redis-py closes a connection when a command is cancelled while it is
    written, and one client that leaves at once would cost every subscriber a gap.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        on_message: OnMessage,
        *,
        heartbeats: Collection[str],
        slot: Callable[[str], int],
        is_cluster: bool,
        lag: Durations | None = None,
    ) -> None:
        """``heartbeats``: topics of this process on the server; ``slot``: of a topic; ``lag``: of heartbeats."""
        # The heartbeat bounds all waiting. (With a time limit, redis-py sends through asyncio.wait_for, which
        # swallows a cancellation before Python 3.12.)
        connection.socket_timeout = None
        self._connection = connection
        self._on_message = on_message
        self._slot = slot
        # On a cluster a message stays on the node of its slot.
        self._subscribe, self._unsubscribe = (
            ("SSUBSCRIBE", "SUNSUBSCRIBE") if is_cluster else ("SUBSCRIBE", "UNSUBSCRIBE")
        )
        self.heartbeats = frozenset(heartbeats)
        # The heartbeats that came back since the last look, and whether anything came.
        self._heartbeats = frozenset(topic.encode() for topic in heartbeats)
        self._returned: set[bytes] = set()
        self._has_heard = False
        self._lag = lag
        # When the heartbeat was sent that has not come back yet.
        self._sent_s: float | None = None
        self._subscribed: set[str] = set()
        self._commands: list[tuple[str, str]] = []
        self._has_commands = asyncio.Event()
        # One for each SUBSCRIBE that Redis has not answered, in order, like its answers.
        self._confirmations: deque[asyncio.Future[None]] = deque()
        # The answers that are still to come, by topic.
        self._leaving: Counter[str] = Counter()

    async def connect(self) -> None:
        await self._connection.connect()

    def missing(self, wanted: Collection[str]) -> Collection[str]:
        """Those of the topics that it has not subscribed to."""
        return {*self.heartbeats, *wanted} - self._subscribed

    async def listen_to(self, missing: Collection[str]) -> None:
        """Subscribe, and read until all is confirmed; before ``run``."""
        for topics in self._of_one_slot(missing):
            await self._connection.send_command(self._subscribe, *topics, check_health=False)
        self._subscribed |= set(missing)
        waiting = len(missing)
        while waiting:
            if self._receive(await self._read()):
                waiting -= 1

    async def hear_heartbeats(self) -> None:
        """Read until all have come back; before ``run``."""
        while not self._heartbeats <= self._returned:
            self._receive(await self._read())

    def leave_others(self, wanted: Collection[str]) -> None:
        """Unsubscribe from all but those, and the heartbeats."""
        for topic in self._subscribed - self.heartbeats - set(wanted):
            self.unsubscribe(topic)
        # From now on the caller knows.
        self._subscribed.clear()

    async def run(self) -> None:
        """Listen until something fails."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send())
            tasks.create_task(self._receive_all())

    def subscribe(self, topic: str) -> asyncio.Future[None]:
        """Subscribe soon; the result comes when Redis has confirmed, or raises ConnectionError when this ends."""
        confirmed = asyncio.get_running_loop().create_future()
        self._confirmations.append(confirmed)
        self._send_soon(self._subscribe, topic)
        return confirmed

    def unsubscribe(self, topic: str) -> None:
        self._leaving[topic] += 1
        self._send_soon(self._unsubscribe, topic)

    def sends_heartbeat(self) -> None:
        """Call this before heartbeats are published."""
        if self._sent_s is None:
            self._sent_s = perf_counter()

    def look(self) -> tuple[bool, bool]:
        """Whether anything has come since the last look, and whether all heartbeats have."""
        found = self._has_heard, self._heartbeats <= self._returned
        self._has_heard, self._returned = False, set()
        return found

    async def close(self) -> None:
        for confirmed in self._confirmations:
            if not confirmed.done():
                confirmed.set_exception(ConnectionError("link lost"))
        self._confirmations.clear()
        await self._connection.disconnect(nowait=True)

    def _send_soon(self, command: str, topic: str) -> None:
        self._commands.append((command, topic))
        self._has_commands.set()

    async def _send(self) -> None:
        while True:
            await self._has_commands.wait()
            self._has_commands.clear()
            commands, self._commands = self._commands, []
            for (command, _), group in groupby(commands, key=lambda each: (each[0], self._slot(each[1]))):
                await self._connection.send_command(command, *(topic for _, topic in group), check_health=False)

    def _of_one_slot(self, topics: Collection[str]) -> Collection[Collection[str]]:
        by_slot: dict[int, list[str]] = {}
        for topic in topics:
            by_slot.setdefault(self._slot(topic), []).append(topic)
        return by_slot.values()

    async def _receive_all(self) -> None:
        while True:
            self._receive(await self._read())

    async def _read(self) -> Any:
        return await self._connection.read_response(disable_decoding=True)

    def _receive(self, reply: Any) -> bool:
        """Take in one reply; True when it confirms a subscription."""
        kind = reply[0]
        if kind in {b"message", b"smessage"}:
            self._has_heard = True
            if reply[1] in self._heartbeats:
                self._returned.add(reply[1])
                self._note_lag()
            else:
                self._on_message(reply[1], reply[2])
            return False
        if kind in {b"subscribe", b"ssubscribe"}:
            # Empty before `run`: `listen_to` counts by what is returned.
            confirmed = self._confirmations.popleft() if self._confirmations else None
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
            return True
        if kind in {b"unsubscribe", b"sunsubscribe"}:
            self._has_left(reply[1].decode())
        return False

    def _note_lag(self) -> None:
        if self._sent_s is not None and self._lag is not None:
            self._lag.add(perf_counter() - self._sent_s)
        self._sent_s = None

    def _has_left(self, topic: str) -> None:
        if topic not in self._leaving:
            # A node unsubscribes by itself when it loses the slot.
            raise SlotMoved
        self._leaving[topic] -= 1
        if not self._leaving[topic]:
            del self._leaving[topic]
