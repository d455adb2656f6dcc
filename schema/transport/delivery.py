"""From a subscription's messages to the frames of a connection."""

import asyncio
import sys
from collections.abc import Callable, Hashable
from typing import Protocol

from graphql import ExecutionResult

from schema.api.errors import (incident, not_found)
from schema.operations.execution import (Following, Group, encode)
from schema.transport.send_queue import (MAX_WAITING, Frame, Outlet)
from services.live.feeds import NotFound
from services.live.hub import Hub, Subscription
from services.live.events import Message


class Framing(Protocol):
    """How one operation's results are framed; equal framings make equal frames."""

    @property
    def key(self) -> str:
        """Equal for equal framings, and for no others."""
        ...

    def next(self, payload: bytes) -> Frame:
        """One result."""
        ...

    def complete(self) -> Frame:
        """Nothing follows."""
        ...


class Delivery:
    """One running subscription on a connection.

    Each message is executed and encoded once for its group, framed once for equal framings, and put on the
    outlet. While the connection does not take them, its waiting messages about one trip give way to the
    latest, a snapshot replaces all, and above 256 they give way to one new snapshot; ``complete`` comes last.
    """

    # One a subscription, and looked at for each event: without a dictionary it is smaller and nearer.
    __slots__ = (
        "_counts",
        "_feed",
        "_frame_key",
        "_framing",
        "_group",
        "_has_ended",
        "_has_overrun",
        "_hub",
        "_id",
        "_on_end",
        "_outlet",
        "_subscription",
    )

    def __init__(
        self,
        id: Hashable,
        following: Following,
        framing: Framing,
        outlet: Outlet,
        hub: Hub,
        *,
        on_end: Callable[[], object],
    ) -> None:
        self._hub = hub
        self._counts = hub.counts
        self._id = id
        self._feed = following.feed
        self._group: Group = following.group
        self._framing = framing
        # One string for all whose frames are equal: a message finds the frame without comparing anything.
        self._frame_key = sys.intern(f"{following.group.name} {framing.key}")
        self._outlet = outlet
        self._on_end = on_end
        self._subscription: Subscription | None = None
        self._has_overrun = False
        self._has_ended = False

    async def begin(self) -> None:
        """Subscribe; the snapshot is on its way when this returns.

        Raises:
            NotFound: what is to be followed does not exist for the caller.
        """
        subscription = await self._hub.subscribe(self._feed, self)
        if self._has_ended:
            subscription.end()
            return
        self._subscription = subscription
        if not self._outlet.is_busy:
            # It may have overrun and been drained meanwhile: nobody would say so again.
            self.catch_up()

    def deliver(self, message: Message) -> None:
        """Send a message. Part of the hub's Sink."""
        if self._has_ended:
            return
        if self._has_overrun:
            if message.trip_id is not None:
                return
            # The whole state: it says what was dropped, too.
            self._has_overrun = False
        frame = message.renditions.get(self._frame_key)
        if frame is None:
            frame = message.renditions[self._frame_key] = self._frame(message)
        if self._outlet.put_at_once(frame):
            self._counts.deliveries += 1
            return
        key = (self._id, message.trip_id)
        if self._outlet.waiting:
            self._counts.conflations += self._outlet.holds(key)
            if message.trip_id is None:
                self._counts.conflations += self._outlet.drop(self._is_mine)
            elif self._outlet.waiting >= MAX_WAITING:
                self._counts.conflations += self._outlet.drop(self._is_mine)
                self._has_overrun = True
                return
        self._counts.deliveries += 1
        self._outlet.put(key, frame)

    def end(self, error: Exception | None) -> None:
        """Send that nothing follows. Part of the hub's Sink."""
        if self._has_ended:
            return
        self._stop()
        if error is not None:
            shown = not_found() if isinstance(error, NotFound) else incident(error)
            self._outlet.put((self._id, "error"), self._framing.next(encode(ExecutionResult(None, [shown]))))
        self._outlet.put((self._id, "complete"), self._framing.complete())
        self._on_end()

    def cancel(self) -> None:
        """Send nothing more, not even that, nor what waits: the client may use the id anew."""
        self._outlet.drop(self._is_mine)
        self._stop()

    def _stop(self) -> None:
        self._has_ended = True
        if self._subscription is not None:
            self._subscription.end()
            # It refers back to this: without that, all of it waits for the garbage collector.
            self._subscription = None

    def catch_up(self) -> None:
        """The connection takes messages again: what was dropped comes as a snapshot."""
        if self._has_overrun and self._subscription is not None:
            self._has_overrun = False
            self._subscription.start_over()

    def _frame(self, message: Message) -> Frame | asyncio.Future[Frame]:
        payload = message.renditions.get(self._group)
        if payload is None:
            self._counts.executions += 1
            payload = message.renditions[self._group] = self._group.render(message.content)
        if isinstance(payload, asyncio.Future):
            return asyncio.ensure_future(self._frame_later(payload))
        return self._framing.next(payload)

    async def _frame_later(self, payload: "asyncio.Future[bytes]") -> Frame:
        return self._framing.next(await payload)

    def _is_mine(self, key: Hashable) -> bool:
        return isinstance(key, tuple) and key[0] == self._id
