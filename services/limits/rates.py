"""How often somebody may do something."""

import re
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"([1-9][0-9]{0,5})/(second|minute|hour|day)")


class RateLimited(Exception):
    """Too much at once; the same may be asked again after ``retry_after_s`` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"Too much at once: try again in {retry_after_s:.1f} s.")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Rate:
    """``times`` within ``period_s`` seconds."""

    times: int
    period_s: int

    @property
    def interval_s(self) -> float:
        """How far apart, if they came evenly."""
        return self.period_s / self.times

    def multiplied(self, factor: int) -> "Rate":
        """So many times as often."""
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


# What is kept for that many is about 10 MB a limit.
MAX_KEYS = 50_000


class RateLimit:
    """Holds everybody to a rate, within this process: one number a key, and no clean-up task.

    A burst of the whole number is let through, then what the rate allows: the generic cell rate algorithm
    (ITU-T I.371, annex A.1). At most ``max_keys`` are remembered: beyond that, who was counted least lately is
    forgotten. ``name`` is unique among the limits that are held over all processes.
    """

    def __init__(self, rate: Rate | None, *, name: str = "", max_keys: int = MAX_KEYS) -> None:
        self.name = name
        self.rate = rate
        self._max_keys = max_keys
        # Until when the key has used up what it may; the least lately used first.
        self._used_until: OrderedDict[Hashable, float] = OrderedDict()

    def check(self, key: Hashable) -> None:
        """Count one. Raises: RateLimited, and then it does not count."""
        if self.rate is None:
            return
        now = time.monotonic()
        used_until = max(now, self._used_until.get(key, now)) + self.rate.interval_s
        if used_until - now > self.rate.period_s + 1e-9:
            raise RateLimited(used_until - now - self.rate.period_s)
        self._used_until[key] = used_until
        self._used_until.move_to_end(key)
        while len(self._used_until) > self._max_keys or next(iter(self._used_until.values())) < now:
            self._used_until.popitem(last=False)

    def give_back(self, key: Hashable) -> None:
        """Take back one that was counted."""
        if self.rate is not None and key in self._used_until:
            self._used_until[key] -= self.rate.interval_s
