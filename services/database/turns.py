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
