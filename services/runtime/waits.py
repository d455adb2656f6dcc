"""Waits of workers that look again and again for work of all processes."""

import asyncio
import random
from contextlib import suppress


def about(seconds: float) -> float:
    """That time, up to 30 % shorter or longer: processes that started together do not all look at once."""
    return seconds * random.uniform(0.7, 1.3)  # noqa: S311 - no secret


async def until_woken(event: asyncio.Event, *, at_most_s: float) -> None:
    """Wait until ``event`` is set, or for about that time; then clear it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(about(at_most_s)):
            await event.wait()
    event.clear()
