"""How late the event loop is: whatever holds it, everybody waits for that long."""

import asyncio
from bisect import bisect_left
from time import perf_counter

# A stall is seen as up to so much shorter. To wake an idle process so often costs up to half a percent of a core.
INTERVAL_S = 0.02
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
    """Measures how much later than asked for the event loop calls, once in 20 ms."""

    def __init__(self) -> None:
        self.durations = Durations()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    async def start(self) -> None:
        """Begin to measure the running loop."""
        self._begin()

    async def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        self._due_s = perf_counter() + INTERVAL_S
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._measure)

    def _measure(self) -> None:
        self.durations.add(max(0.0, perf_counter() - self._due_s))
        self._begin()
