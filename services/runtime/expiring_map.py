"""A map whose entries expire, without a task that cleans up."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringMap(Generic[K, V]):
    """Keeps each value until its expiry time, by the caller's clock. ``put`` also removes expired entries.

    Keeps at most ``max_entries`` and then removes the one that was put first.
    """

    __slots__ = ("_entries", "_max_entries", "_on_removed")

    def __init__(self, max_entries: int, *, on_removed: Callable[[K], object] | None = None) -> None:
        """``on_removed`` is called for each key that ``put`` removes for another."""
        self._max_entries = max_entries
        self._on_removed = on_removed
        # With the time at which each expires; the one that was put longest ago comes first.
        self._entries: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: K, value: V, *, until_s: float, now_s: float) -> None:
        """Keep a value until ``until_s``; replaces the key's earlier value."""
        self._entries[key] = value, until_s
        self._entries.move_to_end(key)
        while self._entries:
            (_, oldest_until_s) = next(iter(self._entries.values()))
            if oldest_until_s >= now_s and len(self._entries) <= self._max_entries:
                break
            removed, _ = self._entries.popitem(last=False)
            if self._on_removed is not None:
                self._on_removed(removed)

    def get(self, key: K, *, now_s: float) -> V | None:
        """The value; None if there is none or it has expired."""
        entry = self._entries.get(key)
        return entry[0] if entry is not None and entry[1] > now_s else None

    def items(self) -> list[tuple[K, V, float]]:
        """Each key with its value and its expiry time, also those that have expired."""
        return [(key, value, until_s) for key, (value, until_s) in self._entries.items()]

    def discard(self, key: K) -> None:
        """Forget a key, if it is there."""
        self._entries.pop(key, None)
