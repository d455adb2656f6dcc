"""The open requests that a driver sees: those around a point, or all."""

from collections.abc import Collection, Sequence
from uuid import UUID

from models.geo import GeoPoint
from models.values import Location
from models.visibility import Actor, may_take
from services.events.topics import Topics
from services.live.events import LocationEvent, Message, StateRead
from services.live.feeds import Event, Outcome, Verdict
from services.live.messages import PoolSnapshot
from services.live.offer_area import Area
from services.live.reads import POOL_SNAPSHOT_LIMIT, StateReader
from services.live.screen import Screen, offered, withdrawn


class PoolFeed:
    """The open requests within reach of the driver, then each new or withdrawn one.

    - ``near`` fixes the area. Otherwise the area follows the driver's last position, and stays until there is a
      newer one. Before the first position the driver sees all requests.
    - Within reach are exactly the requests with a pick-up within the radius, and those without coordinates. The
      ``Screen`` decides which of them are shown, and for how long. Without an area the newest 200 are shown, and
      all later ones.
    - When the driver moves, requests that come into reach are offered, and those out of reach are withdrawn. A
      shown request is never offered again.

    An offer looks the same to every driver; this class decides which driver sees it.
    """

    # Each subscriber has one, and each event reads it: without a dictionary it is smaller and faster.
    __slots__ = (
        "_actor_id",
        "_location",
        "_names",
        "_own_topics",
        "_radius_m",
        "_screen",
        "actor",
        "topics",
    )

    def __init__(self, actor: Actor, topics: Topics, *, radius_m: float, near: GeoPoint | None = None) -> None:
        self.actor = actor
        self._actor_id = actor.id
        self._names = topics
        self._radius_m = radius_m
        self._location: Location | None = None
        # The topic of the driver's position, unless the area is fixed. Without a position no other topic is known.
        self._own_topics = () if near is not None else (topics.location(actor.id),)
        # None while there is no area: then the server does not know what the driver sees.
        self._screen: Screen | None = None
        self.topics: Collection[str] = self._own_topics
        if near is not None:
            self._begin_around(near)

    changes_in_s: float | None = None

    @property
    def moves(self) -> bool:
        """Whether the area follows the driver's position."""
        return bool(self._own_topics)

    @property
    def shown(self) -> Collection[UUID]:
        """The shown trips, as far as they are known: not without an area."""
        return self._screen.shown if self._screen is not None else ()

    async def prepare(self, state: StateReader) -> None:
        """Read the driver's position."""
        if not self._own_topics:
            return
        location = await state.location_of(self._actor_id)
        if location is not None and self._is_newer(location):
            self._location = location
            if self._screen is None:
                self._begin_around(location.point)
            else:
                self._screen.area = self._look_from(location.point)
        elif self._screen is None:
            self.topics = (*self._own_topics, self._names.pool)

    async def read(self, state: StateReader) -> StateRead:
        """Read the open trips around the driver, or the newest of all."""
        return await (state.open_trips() if self._screen is None else state.open_trips_in(self._screen.area))

    def snapshot(self, read: StateRead) -> Message:
        """The offers that the driver has not given back: the nearest, or the newest."""
        if self._screen is not None:
            return self._screen.replace(read)
        without = self._actor_id if self._actor_id in read.given_back_by else None
        return read.message(("offers", without), lambda: _newest(read, without))

    def change(self, event: Event) -> Outcome:
        """A new or withdrawn offer; or the effects of a new position."""
        if isinstance(event, LocationEvent):
            return self._move(event.location)
        if self._screen is not None:
            return self._screen.change(event)
        # For a driver who gave the trip back the offer is withdrawn. Every change of the trip repeats that: the
        # first withdrawal may have been lost, or may arrive later.
        return offered(event) if may_take(self._actor_id, event.trip) else withdrawn(event)

    def look_around(self, read: StateRead) -> Sequence[Message]:
        """The trips that came into reach and those out of reach, after the new cells have been read."""
        assert self._screen is not None, "only an area is left"
        return self._screen.refresh(read)

    def grow_old(self) -> Message | None:
        """Never called."""
        return None

    def _move(self, location: Location) -> Outcome:
        if not self._is_newer(location):
            return None
        self._location = location
        if self._screen is None:
            # The server does not know which offers the driver sees, so a snapshot replaces them.
            self._begin_around(location.point)
            return Verdict.READ_AGAIN
        before = self.topics
        area = self._look_from(location.point)
        if self.topics == before:
            return self._screen.move(area)
        self._screen.area = area
        return Verdict.LOOK_AROUND

    def _begin_around(self, point: GeoPoint) -> None:
        self._screen = Screen(self._actor_id, self._look_from(point))

    def _look_from(self, point: GeoPoint) -> Area:
        """The area around a point, whose topics are followed from now on."""
        area = Area.around(point, self._radius_m)
        if self._screen is None or area.cells != self._screen.area.cells:
            cells = {self._names.pool_cell(cell) for cell in area.cells}
            self.topics = frozenset({*self._own_topics, self._names.pool_any, *cells})
        return area

    def _is_newer(self, location: Location) -> bool:
        return self._location is None or self._location.recorded_at < location.recorded_at


def _newest(read: StateRead, without: UUID | None) -> PoolSnapshot:
    offers = tuple(t for t in read.trips[:POOL_SNAPSHOT_LIMIT] if without is None or may_take(without, t))
    return PoolSnapshot(offers, truncated=len(read.trips) > POOL_SNAPSHOT_LIMIT)
