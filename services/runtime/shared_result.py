"""One result for many waiters."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from services.runtime.fair_queue import FairQueue

T = TypeVar("T")

# How many waiters continue in one iteration of the event loop, and how many bytes they may write to their sockets.
WOKEN_AT_ONCE = 32
BYTES_AT_ONCE = 256 * 1024


class SharedResult(Generic[T]):
    """The result of one future for many waiters, who are woken a few at a time.

    If ten thousand subscribers awaited the future itself, all would continue in one iteration of the event loop,
    and block all other connections. Cancelling a waiter does not cancel the future.
    """

    __slots__ = ("_future", "_size", "_turns", "_waiting", "_woken")

    def __init__(
        self, future: "asyncio.Future[T]", turns: FairQueue, *, size: Callable[[T], int] = lambda _: 0
    ) -> None:
        """``turns`` must run one piece per iteration. ``size``: how many bytes each waiter writes."""
        self._future = future
        self._turns = turns
        self._size = size
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._woken = asyncio.Event()
        future.add_done_callback(self._wake_first)

    def done(self) -> bool:
        """Whether there is a result."""
        return self._future.done()

    def result(self) -> T:
        """The result. Raises: what the future raises."""
        return self._future.result()

    async def wait(self) -> T:
        """Wait for the result and for the caller's turn. Raises: what the future raises."""
        if not self._future.done():
            await self.turn()
        return self._future.result()

    def turn(self) -> "asyncio.Future[None]":
        """Done when there is a result, or none will come, and it is the caller's turn."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return waiting

    @property
    def waiting(self) -> int:
        """How many callers have not been woken yet."""
        return len(self._waiting)

    @property
    def has_woken_all(self) -> bool:
        """Whether there is a result, and nobody waits any more."""
        return self._woken.is_set()

    async def all_woken(self) -> None:
        """Return when there is a result and all its waiters have been woken."""
        await self._woken.wait()

    def _wake_first(self, _: "asyncio.Future[T]") -> None:
        self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(self._at_once(), len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
        if self._waiting:
            self._turns.put(self._wake_some)
        else:
            self._woken.set()

    def _at_once(self) -> int:
        """How many waiters go on together."""
        if self._future.cancelled() or self._future.exception() is not None:
            return WOKEN_AT_ONCE
        return max(1, min(WOKEN_AT_ONCE, BYTES_AT_ONCE // max(1, self._size(self._future.result()))))
