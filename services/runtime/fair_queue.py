"""Spreads bursts of work over event-loop iterations, so that other connections are served in between."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter


class FairQueue:
    """Runs pieces of work in FIFO order: one per event-loop iteration, or as many as begin within ``turn_s``.

    A WebSocket handshake costs as much as hundreds of deliveries, and so does the input of a flooding client. If a
    thousand arrive at once, other connections wait for one of them, not for all.
    """

    def __init__(self, *, turn_s: float = 0.0) -> None:
        """``turn_s``: the time in one iteration during which further pieces may start; 0: one piece."""
        self._turn_s = turn_s
        self._waiting: deque[Callable[[], object]] = deque()
        self._has_turn = False

    def __len__(self) -> int:
        """How many pieces wait."""
        return len(self._waiting)

    def put(self, work: Callable[[], object]) -> None:
        """Queue the work. What it raises goes to the event loop's exception handler."""
        self._waiting.append(work)
        if not self._has_turn:
            self._has_turn = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    async def turn(self) -> None:
        """Return when it is the caller's turn."""
        waiting = asyncio.get_running_loop().create_future()
        # The caller may have been cancelled.
        self.put(lambda: waiting.done() or waiting.set_result(None))
        await waiting

    def _take_turn(self) -> None:
        until_s = perf_counter() + self._turn_s
        try:
            self._waiting.popleft()()
            while self._waiting and perf_counter() < until_s:
                self._waiting.popleft()()
        finally:
            self._has_turn = bool(self._waiting)
            if self._has_turn:
                asyncio.get_running_loop().call_soon(self._take_turn)
