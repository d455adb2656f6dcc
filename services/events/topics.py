"""Every topic of the bus and every key in Redis, spelled in one place.

All begin with one configurable prefix, because publish/subscribe ignores Redis database numbers.
"""

from uuid import UUID, uuid4


class Topics:
    """The names, behind ``prefix``."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # Every open request, and those without coordinates.
        self.pool = f"{prefix}:pool:all"
        self.pool_any = f"{prefix}:pool:any"
        self.sessions = f"{prefix}:sessions"
        # The city for staff: within each process, not on the bus.
        self.city = f"{prefix}:city"
        # The key of the last positions of drivers without a trip.
        self.free_drivers = f"{prefix}:free-drivers"
        # The key that says that a process has swept them lately.
        self.free_drivers_sweep = f"{prefix}:free-drivers-sweep"

    def trip(self, trip_id: UUID) -> str:
        """Every change of one trip."""
        return f"{self._prefix}:trip:{trip_id}"

    def user(self, user_id: UUID) -> str:
        """Every change of a trip of that user's."""
        return f"{self._prefix}:user:{user_id}"

    def pool_cell(self, cell: int) -> str:
        """Every open request with a pick-up in that H3 cell."""
        return f"{self._prefix}:pool:{cell:x}"

    def driver(self, driver_id: UUID) -> str:
        """Every position of that driver, and every change of what decides whether the driver gets offers."""
        return f"{self._prefix}:location:{driver_id}"

    def car(self, trip_id: UUID) -> str:
        """Every position of the driver of that trip, while it is the driver's active one."""
        return f"{self._prefix}:car:{trip_id}"

    def is_of_locations(self, topic: str) -> bool:
        """Whether positions come on the topic; on all others but ``sessions``, only trips do."""
        return topic.startswith((f"{self._prefix}:location:", f"{self._prefix}:car:"))

    def last_location(self, driver_id: UUID) -> str:
        """The key of the driver's last position."""
        return f"{self._prefix}:last-location:{driver_id}"

    def lease(self, user_id: UUID) -> str:
        """The key of the lease on cached data of a user."""
        return f"{self._prefix}:lease:{user_id}"

    def rate(self, limit: str, key: str) -> str:
        """The Redis key of the used part of a limit."""
        return f"{self._prefix}:rate:{limit}:{key}"

    def heartbeat(self) -> str:
        """A topic of one process alone: what it sends to itself, to know that its link to the broker lives."""
        return f"{self._prefix}:heartbeat:{uuid4()}"
