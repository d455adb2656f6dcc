"""The open requests as a driver sees them: those around a point, or all."""

from collections.abc import Collection, Sequence
from uuid import UUID

from models.geo import GeoPoint, distance_m
from models.snapshots import Location, TripSnapshot
from models.trip_life import WithdrawReason, is_open, withdraw_reason
from models.visibility import Actor
from services.areas import Area
from services.live.feeds import Event, Outcome, Verdict
from services.live.messages import PoolSnapshot, TripOffered, TripWithdrawn
from services.live.occurrences import LocationEvent, Message, StateRead, TripEvent
from services.live.state import POOL_SNAPSHOT_LIMIT, State
from services.topics import Topics


class PoolFeed:
    """The open requests within reach of the driver, then each that comes or goes.

    - ``near`` pins an area. Without it the area follows the driver's last position, which stays until there is a
      newer one. Until there is one at all, the driver sees all requests.
    - Those within reach are exactly those whose pick-up lies within the radius, and those without coordinates.
    - When the driver moves on, what comes into reach is offered and what falls out of it is withdrawn. Nothing is
      offered again that the driver has on the screen.

    Offers are the same for whoever sees them; who sees which is decided here.
    """

    # One a subscriber, and looked at for each event: without a dictionary it is smaller and nearer.
    __slots__ = (
        "_actor_id",
        "_area",
        "_around",
        "_location",
        "_names",
        "_own_topics",
        "_radius_m",
        "_shown",
        "actor",
        "topics",
    )

    def __init__(self, actor: Actor, topics: Topics, *, radius_m: float, near: GeoPoint | None = None) -> None:
        self.actor = actor
        self._actor_id = actor.id
        self._names = topics
        self._radius_m = radius_m
        self._location: Location | None = None
        # The position of the driver, unless an area is pinned; where it is unknown, all topics but this are too.
        self._own_topics = () if near is not None else (topics.location(actor.id),)
        self._area: Area | None = None
        # Every open trip in the cells of the area, and of these what is on the driver's screen.
        self._around: dict[UUID, TripEvent] = {}
        self._shown: dict[UUID, TripEvent] = {}
        self.topics: Collection[str] = self._own_topics
        if near is not None:
            self._look_from(near)

    changes_in_s: float | None = None

    @property
    def moves(self) -> bool:
        """Whether the area follows the driver's position."""
        return bool(self._own_topics)

    @property
    def shown(self) -> Collection[UUID]:
        """What is on the driver's screen, as far as that is known: not without an area."""
        return self._shown

    async def prepare(self, state: State) -> None:
        """Find out where the driver is."""
        if not self._own_topics:
            return
        location = await state.location_of(self._actor_id)
        if location is not None and self._is_newer(location):
            self._location = location
            self._look_from(location.point)
        elif self._area is None:
            self.topics = (*self._own_topics, self._names.pool)

    async def read(self, state: State) -> StateRead:
        """Read the open trips around, or the newest of all."""
        return await (state.open_trips() if self._area is None else state.open_trips_in(self._area))

    def snapshot(self, read: StateRead) -> Message:
        """The offers that the driver has not given back: the nearest, or the newest."""
        if self._area is not None:
            return self._snapshot_around(read, self._area)
        without = self._actor_id if self._actor_id in read.given_back_by else None
        return read.message(("offers", without), lambda: _newest(read, without))

    def change(self, event: Event) -> Outcome:
        """An offer that came, or one that went; or what a new position brings."""
        if isinstance(event, LocationEvent):
            return self._move(event.location)
        trip = event.trip
        is_offer = self._may_take(trip)
        if self._area is None:
            # To whoever gave the trip back it has gone, whatever becomes of it, and each of its changes says so:
            # the one that took the offer away may have been lost, or come later.
            return _offered(event) if is_offer else _withdrawn(event)
        if not is_offer:
            self._around.pop(trip.id, None)
            return _withdrawn(event) if self._shown.pop(trip.id, None) is not None else None
        self._around[trip.id] = event
        return self._show(event) if self._reaches(trip, self._area) else None

    def look_around(self, read: StateRead) -> Sequence[Message]:
        """What came into reach and what fell out of it, now that the new cells have been read."""
        self._around = {event.trip.id: event for event in read.events if self._may_take(event.trip)}
        return self._update()

    def grow_old(self) -> Message | None:
        """Never asked for."""
        return None

    def _move(self, location: Location) -> Outcome:
        if not self._is_newer(location):
            return None
        had_area, before = self._area is not None, self.topics
        self._location = location
        self._look_from(location.point)
        if not had_area:
            # What the driver has on the screen is not known: a snapshot replaces it.
            return Verdict.READ_AGAIN
        return self._update() if self.topics == before else Verdict.LOOK_AROUND

    def _update(self) -> list[Message]:
        """Bring the screen to what is within reach. What is gone stays there until the event that says why."""
        assert self._area is not None, "only an area is left"
        messages: list[Message] = []
        for trip_id, event in list(self._shown.items()):
            if not self._reaches(event.trip, self._area):
                del self._shown[trip_id]
                messages.append(_out_of_range(event))
        for trip_id, event in self._around.items():
            shown = self._shown.get(trip_id)
            if (shown is None or shown.trip.version < event.trip.version) and self._reaches(
                event.trip, self._area
            ):
                messages.append(self._show(event))
        return messages

    def _snapshot_around(self, read: StateRead, area: Area) -> Message:
        self._around = {event.trip.id: event for event in read.events if self._may_take(event.trip)}
        within = [event for event in self._around.values() if self._reaches(event.trip, area)]
        within.sort(key=lambda event: _distance_m(event.trip, area))
        nearest = within[:POOL_SNAPSHOT_LIMIT]
        self._shown = {event.trip.id: event for event in nearest}
        truncated = read.is_cut or len(within) > len(nearest)
        # Equal screens share one message, however many drivers stand together.
        return read.message(
            ("nearest", truncated, *self._shown),
            lambda: PoolSnapshot(tuple(event.trip for event in nearest), truncated=truncated),
        )

    def _show(self, event: TripEvent) -> Message:
        self._shown[event.trip.id] = event
        return _offered(event)

    def _look_from(self, point: GeoPoint) -> None:
        area = Area.around(point, self._radius_m)
        if self._area is None or area.cells != self._area.cells:
            cells = {self._names.pool_cell(cell) for cell in area.cells}
            self.topics = frozenset({*self._own_topics, self._names.pool_any, *cells})
        self._area = area

    def _is_newer(self, location: Location) -> bool:
        return self._location is None or self._location.recorded_at < location.recorded_at

    def _may_take(self, trip: TripSnapshot) -> bool:
        # Most were given back by nobody; to hash an id takes as long as all the rest.
        return is_open(trip.status) and not (trip.given_back_by and self._actor_id in trip.given_back_by)

    def _reaches(self, trip: TripSnapshot, area: Area) -> bool:
        return trip.pick_up is None or area.holds(trip.pick_up)


def _newest(read: StateRead, without: UUID | None) -> PoolSnapshot:
    offers = tuple(t for t in read.trips[:POOL_SNAPSHOT_LIMIT] if without not in t.given_back_by)
    return PoolSnapshot(offers, truncated=len(read.trips) > POOL_SNAPSHOT_LIMIT)


def _distance_m(trip: TripSnapshot, area: Area) -> float:
    # Requests without coordinates come last, the newest first.
    return distance_m(area.center, trip.pick_up) if trip.pick_up is not None else float("inf")


def _offered(event: TripEvent) -> Message:
    return event.message("offered", lambda: TripOffered(event.trip), event.trip.id)


def _withdrawn(event: TripEvent) -> Message:
    trip = event.trip
    return event.message(
        "withdrawn", lambda: TripWithdrawn(trip.id, trip.version, withdraw_reason(trip.status)), trip.id
    )


def _out_of_range(event: TripEvent) -> Message:
    trip = event.trip
    return event.message(
        "out of range", lambda: TripWithdrawn(trip.id, trip.version, WithdrawReason.OUT_OF_RANGE), trip.id
    )
