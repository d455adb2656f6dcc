"""A line in which clients have turns."""

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """What can wait in the line. ``client``: whose it is. ``since_s``: when it came."""

    client: Hashable
    since_s: float

    @property
    def is_waiting(self) -> bool:
        """False: it was given up."""
        ...


T = TypeVar("T", bound=Waiting)


class FairLine(Generic[T]):
    """A line for each client; one of each client is taken in turn: nobody waits behind a flood of others."""

    def __init__(self) -> None:
        # Those whose turn is next come first. In each line, the oldest comes first.
        self._clients: dict[Hashable, deque[T]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def put(self, item: T, *, most: int) -> T | None:
        """Let it wait. If the line, of ``most`` places, is full, returns the newest of the client who has most in
        it, and that one no longer waits.
        """
        line = self._clients.get(item.client)
        if line is None:
            line = self._clients[item.client] = deque()
        line.append(item)
        self._count += 1
        if self._count <= most:
            return None
        while True:
            longest = max(self._clients.values(), key=len)
            if len(line) == len(longest):
                # So that a newcomer does not push out somebody who has no more than it.
                longest = line
            while longest:
                last = longest.pop()
                if last.is_waiting:
                    self._count -= 1
                    self._drop_empty()
                    return last
            self._drop_empty()

    def take(self, *, newest: bool = False) -> T:
        """The oldest or the newest of the client whose turn it is. The line must not be empty."""
        while True:
            client, line = next(iter(self._clients.items()))
            del self._clients[client]
            item = None
            while line and item is None:
                first = line.pop() if newest else line.popleft()
                item = first if first.is_waiting else None
            if line:
                self._clients[client] = line
            if item is not None:
                self._count -= 1
                return item

    def has_its_share(self, client: Hashable) -> bool:
        """Whether no fewer of this client wait than of others on average."""
        return len(self._clients.get(client, ())) * len(self._clients) >= self._count

    def oldest_since_s(self) -> float:
        """When the oldest came. The line must not be empty."""
        for line in self._clients.values():
            while line and not line[0].is_waiting:
                line.popleft()
        self._drop_empty()
        return min(line[0].since_s for line in self._clients.values())

    def older_than(self, since_s: float) -> Iterator[T]:
        """Take out those who came before ``since_s``."""
        for line in self._clients.values():
            while line and (line[0].since_s < since_s or not line[0].is_waiting):
                item = line.popleft()
                if item.is_waiting:
                    self._count -= 1
                    yield item
        self._drop_empty()

    def forget(self) -> None:
        """One that waits is given up: its ``is_waiting`` is false from now on."""
        self._count -= 1

    def _drop_empty(self) -> None:
        for client in [client for client, line in self._clients.items() if not line]:
            del self._clients[client]
