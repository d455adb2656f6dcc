"""Runs bursts of work one piece per event-loop iteration."""

import asyncio
from collections import deque
from collections.abc import Callable


class FairQueue:
    """Runs one piece of work per event-loop iteration, first in, first out.

    A handshake of a WebSocket costs as much as hundreds of deliveries, and so does what a flooding peer sends.
    When a thousand of them come at once, other connections wait for one of them, not for all.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def put(self, work: Callable[[], None]) -> None:
        """Queue the work. What it raises goes to the event loop's exception handler."""
        self._waiting.append(work)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._do_one)

    def _do_one(self) -> None:
        try:
            self._waiting[0]()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._do_one)
