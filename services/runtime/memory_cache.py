"""A cache that is bounded by the memory of its values, and what measures that memory."""

import sys
from collections import OrderedDict
from collections.abc import Hashable
from enum import EnumType
from gc import get_referents
from types import FunctionType, ModuleType
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# The overhead of an OrderedDict entry and its tuple while the dictionary grows, plus the error of the estimate for
# the smallest values.
ENTRY_BYTES = 600
# `getsizeof` does not count the array that holds the attributes of an object without slots: a header, and for each
# attribute a pointer and one spare.
_ATTRIBUTES_BYTES = 48
_ATTRIBUTE_BYTES = 12
_OF_THE_PROGRAM = frozenset({type, EnumType, ModuleType, type(None)})


class MemoryCache(Generic[K, V]):
    """An LRU cache whose values take at most ``max_bytes`` together."""

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def get(self, key: K) -> V | None:
        """The value of the key, marked as used; None if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, taken_bytes: int) -> None:
        """Keep a value under a key. ``taken_bytes``: the size of both, without the entry of the cache."""
        taken_bytes += ENTRY_BYTES
        replaced = self._entries.pop(key, None)
        if replaced is not None:
            self.bytes -= replaced[1]
        self._entries[key] = value, taken_bytes
        self.bytes += taken_bytes
        while self.bytes > self._max_bytes:
            self.bytes -= self._entries.popitem(last=False)[1][1]


def compact(data: bytes) -> bytes:
    """A copy of the bytes for long-lived use: bytes of orjson keep their whole output buffer of 4 KB or more.

    Source: https://github.com/home-assistant/core/pull/181245
    """
    return b"".join((data, b""))


def bytes_of(*values: object, at_most: int) -> int | None:
    """The memory of the values and of all that they refer to, in bytes, within 10 %; None if above ``at_most``.

    Classes, modules, enums and the code of functions belong to the program and do not count. Takes about 0.5 µs
    for each object, a tenth of what it takes to parse and validate a document, and stops at ``at_most``.
    """
    taken = 0
    seen = set[int]()
    level: list[Any] = list(values)
    while level:
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind in _OF_THE_PROGRAM or type(kind) is EnumType or id(value) in seen:
                continue
            seen.add(id(value))
            taken += sys.getsizeof(value)
            if kind is FunctionType:
                below.extend(value.__closure__ or ())
                continue
            held = get_referents(value)
            below += held
            # Reading ``__dict__`` would create the dictionary.
            if kind.__dictoffset__:
                taken += _ATTRIBUTES_BYTES + _ATTRIBUTE_BYTES * len(held)
        if taken > at_most:
            return None
        level = below
    return taken
