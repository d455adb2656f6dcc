"""One result for many waiters."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from services.runtime.fair_queue import FairQueue

T = TypeVar("T")

# How many waiters continue in one iteration of the event loop: each may write to its socket.
WOKEN_AT_ONCE = 32


class SharedResult(Generic[T]):
    """The result of one future for many waiters, who are woken a few at a time.

    If ten thousand subscribers awaited the future itself, all would continue in one iteration of the event loop,
    and block all other connections. Cancelling a waiter does not cancel the future.
    """

    __slots__ = ("_future", "_turns", "_waiting", "_woken")

    def __init__(self, future: "asyncio.Future[T]", turns: FairQueue) -> None:
        """``turns`` must run one piece per iteration."""
        self._future = future
        self._turns = turns
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
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        return self._future.result()

    @property
    def waiting(self) -> int:
        """How many callers have not been woken yet."""
        return len(self._waiting)

    async def all_woken(self) -> None:
        """Return when there is a result and all its waiters have been woken."""
        await self._woken.wait()

    def _wake_first(self, _: "asyncio.Future[T]") -> None:
        self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(WOKEN_AT_ONCE, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
        if self._waiting:
            self._turns.put(self._wake_some)
        else:
            self._woken.set()
