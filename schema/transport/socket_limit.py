"""How many sockets and streams one user may have open."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID


class TooManySockets(Exception):
    """The user has reached the limit."""


class SocketLimit:
    """Counts the open sockets, event streams and multipart responses of each user, in this process.

    There is no ``await`` between the check and the count: of two that open at once, only one gets the last place.
    """

    def __init__(self, *, a_user: int) -> None:
        self._limit = a_user
        self._open: Counter[UUID] = Counter()

    def take(self, user_id: UUID) -> Callable[[], None]:
        """Count one more. Call the result once, when it closes.

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
