"""Every topic of the bus and every key in Redis, spelled in one place.

All begin with one configurable prefix, because publish/subscribe ignores Redis database numbers.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID, uuid4
from zlib import crc32

# The hash tags of the parts into which the names are divided on a Redis Cluster: for each sixteenth of all slots
# the smallest number with such a slot. So each node has as many parts as its share of the slots. More parts would
# be spread more evenly over many nodes, but what asks for all drivers asks every part. Other tags change the
# names: all servers must stop first.
TAGS = ("10", "3", "61", "43", "11", "2", "60", "42", "12", "1", "63", "41", "13", "0", "62", "40")

# More than one process can hear from.
_KNOWN_DRIVERS = 16_384


class DriverNames(NamedTuple):
    """What a report of a driver's position uses: the topic, and the keys."""

    topic: str
    last_location: str
    lease: str
    free_drivers: str


class Topics:
    """The names, behind ``prefix``.

    On a Redis Cluster a tag follows the prefix, such as ``{10}``: names with equal tags are on the same node, so
    that one script can use them together. What belongs to one person has one tag.
    """

    def __init__(self, prefix: str, *, is_cluster: bool = False) -> None:
        self._prefix = f"{prefix}:"
        # What may follow the prefix.
        self._tags = [f"{{{tag}}}:" for tag in TAGS] if is_cluster else [""]
        # Every open request, and those without coordinates.
        self.pool = self._name("pool", "all")
        self.pool_any = self._name("pool", "any")
        self.sessions = self._name("sessions")
        # The database has a new primary.
        self.promotions = self._name("promotions")
        # The city for staff: within each process, not on the bus.
        self.city = self._name("city")
        # The keys of the last positions of drivers without a trip: one for each tag.
        self.free_drivers: Sequence[str] = [f"{self._prefix}{tag}free-drivers" for tag in self._tags]
        # The key that says that a process has swept them lately.
        self.free_drivers_sweep = self._name("free-drivers-sweep")
        # Remembered, because nearly everything that comes is a position.
        self.of_driver = lru_cache(_KNOWN_DRIVERS)(self._of_driver)

    def _name(self, kind: str, of: str | None = None, *, together_with: str | None = None) -> str:
        """``of``: what the name is about; ``together_with``: what decides about its tag instead."""
        name = kind if of is None else f"{kind}:{of}"
        return self._prefix + self._tag(together_with or of or kind) + name

    def _tag(self, of: str) -> str:
        return self._tags[crc32(of.encode()) % len(TAGS)] if len(self._tags) > 1 else ""

    def _of_driver(self, driver_id: UUID) -> DriverNames:
        return DriverNames(
            self.driver(driver_id),
            self.last_location(driver_id),
            self.lease(driver_id),
            self.free_drivers_with(driver_id),
        )

    def trip(self, trip_id: UUID) -> str:
        """Every change of one trip."""
        return self._name("trip", str(trip_id))

    def user(self, user_id: UUID) -> str:
        """Every change of a trip of that user's."""
        return self._name("user", str(user_id))

    def pool_cell(self, cell: int) -> str:
        """Every open request with a pick-up in that H3 cell."""
        return self._name("pool", f"{cell:x}")

    def driver(self, driver_id: UUID) -> str:
        """Every position of that driver, and every change of what decides whether the driver gets offers."""
        return self._name("location", str(driver_id))

    def car(self, trip_id: UUID) -> str:
        """Every position of the driver of that trip, while it is the driver's active one."""
        return self._name("car", str(trip_id))

    def is_of_locations(self, topic: str) -> bool:
        """Whether positions come on the topic; on all others but ``sessions``, only trips do."""
        return topic.startswith(self._prefix) and self.kind(topic) in {"location", "car"}

    def kind(self, topic: str) -> str:
        """What kind of topic it is, such as ``trip``; empty for a topic that is the only one of its kind."""
        return topic.removeprefix(self._prefix).rpartition(":")[0].rpartition(":")[2]

    def last_location(self, driver_id: UUID) -> str:
        """The key of the driver's last position."""
        return self._name("last-location", str(driver_id))

    def free_drivers_with(self, driver_id: UUID) -> str:
        """The key among ``free_drivers`` that has that driver."""
        return self._name("free-drivers", together_with=str(driver_id))

    def lease(self, user_id: UUID) -> str:
        """The key of the lease on cached data of a user."""
        return self._name("lease", str(user_id))

    def rate(self, limit: str, key: str, *, group: str | None = None) -> str:
        """The Redis key of the used part of a limit. Those of one ``group`` are on the same node."""
        return self._name("rate", f"{limit}:{key}", together_with=group or key or None)

    def heartbeats(self) -> Sequence[str]:
        """Topics of one process alone, one for each tag: what it sends to itself, to know that its link to the
        broker lives.
        """
        own = uuid4()
        return [f"{self._prefix}{tag}heartbeat:{own}" for tag in self._tags]
