"""Waiting for what happens on its own."""

import asyncio
from collections.abc import Callable

TIMEOUT_S = 10.0


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds. Raises: TimeoutError after ten seconds."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.001)
