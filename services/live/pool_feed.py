"""The open requests that a driver sees: those around a point, or all."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from models.geo import GeoPoint
from models.standing import ON_DUTY_ONLY, DriverRules, PauseReason, Standing
from models.trip_life import is_driving
from models.values import Location, TripValue
from models.visibility import Actor, may_take
from services.events.topics import Topics
from services.live.events import CityEvent, Event, LocationEvent, StandingEvent, StateRead, TripEvent
from services.live.feeds import Outcome, Verdict
from services.live.messages import Message, PoolSnapshot
from services.live.offer_area import Area
from services.live.reads import POOL_SNAPSHOT_LIMIT, StateReader
from services.live.shown_offers import ShownOffers, offered, withdrawn


class PoolFeed:
    """The open requests within reach of the driver, then each new or withdrawn one.

    - ``near`` fixes the area. Otherwise the area follows the driver's last position, and stays until there is a
      newer one. Before the first position the driver sees all requests.
    - Within reach are exactly the requests with a pick-up within the radius, and those without coordinates.
      ``ShownOffers`` decides which of them are shown, and for how long. Without an area the newest 200 are shown,
      and all later ones.
    - When the driver moves, requests that come into reach are offered, and those out of reach are withdrawn. A
      shown request is never offered again.
    - It is paused while the driver may not take trips, or is on one: one snapshot without offers says why, and one
      with offers comes when that is over. While it is paused for lack of approval, each decision makes a snapshot.
    - It always follows the driver's own topic. What comes there about trips only tells whether the pool should be
      paused: an offer comes on one topic alone, which keeps its versions in order.

    An offer looks the same to every driver; this class decides which driver sees it.
    """

    # Each subscriber has one, and each event reads it: without a dictionary it is smaller and faster.
    __slots__ = (
        "_actor_id",
        "_left",
        "_location",
        "_names",
        "_near",
        "_offers",
        "_own_topic",
        "_pause",
        "_radius_m",
        "_rules",
        "_standing",
        "actor",
        "topics",
    )

    def __init__(
        self,
        actor: Actor,
        topics: Topics,
        *,
        radius_m: float,
        near: GeoPoint | None = None,
        rules: DriverRules = ON_DUTY_ONLY,
    ) -> None:
        # Not as the session said, which may be hours old: approval is read with the standing.
        self.actor = actor if actor.is_approved else replace(actor, is_approved=True)
        self._actor_id = actor.id
        self._names = topics
        self._radius_m = radius_m
        self._rules = rules
        self._near = near
        self._location: Location | None = None
        # Loaded by ``prepare``: the driver's standing, and why there are no offers.
        self._standing: Standing | None = None
        self._pause: PauseReason | None = None
        # The last trip that a read found over, which its driver never takes again. It comes on two topics, so what
        # one of them says of its course may come later.
        self._left: UUID | None = None
        # The driver's positions, standing and drives.
        self._own_topic = topics.driver(actor.id)
        # None while there is no area: then the server does not know what the driver sees.
        self._offers: ShownOffers | None = None
        self.topics: Collection[str] = (self._own_topic,)

    changes_in_s: float | None = None

    @property
    def moves(self) -> bool:
        """Whether the area follows the driver's position."""
        return self._near is None

    @property
    def shown(self) -> Collection[UUID]:
        """The shown trips, as far as they are known: not without an area. Or the trip that pauses it."""
        if self._standing is not None and self._pause is PauseReason.ON_TRIP:
            return (self._standing.trip_id,) if self._standing.trip_id is not None else ()
        return self._offers.shown if self._offers is not None else ()

    async def prepare(self, state: StateReader) -> None:
        """Read the driver's standing and, unless that pauses the pool, the driver's position."""
        before, standing = self._standing, await state.standing_of(self._actor_id)
        if before is not None and before.trip_id not in (None, standing.trip_id):
            self._left = before.trip_id
        self._standing = standing
        self._pause = obstacle = self._rules.obstacle_of(standing)
        if self._pause is None and standing.trip_id is not None:
            self._pause = PauseReason.ON_TRIP
        if self._pause is None:
            await self._find_area(state)
            return
        self._offers = None
        self.topics = (self._own_topic,)
        if self._pause is PauseReason.ON_TRIP:
            # A server of the version before tells the end of the trip only there.
            self.topics = (self._own_topic, self._names.user(self._actor_id))
        if obstacle is not None:
            # The position is forgotten, at the latest when a trip under way ends.
            self._location = None

    async def _find_area(self, state: StateReader) -> None:
        point = self._near
        if point is None:
            location = await state.location_of(self._actor_id)
            if location is not None and self._is_newer(location):
                self._location = location
            point = self._location.point if self._location is not None else None
        if point is None:
            self.topics = (self._own_topic, self._names.pool)
        elif self._offers is None:
            self._begin_around(point)
        else:
            self._offers.area = self._look_from(point)

    async def read(self, state: StateReader) -> StateRead:
        """Read the open trips around the driver, or the newest of all; none while it is paused."""
        if self._pause is not None and self._standing is not None:
            return state.nothing_at(self._standing)
        return await (state.open_trips() if self._offers is None else state.open_trips_in(self._offers.area))

    def snapshot(self, read: StateRead) -> Message:
        """The offers that the driver has not given back: the nearest, or the newest. Or why there are none."""
        paused = self._pause
        if paused is not None:
            return read.message(paused, lambda: PoolSnapshot((), truncated=False, paused=paused))
        if self._offers is not None:
            return self._offers.replace(read)
        without = self._actor_id if self._actor_id in read.given_back_by else None
        return read.message(("offers", without), lambda: _newest(read, without))

    def change(self, event: Event) -> Outcome:
        """A new or withdrawn offer; or the effects of a new position."""
        if isinstance(event, LocationEvent):
            return self._move(event.location) if self._pause is None and self._near is None else None
        if self._pause is not None or not isinstance(event, TripEvent):
            return Verdict.READ_AGAIN if self.contradicts(event) else None
        # Asked first, because most changes are of trips without a driver.
        if event.trip.driver is not None and self.contradicts(event):
            return Verdict.READ_AGAIN
        if self._offers is not None:
            return self._offers.change(event)
        # For a driver who gave the trip back the offer is withdrawn. Every change of the trip repeats that: the
        # first withdrawal may have been lost, or may arrive later.
        return offered(event) if may_take(self._actor_id, event.trip) else withdrawn(event)

    def contradicts(self, event: Event) -> bool:
        """Whether the pool is paused and by the event should not be, or the reverse, or for another reason.

        Or staff have decided otherwise, which a snapshot tells too.
        """
        pause = self._pause
        if isinstance(event, LocationEvent | CityEvent):
            return False
        if isinstance(event, StandingEvent):
            obstacle = self._rules.obstacle(
                on_duty=event.on_duty, approval=event.approval, has_vehicle=event.has_vehicle
            )
            decided = self._standing.approval if self._standing is not None else None
            is_decision = self._rules.needs_approval and event.approval is not decided
            return is_decision or obstacle is not (None if pause is PauseReason.ON_TRIP else pause)
        if pause is None:
            return self._drives(event.trip) and event.trip.id != self._left
        # Any other reason counts before the trip.
        is_the_trip = self._standing is not None and self._standing.trip_id == event.trip.id
        return pause is PauseReason.ON_TRIP and is_the_trip and not self._drives(event.trip)

    def _drives(self, trip: TripValue) -> bool:
        return trip.driver is not None and trip.driver.id == self._actor_id and is_driving(trip.status)

    def update(self, read: StateRead) -> Sequence[Message]:
        """The trips that came into reach and those out of reach, after the new cells have been read."""
        assert self._offers is not None, "only an area is left"
        return self._offers.refresh(read)

    def on_timer(self) -> Message | None:
        """Never called."""
        return None

    def _move(self, location: Location) -> Outcome:
        if not self._is_newer(location):
            return None
        self._location = location
        if self._offers is None:
            # The server does not know which offers the driver sees, so a snapshot replaces them.
            self._begin_around(location.point)
            return Verdict.READ_AGAIN
        before = self.topics
        area = self._look_from(location.point)
        if self.topics == before:
            return self._offers.move(area)
        self._offers.area = area
        return Verdict.TOPICS_CHANGED

    def _begin_around(self, point: GeoPoint) -> None:
        self._offers = ShownOffers(self._actor_id, self._look_from(point))

    def _look_from(self, point: GeoPoint) -> Area:
        """The area around a point, whose topics are followed from now on."""
        area = Area.around(point, self._radius_m)
        if self._offers is None or area.cells != self._offers.area.cells:
            cells = {self._names.pool_cell(cell) for cell in area.cells}
            self.topics = frozenset({self._own_topic, self._names.pool_any, *cells})
        return area

    def _is_newer(self, location: Location) -> bool:
        return self._location is None or self._location.recorded_at < location.recorded_at


def _newest(read: StateRead, without: UUID | None) -> PoolSnapshot:
    offers = tuple(t for t in read.trips[:POOL_SNAPSHOT_LIMIT] if without is None or may_take(without, t))
    return PoolSnapshot(offers, truncated=len(read.trips) > POOL_SNAPSHOT_LIMIT)
