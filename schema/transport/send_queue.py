"""The sending side of one connection: in order, and without making its callers wait."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any

from services.runtime.shared_result import SharedResult
from services.runtime.tasks import resumed

# An ASGI message. Its extra key ``ready``, which servers ignore, holds the encoded WebSocket frame.
Frame = dict[str, Any]

# A client that reads nothing for this long is disconnected.
SEND_TIMEOUT_S = 15.0
MAX_WAITING = 256


class SendQueue:
    """Sends ASGI messages of one connection.

    ``put`` never waits. If the queue is empty and the transport is writable, the frame is written at once, without
    a task; encoded frames then bypass ASGI if ``write_ready`` takes them. Otherwise the frame is queued under its
    key, where it replaces an older frame, and a task sends the queue. ``abort`` is called when the client reads
    nothing for 15 seconds, because a transport that is not writable cannot be closed through ASGI.
    """

    __slots__ = (
        "_abort",
        "_send",
        "_unfinished",
        "_waiting",
        "_write_ready",
        "_writer",
        "is_broken",
        "on_drained",
    )

    def __init__(
        self,
        send: Callable[[Frame], Awaitable[None]],
        abort: Callable[[], None],
        write_ready: Callable[[bytes], bool] | None = None,
    ) -> None:
        self._send = send
        self._write_ready = write_ready
        self._abort = abort
        self._waiting: dict[Hashable, Frame | SharedResult[Frame]] = {}
        self._writer: asyncio.Task[None] | None = None
        # What the writer waits for while the next frame is encoded.
        self._unfinished: asyncio.Future[None] | None = None
        self.is_broken = False
        self.on_drained: Callable[[], None] | None = None

    @property
    def waiting(self) -> int:
        """How many frames are queued."""
        return len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether a frame is being sent or is queued; ``on_drained`` is called when that ends."""
        return self._writer is not None

    def holds(self, key: Hashable) -> bool:
        """Whether a frame with this key is queued; a newer one would replace it."""
        return key in self._waiting

    def put_at_once(self, frame: Frame | SharedResult[Frame]) -> bool:
        """Send an encoded frame if the transport takes it now. False: nothing was done."""
        return (
            self._writer is None
            and self._write_ready is not None
            and type(frame) is dict
            and "ready" in frame
            and not self.is_broken
            and self._write_ready(frame["ready"])
        )

    def _is_written(self, frame: Frame) -> bool:
        """Whether the transport has taken the encoded frame without ASGI, which would encode it again."""
        return self._write_ready is not None and "ready" in frame and self._write_ready(frame["ready"])

    def put(self, key: Hashable, frame: Frame | SharedResult[Frame]) -> None:
        """Send a frame, or one that is still being encoded, after all queued frames."""
        if self.is_broken:
            return
        if self.put_at_once(frame):
            return
        if self._writer is None and type(frame) is dict:
            sending = self._send(frame)
            assert isinstance(sending, Coroutine)
            try:
                blocked_on = sending.send(None)
            except StopIteration:
                return
            except Exception:
                # The connection is gone. The receiving side notices it by itself.
                self.is_broken = True
                return
            self._writer = asyncio.create_task(self._write(resumed(sending, blocked_on)))
            return
        self._waiting[key] = frame
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(None))

    def drop(self, unwanted: Callable[[Hashable], bool]) -> int:
        """Remove the queued frames whose key is unwanted; returns how many."""
        keys = [key for key in self._waiting if unwanted(key)]
        for key in keys:
            del self._waiting[key]
        if keys and self._unfinished is not None and not self._unfinished.done():
            # The frame may be one of them: nobody waits until it is encoded.
            self._unfinished.set_result(None)
        return len(keys)

    async def drained(self) -> None:
        """Return when the queue is empty."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    def stop(self) -> None:
        """Send nothing more."""
        self.is_broken = True
        self.on_drained = None
        self._waiting.clear()
        if self._writer is not None:
            self._writer.cancel()
            # A task that is cancelled before its first step never runs its own `finally`.
            self._writer = None

    async def _write(self, unfinished: Awaitable[None] | None) -> None:
        try:
            if unfinished is not None:
                await self._in_time(unfinished)
            while self._waiting:
                key, frame = next(iter(self._waiting.items()))
                if isinstance(frame, SharedResult) and not frame.done():
                    # Keep the frame in the queue while it is encoded: a newer one can replace it, and `drop`
                    # finds it.
                    self._unfinished = frame.turn()
                    await self._unfinished
                    self._unfinished = None
                    continue
                del self._waiting[key]
                encoded = frame.result() if isinstance(frame, SharedResult) else frame
                if not self._is_written(encoded):
                    await self._in_time(self._send(encoded))
        except Exception:
            self.is_broken = True
            self._waiting.clear()
        finally:
            self._writer = None
        if self.on_drained is not None and not self.is_broken:
            self.on_drained()

    async def _in_time(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await sending
        except TimeoutError:
            with suppress(Exception):
                self._abort()
            raise
