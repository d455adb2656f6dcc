"""How many sockets and event streams one user may have open."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID


class TooManySockets(Exception):
    """The user has as many open as one may have."""


class SocketLimit:
    """Counts the open sockets and event streams of each user, in this process.

    Nothing waits between comparing and counting: of two that come at once for the last place, exactly one gets it.
    """

    def __init__(self, *, a_user: int) -> None:
        self._limit = a_user
        self._open: Counter[UUID] = Counter()

    def take(self, user_id: UUID) -> Callable[[], None]:
        """Count one more; returns what gives the place back, to be called once.

        Raises:
            TooManySockets
        """
        if self._open[user_id] >= self._limit:
            raise TooManySockets

        def give_back() -> None:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]

        self._open[user_id] += 1
        return give_back
