"""Rates, and a rate limit within one process."""

import re
import time
from collections.abc import Hashable
from math import ceil

from models.frozen import frozen
from services.runtime.expiring_map import ExpiringMap

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"([1-9][0-9]{0,5})/(second|minute|hour|day)")


class RateLimited(Exception):
    """The caller exceeded a rate limit and may try again after ``retry_after_s`` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        wait = f"{retry_after_s:.1f} s" if retry_after_s < 60 else f"{ceil(retry_after_s / 60)} min"
        super().__init__(f"Too much at once: try again in {wait}.")
        self.retry_after_s = retry_after_s


@frozen
class Rate:
    """``times`` within ``period_s`` seconds."""

    times: int
    period_s: int

    @property
    def interval_s(self) -> float:
        """The time between two uses at an even rate."""
        return self.period_s / self.times

    def used_until(self, used_until_s: float, now_s: float, *, times: int = 1) -> float:
        """Count ``times`` uses; returns until when the rate is used up (generic cell rate algorithm).

        The limit is exceeded if it is more than ``period_s`` ahead. Source: ITU-T I.371, annex A.1.
        """
        return max(now_s, used_until_s) + self.interval_s * times

    def is_too_much(self, used_until_s: float, now_s: float) -> bool:
        """Whether the counted uses exceed the rate and its burst."""
        return used_until_s - now_s > self.period_s + 1e-9

    def multiplied(self, factor: int) -> "Rate":
        """A rate ``factor`` times as high."""
        return Rate(self.times * factor, self.period_s)

    @classmethod
    def parse(cls, text: str) -> "Rate | None":
        """Read ``10/minute``; None: ``off``. Raises: ValueError."""
        if text == "off":
            return None
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError("must be like 10/minute (1 to 999999 a second, minute, hour or day), or off")
        return cls(int(match[1]), _SECONDS[match[2]])


# This many keys take about 10 MB per limit.
MAX_KEYS = 50_000


class RateLimit:
    """Limits each key to a rate, within this process. It keeps one number per key and needs no clean-up task.

    Allows a burst of ``times`` uses, then an even rate. Remembers at most ``max_keys`` keys and then forgets the
    least recently counted one. ``name`` is unique among the limits that all processes share. Limits of one
    ``group`` can be counted together.
    """

    def __init__(
        self, rate: Rate | None, *, name: str = "", group: str | None = None, max_keys: int = MAX_KEYS
    ) -> None:
        self.name = name
        self.group = group
        self.rate = rate
        # For each key, the time until which its rate is used up.
        self._used = ExpiringMap[Hashable, float](max_keys)

    def check(self, key: Hashable) -> None:
        """Count one use. Raises: RateLimited; then nothing is counted."""
        if self.rate is None:
            return
        now = time.monotonic()
        used_until = self.rate.used_until(self._used.get(key, now_s=now) or now, now)
        if self.rate.is_too_much(used_until, now):
            raise RateLimited(used_until - now - self.rate.period_s)
        self._used.put(key, used_until, until_s=used_until, now_s=now)

    def give_back(self, key: Hashable) -> None:
        """Take back one use."""
        now = time.monotonic()
        used_until = self._used.get(key, now_s=now)
        if self.rate is not None and used_until is not None:
            used_until -= self.rate.interval_s
            self._used.put(key, used_until, until_s=used_until, now_s=now)
