"""The versions of trips that a topic has delivered."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.live.events import TripEvent

# How long a topic remembers the last delivered version, by the database's clock.
MARK_TTL = timedelta(minutes=10)
MAX_MARKS = 100_000
# More than the time between a change's `updated` and its commit: statements are aborted after 30 seconds.
LONGEST_COMMIT = timedelta(minutes=1)
NEVER = datetime.min.replace(tzinfo=UTC)


class Marks:
    """The last delivered version of each trip, for ten minutes, and the age of the forgotten ones."""

    def __init__(self) -> None:
        # For each trip the last delivered version, its `as_of`, and the newest `as_of` before it; the oldest entry
        # first.
        self._marks: OrderedDict[UUID, tuple[int, datetime, datetime]] = OrderedDict()
        # The newest `as_of` of the forgotten marks.
        self._forgotten = NEVER

    def told_before(self, trip_id: UUID) -> datetime:
        """The newest ``as_of`` that an earlier event of the trip may have had."""
        mark = self._marks.get(trip_id)
        return mark[2] if mark is not None else self._forgotten

    def note(self, event: TripEvent) -> bool:
        """Whether the event has a newer version than the delivered one; the version is then remembered.

        Do not call it if a newer version may be forgotten: remembering the old one would let all versions between
        the two pass.
        """
        trip_id, as_of = event.trip.id, event.as_of
        mark = self._marks.get(trip_id)
        if mark is not None and event.trip.version <= mark[0]:
            return False
        before = max(mark[1:]) if mark is not None else self._forgotten
        self._marks[trip_id] = (event.trip.version, as_of, before)
        self._marks.move_to_end(trip_id)
        oldest = as_of - MARK_TTL
        while len(self._marks) > MAX_MARKS or next(iter(self._marks.values()))[1] < oldest:
            self._forgotten = max(self._forgotten, self._marks.popitem(last=False)[1][1])
        return True

    def may_have_forgotten(self, event: TripEvent) -> bool:
        """Whether a newer version of the event's trip may have been delivered and forgotten.

        That version was committed after ``event.as_of``. This does not use the clock of the process, which may
        jump.
        """
        return event.trip.id not in self._marks and event.as_of <= self._forgotten + LONGEST_COMMIT
