"""The feed of the city, for staff."""

from collections.abc import Collection, Sequence
from uuid import UUID

from models.visibility import Actor
from services.events.topics import Topics
from services.live.city import City
from services.live.city_state import CityState
from services.live.events import CityEvent, Event, StateRead
from services.live.faults import NotStaff
from services.live.feeds import Verdict
from services.live.messages import Message
from services.live.reads import StateReader
from services.trips.rows import TripsAt


class CityFeed:
    """The whole city, then what changes in each second, until the watcher is no member of staff any more.

    A state that was missed is replaced by a new snapshot.
    """

    moves = False
    shown: Collection[UUID] = ()
    changes_in_s: float | None = None

    def __init__(self, actor: Actor, topics: Topics, city: City) -> None:
        self.actor = actor
        self.topics = (topics.city,)
        self._city = city
        self._found: CityState | None = None
        self._sent = 0

    async def prepare(self, state: StateReader) -> None:
        """The topic depends on nothing."""

    async def read(self, state: StateReader) -> StateRead:
        """Take the state that all watchers share."""
        self._found = await self._city.state()
        return StateRead(TripsAt((), self._found.at, self._found.at))

    def snapshot(self, read: StateRead) -> Message:
        """The whole city. Raises: NotStaff."""
        assert self._found is not None, "it was read"
        found, self._found = self._found, None
        if self.actor.id in found.revoked:
            raise NotStaff
        self._sent = found.number
        return found.snapshot.message()

    def update(self, read: StateRead) -> Sequence[Message]:
        """Not used: the topics never change."""
        return ()

    def change(self, event: Event) -> Message | Verdict | None:
        """What has changed since the state that was sent last."""
        if not isinstance(event, CityEvent):
            return None
        if self.actor.id in event.revoked:
            return Verdict.NO_LONGER_STAFF
        if event.number <= self._sent:
            return None
        if event.number > self._sent + 1:
            return Verdict.READ_AGAIN
        self._sent = event.number
        return event.message()

    def contradicts(self, event: Event) -> bool:
        """Whether the event must not be dropped for a snapshot, which may be of an earlier second."""
        return isinstance(event, CityEvent)

    def on_timer(self) -> Message | None:
        """Not used: the city itself comes once a second."""
        return None
