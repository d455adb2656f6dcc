"""The open requests as a driver sees them: those around a point, or all."""

from collections.abc import Collection, Sequence
from uuid import UUID

from models.geo import GeoPoint
from models.values import Location
from models.visibility import Actor, may_take
from services.events.topics import Topics
from services.live.events import LocationEvent, Message, StateRead
from services.live.feeds import Event, Outcome, Verdict
from services.live.messages import PoolSnapshot
from services.live.offer_radius import Area
from services.live.reads import POOL_SNAPSHOT_LIMIT, StateReader
from services.live.screen import Screen, offered, withdrawn


class PoolFeed:
    """The open requests within reach of the driver, then each that comes or goes.

    - ``near`` pins an area. Without it the area follows the driver's last position, which stays until there is a
      newer one. Until there is one at all, the driver sees all requests.
    - Those within reach are exactly those whose pick-up lies within the radius, and those without coordinates.
      Which of them are shown, and for how long, the ``Screen`` says. Without an area the newest 200 are, and all
      that come later.
    - When the driver moves on, what comes into reach is offered and what falls out of it is withdrawn. Nothing is
      offered again that the driver has on the screen.

    An offer looks the same to every driver; this class decides which driver sees it.
    """

    # There is one for each subscriber, and each event reads it: without a dictionary it is smaller and faster.
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
        # The topic of the driver's position, unless an area is pinned. Without a position no other topic is known.
        self._own_topics = () if near is not None else (topics.location(actor.id),)
        # None while there is no area: then it is not known here what the driver is shown.
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
        """What is on the driver's screen, as far as that is known: not without an area."""
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
        """Read the open trips around, or the newest of all."""
        return await (state.open_trips() if self._screen is None else state.open_trips_in(self._screen.area))

    def snapshot(self, read: StateRead) -> Message:
        """The offers that the driver has not given back: the nearest, or the newest."""
        if self._screen is not None:
            return self._screen.replace(read)
        without = self._actor_id if self._actor_id in read.given_back_by else None
        return read.message(("offers", without), lambda: _newest(read, without))

    def change(self, event: Event) -> Outcome:
        """An offer that came, or one that went; or what a new position brings."""
        if isinstance(event, LocationEvent):
            return self._move(event.location)
        if self._screen is not None:
            return self._screen.change(event)
        # For a driver who gave the trip back the offer is withdrawn. Every change of the trip repeats that: the
        # first withdrawal may have been lost, or may arrive later.
        return offered(event) if may_take(self._actor_id, event.trip) else withdrawn(event)

    def look_around(self, read: StateRead) -> Sequence[Message]:
        """What came into reach and what fell out of it, now that the new cells have been read."""
        assert self._screen is not None, "only an area is left"
        return self._screen.refresh(read)

    def grow_old(self) -> Message | None:
        """Never asked for."""
        return None

    def _move(self, location: Location) -> Outcome:
        if not self._is_newer(location):
            return None
        self._location = location
        if self._screen is None:
            # It is not known which offers the driver is shown, so a snapshot replaces them.
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
