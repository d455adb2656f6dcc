"""Waits for conditions."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

TIMEOUT_S = 10.0


async def until(condition: Callable[[], object | Awaitable[object]], timeout_s: float = TIMEOUT_S) -> None:
    """Return when the condition, or its result, is true. Raises: TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            held = condition()
            if isawaitable(held):
                held = await held
            if held:
                return
            await asyncio.sleep(0.001)
