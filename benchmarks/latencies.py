"""Percentiles of durations."""

from collections.abc import Iterable


class Latencies:
    """Durations in seconds, shown in milliseconds."""

    def __init__(self, durations_s: Iterable[float]) -> None:
        self._sorted = sorted(durations_s)

    def percentile_ms(self, percent: float) -> float:
        """The nearest-rank percentile; NaN when nothing was measured."""
        if not self._sorted:
            return float("nan")
        rank = max(0, -(-len(self._sorted) * percent // 100) - 1)
        return self._sorted[int(rank)] * 1000
