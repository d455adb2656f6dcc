"""Waits for conditions."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

# For what must come: a machine that is busy with other tests, or slow, is no failure. A test that waits for
# nothing to come, or for something to be quick, has its own bound.
PATIENCE_S = 30.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.02
# A pause is this part of the time that has passed: the wait takes so much longer, and a look in each millisecond
# would take the processor from what is waited for.
PAUSE = 0.05


async def until(condition: Callable[[], object | Awaitable[object]], timeout_s: float = PATIENCE_S) -> None:
    """Return when the condition, or its result, is true. Raises: TimeoutError."""
    now = asyncio.get_running_loop().time
    began = now()
    async with asyncio.timeout(timeout_s):
        while True:
            held = condition()
            if isawaitable(held):
                held = await held
            if held:
                return
            await asyncio.sleep(min(max(PAUSE * (now() - began), SHORTEST_PAUSE_S), LONGEST_PAUSE_S))
