"""The versions of trips that a topic has delivered."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.live.events import TripEvent

# How long a topic remembers the last delivered version, by the database's clock.
VERSION_TTL = timedelta(minutes=10)
MAX_VERSIONS = 100_000
# More than the time between a change's `updated` and its commit: statements are aborted after 30 seconds.
LONGEST_COMMIT = timedelta(minutes=1)
NEVER = datetime.min.replace(tzinfo=UTC)


class DeliveredVersions:
    """The last delivered version of each trip, for ten minutes, and the age of the forgotten ones."""

    def __init__(self) -> None:
        # For each trip the last delivered version, its `as_of`, and the newest `as_of` before it; the oldest entry
        # first.
        self._versions: OrderedDict[UUID, tuple[int, datetime, datetime]] = OrderedDict()
        # The newest `as_of` of the forgotten versions.
        self._forgotten = NEVER

    def earlier_as_of(self, trip_id: UUID) -> datetime:
        """The newest ``as_of`` that an earlier event of the trip may have had."""
        known = self._versions.get(trip_id)
        return known[2] if known is not None else self._forgotten

    def note(self, event: TripEvent) -> bool:
        """Whether the event has a newer version than the delivered one; the version is then remembered.

        Do not call it if a newer version may be forgotten: remembering the old one would let all versions between
        the two pass.
        """
        trip_id, as_of = event.trip.id, event.as_of
        known = self._versions.get(trip_id)
        if known is not None and event.trip.version <= known[0]:
            return False
        before = max(known[1:]) if known is not None else self._forgotten
        self._versions[trip_id] = (event.trip.version, as_of, before)
        self._versions.move_to_end(trip_id)
        oldest = as_of - VERSION_TTL
        while len(self._versions) > MAX_VERSIONS or next(iter(self._versions.values()))[1] < oldest:
            self._forgotten = max(self._forgotten, self._versions.popitem(last=False)[1][1])
        return True

    def may_have_forgotten(self, event: TripEvent) -> bool:
        """Whether a newer version of the event's trip may have been delivered and forgotten.

        That version was committed after ``event.as_of``. This does not use the clock of the process, which may
        jump.
        """
        return event.trip.id not in self._versions and event.as_of <= self._forgotten + LONGEST_COMMIT
