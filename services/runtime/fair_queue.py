"""Work that comes in crowds, one piece a turn of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Does one piece of work a turn of the event loop, in the order of their coming.

    A handshake of a WebSocket costs as much as hundreds of deliveries, and so does what a flooding peer sends.
    When a thousand of them come at once, everybody else waits for one of them, and not for all that have come.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def put(self, work: Callable[[], None]) -> None:
        """Have the work done soon. What it raises goes to the event loop's exception handler."""
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
