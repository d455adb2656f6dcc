"""The versions of trips that a topic has passed on."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.live.events import TripEvent

# How long a topic remembers the last version that it passed on, by the database's clock.
MARK_TTL = timedelta(minutes=10)
MAX_MARKS = 100_000
# More than lies between a change's `updated` and its commit: statements are given up after 30 seconds.
LONGEST_COMMIT = timedelta(minutes=1)
NEVER = datetime.min.replace(tzinfo=UTC)


class Marks:
    """The last version of each trip that was passed on, for ten minutes, and how new the forgotten ones are."""

    def __init__(self) -> None:
        # Of each trip the last version passed on, and its `as_of`, and that of the ones before; the oldest first.
        self._marks: OrderedDict[UUID, tuple[int, datetime, datetime]] = OrderedDict()
        # The newest `as_of` of those marks that are gone.
        self._forgotten = NEVER

    def told_before(self, trip_id: UUID) -> datetime:
        """The newest ``as_of`` that an event of the trip before the present one may have had."""
        mark = self._marks.get(trip_id)
        return mark[2] if mark is not None else self._forgotten

    def note(self, event: TripEvent) -> bool:
        """Whether the event is of a newer version than was passed on; it is remembered then.

        Not to be asked of an event of which a newer version may be forgotten: remembering the old one would let
        all versions between the two pass.
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
        """Whether a newer version of the event's trip may have been passed on, of which the mark is gone.

        That version was committed after ``event.as_of``. No clock of this process is asked: it may jump.
        """
        return event.trip.id not in self._marks and event.as_of <= self._forgotten + LONGEST_COMMIT
