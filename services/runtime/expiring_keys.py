"""Keys that are remembered for a time each, without a task that cleans up."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class ExpiringKeys(Generic[K]):
    """Remembers each key until a time, by a clock of the caller's. What has expired goes when a key is added.

    At most ``max_keys`` are remembered: beyond that, the one that was added longest ago is forgotten.
    """

    __slots__ = ("_max_keys", "_until")

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        # The one that was added longest ago comes first.
        self._until: OrderedDict[K, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: K, until_s: float, now_s: float) -> None:
        """Remember a key until then, in place of any earlier time."""
        self._until[key] = until_s
        self._until.move_to_end(key)
        while len(self._until) > self._max_keys or next(iter(self._until.values())) < now_s:
            self._until.popitem(last=False)

    def until(self, key: K, now_s: float) -> float | None:
        """Until when the key is remembered; None if it is not, or no longer."""
        until_s = self._until.get(key)
        return until_s if until_s is not None and until_s > now_s else None

    def shorten(self, key: K, by_s: float) -> None:
        """Remember a key for less long, if it is remembered."""
        if key in self._until:
            self._until[key] -= by_s
