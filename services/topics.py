"""Every topic of the bus and every key in Redis, spelled in one place.

All begin with one configurable prefix, since publish/subscribe ignores Redis database numbers.
"""

from uuid import UUID, uuid4


class Topics:
    """The names, behind ``prefix``."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.pool = f"{prefix}:pool:all"
        self.sessions = f"{prefix}:sessions"

    def trip(self, trip_id: UUID) -> str:
        """Every change of one trip."""
        return f"{self._prefix}:trip:{trip_id}"

    def user(self, user_id: UUID) -> str:
        """Every change of a trip of that user's."""
        return f"{self._prefix}:user:{user_id}"

    def heartbeat(self) -> str:
        """A topic of one process alone: what it sends to itself, to know that its link to the broker lives."""
        return f"{self._prefix}:heartbeat:{uuid4()}"
