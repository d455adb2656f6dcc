"""Measures how late the event loop runs its callbacks: while one callback runs, all connections wait."""

import asyncio
from time import perf_counter, thread_time

from services.runtime.durations import Durations

# The intervals while the process is busy and while it is idle: waking an idle process takes 0.1 ms.
BUSY_INTERVAL_S, IDLE_INTERVAL_S = 0.01, 0.1
# The share of a core that counts as busy.
BUSY = 0.2


class LoopLag:
    """Measures how late the event loop runs a timer: every 10 ms while busy, otherwise every 100 ms.

    A stall of an idle loop is seen only if a timer is due during it.
    """

    def __init__(self) -> None:
        self.durations = Durations()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = self._began_s = self._cpu_s = 0.0

    async def start(self) -> None:
        """Begin to measure the running loop."""
        self._wait(IDLE_INTERVAL_S)

    async def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, interval_s: float) -> None:
        self._began_s, self._cpu_s = perf_counter(), thread_time()
        self._due_s = self._began_s + interval_s
        self._timer = asyncio.get_running_loop().call_later(interval_s, self._measure)

    def _measure(self) -> None:
        now_s = perf_counter()
        self.durations.add(max(0.0, now_s - self._due_s))
        is_busy = thread_time() - self._cpu_s > (now_s - self._began_s) * BUSY
        self._wait(BUSY_INTERVAL_S if is_busy else IDLE_INTERVAL_S)
