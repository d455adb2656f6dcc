"""Cancels tasks reliably."""

import asyncio
from collections.abc import Collection

CANCEL_AGAIN_S = 0.1


async def cancel_and_wait(tasks: Collection["asyncio.Task[None]"]) -> None:
    """Cancel the tasks and wait until all have ended.

    It cancels repeatedly:
    on Python 3.11 asyncio.wait_for, through which redis-py connects, swallows a cancellation that
    comes together with its result.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=CANCEL_AGAIN_S)
