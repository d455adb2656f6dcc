"""From a subscription's messages to the frames of a connection."""

import asyncio
import sys
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from graphql import GraphQLError

from schema.api.errors import to_request_error
from schema.operations.execution import Following, Group
from schema.transport.send_queue import MAX_WAITING, Frame, SendQueue
from services.live.hub import Hub
from services.live.messages import Message
from services.live.subscriber import Subscriber
from services.runtime.shared_result import SharedResult

# The key of a waiting step, in place of a trip.
_STEP = "step"


class Framing(Protocol):
    """How one operation's results are framed; equal framings make equal frames."""

    @property
    def key(self) -> str:
        """Equal for equal framings, and for no others."""
        ...

    def next(self, payload: bytes) -> Frame:
        """One result."""
        ...

    def failure(self, errors: Sequence[GraphQLError]) -> Frame:
        """The errors that end the operation; ``complete`` follows."""
        ...

    def complete(self) -> Frame:
        """The end of the operation."""
        ...


class Delivery:
    """One running subscription on a connection.

    Each message is executed and encoded once for its group, framed once for equal framings, and put on the
    queue. While the client does not read, a message replaces the waiting message about the same trip, and a
    snapshot replaces all. More than 256 waiting messages, or two steps, are replaced by one new snapshot.
    ``complete`` comes last.
    """

    # There is one for each subscription, and every event reads it: slots save memory and cache misses.
    __slots__ = (
        "_counters",
        "_feed",
        "_frame_key",
        "_framing",
        "_group",
        "_has_ended",
        "_has_overrun",
        "_hub",
        "_id",
        "_on_end",
        "_send_queue",
        "_subscriber",
    )

    def __init__(
        self,
        id: Hashable,
        following: Following,
        framing: Framing,
        send_queue: SendQueue,
        hub: Hub,
        *,
        on_end: Callable[[], object],
    ) -> None:
        self._hub = hub
        self._counters = hub.counters
        self._id = id
        self._feed = following.feed
        self._group: Group = following.group
        self._framing = framing
        # Interned, so that looking up a message's frame compares pointers and not characters.
        self._frame_key = sys.intern(f"{following.group.name} {framing.key}")
        self._send_queue = send_queue
        self._on_end = on_end
        self._subscriber: Subscriber | None = None
        self._has_overrun = False
        self._has_ended = False

    async def begin(self) -> None:
        """Subscribe. When this returns, the snapshot has been put on the queue.

        Raises:
            NotFound: what is to be followed does not exist for the caller.
        """
        subscriber = await self._hub.subscribe(self._feed, self)
        if self._has_ended:
            subscriber.end()
            return
        self._subscriber = subscriber
        if not self._send_queue.is_busy:
            # The queue may have overrun and drained meanwhile; then `on_drained` does not come again.
            self.catch_up()

    def deliver(self, message: Message) -> None:
        """Send a message. Part of the hub's Sink."""
        if self._has_ended:
            return
        if self._has_overrun:
            if message.trip_id is not None or message.is_step:
                return
            # A snapshot is the whole state, so it also includes what was dropped.
            self._has_overrun = False
        frame = message.renditions.get(self._frame_key)
        if frame is None:
            frame = message.renditions[self._frame_key] = self._frame(message)
        if self._send_queue.put_at_once(frame):
            self._counters.deliveries += 1
            return
        key = (self._id, _STEP if message.is_step else message.trip_id)
        if self._send_queue.waiting:
            is_held = self._send_queue.holds(key)
            self._counters.conflations += is_held
            if message.is_step:
                if is_held:
                    # The client is slower than the steps: it gets the whole state when it reads again.
                    self._send_queue.drop(self._is_mine)
                    self._has_overrun = True
                    return
            elif message.trip_id is None:
                self._counters.conflations += self._send_queue.drop(self._is_mine)
            elif self._send_queue.waiting >= MAX_WAITING:
                self._counters.conflations += self._send_queue.drop(self._is_mine)
                self._has_overrun = True
                return
        self._counters.deliveries += 1
        self._send_queue.put(key, frame)

    def end(self, error: Exception | None) -> None:
        """Send ``complete``, after the error if there is one. Part of the hub's Sink."""
        if self._has_ended:
            return
        self._stop()
        if error is not None:
            self._send_queue.put((self._id, "error"), self._framing.failure([to_request_error(error)]))
        self._send_queue.put((self._id, "complete"), self._framing.complete())
        self._on_end()

    def cancel(self) -> None:
        """Send nothing more, neither ``complete`` nor waiting frames: the client may reuse the id."""
        self._send_queue.drop(self._is_mine)
        self._stop()

    def _stop(self) -> None:
        self._has_ended = True
        if self._subscriber is not None:
            self._subscriber.end()
            # Break the reference cycle: otherwise both objects wait for the garbage collector.
            self._subscriber = None

    def catch_up(self) -> None:
        """Ask for a snapshot in place of the dropped messages; called when the connection takes messages again."""
        if self._has_overrun and self._subscriber is not None:
            self._has_overrun = False
            self._subscriber.start_over()

    def _frame(self, message: Message) -> Frame | SharedResult[Frame]:
        payload = message.renditions.get(self._group)
        if payload is None:
            self._counters.executions += 1
            payload = self._group.render(message.content)
            if isinstance(payload, asyncio.Future):
                payload = SharedResult(payload, self._hub.wake_ups, size=len)
            message.renditions[self._group] = payload
        if isinstance(payload, SharedResult):
            later = asyncio.ensure_future(self._frame_later(payload))
            return SharedResult(later, self._hub.wake_ups, size=_size_of)
        return self._framing.next(payload)

    async def _frame_later(self, payload: SharedResult[bytes]) -> Frame:
        return self._framing.next(await payload.wait())

    def _is_mine(self, key: Hashable) -> bool:
        return isinstance(key, tuple) and key[0] == self._id


def _size_of(frame: Frame) -> int:
    """The bytes of a frame."""
    return len(frame.get("ready") or frame.get("body") or b"")
