"""Whose turn it is to use a connection."""

import asyncio


class Turns:
    """Lets a number of tasks go on at once, the others in the order of their coming: ``async with turns``."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._semaphore = asyncio.Semaphore(at_once)
        # How many wait.
        self.waiting = 0
        # How many have gone on and ended without an error.
        self.done = 0

    async def __aenter__(self) -> None:
        if not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        self.waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self.waiting -= 1

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.done += 1
        self._semaphore.release()

    @property
    def room(self) -> int:
        """How many more may wait: a line as long as the number of those who go on keeps all connections in use."""
        return max(0, self._at_once - self.waiting)
