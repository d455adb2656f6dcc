"""Tells when many come at once, so that what they need can be fetched for several together."""

import asyncio

# This many within `WINDOW_S` are a crowd.
CROWD = 16
WINDOW_S = 0.05
# A crowd's next batch begins when nobody has come for so long.
QUIET_S = 0.003


class Crowd:
    """Whether many came within the last moments. Costs a comparison for each batch, and no timer."""

    def __init__(self) -> None:
        self._window_began_s = 0.0
        self._before = 0
        self._now = 0

    def has_come(self, count: int) -> bool:
        """Note that so many have come; returns whether they are part of a crowd."""
        now_s = asyncio.get_running_loop().time()
        age_s = now_s - self._window_began_s
        if age_s >= WINDOW_S:
            self._before = self._now if age_s < 2 * WINDOW_S else 0
            self._now = 0
            self._window_began_s = now_s
        self._now += count
        return max(self._before, self._now) >= CROWD
