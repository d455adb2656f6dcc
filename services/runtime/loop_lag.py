"""How late the event loop is: whatever holds it, everybody waits for that long."""

import asyncio
from bisect import bisect_left
from time import perf_counter, thread_time

# While the process is busy, and while it is not: to wake an idle process takes a tenth of a millisecond.
BUSY_INTERVAL_S, IDLE_INTERVAL_S = 0.01, 0.1
# The share of a core that counts as busy.
BUSY = 0.2
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Durations:
    """Counts durations by their length, as a histogram of Prometheus does."""

    __slots__ = ("_counts", "sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s

    def buckets(self) -> list[tuple[str, float]]:
        """For each bound how many were not longer; the last has all."""
        found: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, total))
        return found


class LoopLag:
    """Measures how much later than asked for the event loop calls: each 10 ms while it is busy, else each 100 ms.

    A stall that begins out of idleness is seen when it falls into one of these moments.
    """

    def __init__(self) -> None:
        self.durations = Durations()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = self._began_s = self._cpu_s = 0.0

    async def start(self) -> None:
        """Begin to measure the running loop."""
        self._wait(IDLE_INTERVAL_S)

    async def stop(self) -> None:
        """Measure no more."""
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
