"""Decides which offers in a driver's area the driver sees."""

from bisect import insort
from collections.abc import Sequence
from uuid import UUID

from models.geo import distance_m
from models.trip_life import WithdrawReason, withdraw_reason
from models.values import TripValue
from models.visibility import may_take
from services.live.events import StateRead, TripEvent
from services.live.messages import Message, PoolSnapshot, TripOffered, TripWithdrawn
from services.live.offer_area import KEPT, Area
from services.live.reads import POOL_SNAPSHOT_LIMIT


class ShownOffers:
    """The offers that one driver sees, and the messages that update them.

    - A new offer is shown if it lies within the radius. It stays until it lies 10 % further away, or can no longer
      be accepted.
    - At most 200 offers are shown, the nearest ones: an offer that is nearer by 10 % replaces the farthest. An
      offer without a place is shown when a quarter of the places is free, or with the next position.
    - A snapshot reports a change of ``truncated``. A snapshot also replaces more than 100 simultaneous changes.
    - An offer that a read no longer finds stays until the event that says why it was withdrawn.
    """

    __slots__ = ("_actor_id", "_around", "_by_distance", "_hidden", "_is_cut", "_truncated", "area", "shown")

    def __init__(self, actor_id: UUID, area: Area) -> None:
        self.area = area
        self.shown: dict[UUID, TripEvent] = {}
        self._actor_id = actor_id
        # Every open trip in the cells of the area; and those within reach for which there is no place.
        self._around: dict[UUID, TripEvent] = {}
        self._hidden: set[UUID] = set()
        # Whether the read was truncated, and the value of `truncated` in the last snapshot.
        self._is_cut = False
        self._truncated = False
        # The shown offers, the nearest first; None until it is needed.
        self._by_distance: list[tuple[float, UUID]] | None = None

    def replace(self, read: StateRead) -> Message:
        """Show exactly the offers of a read: a snapshot, one for all equal screens."""
        self._take_in(read)
        within = sorted(
            (event for event in self._around.values() if self._holds(event.trip)), key=self._distance_of
        )
        self.shown = {event.trip.id: event for event in within[:POOL_SNAPSHOT_LIMIT]}
        self._hidden = {event.trip.id for event in within[POOL_SNAPSHOT_LIMIT:]}
        self._by_distance = None
        self._truncated = self._is_truncated
        return read.message(("nearest", self._truncated, *self.shown), self._snapshot)

    def refresh(self, read: StateRead) -> Sequence[Message]:
        """Show the offers of a read around the area, which has changed."""
        self._take_in(read)
        gone = [
            event
            for event in read.events
            if not may_take(self._actor_id, event.trip) and event.trip.id in self.shown
        ]
        for event in gone:
            # The read includes these changes: their events are older than the read, and will not be delivered.
            del self.shown[event.trip.id]
        return self._update([withdrawn(event) for event in gone])

    def move(self, area: Area) -> Sequence[Message]:
        """Show the offers within reach of an area with the same cells."""
        self.area = area
        return self._update([])

    def change(self, event: TripEvent) -> Message | Sequence[Message] | None:
        """Apply an event."""
        trip = event.trip
        if not may_take(self._actor_id, trip):
            self._around.pop(trip.id, None)
            self._hidden.discard(trip.id)
            if self.shown.pop(trip.id, None) is None:
                # It was not shown, but `truncated` may have changed.
                return self._settled([])
            if self._hidden and len(self.shown) <= POOL_SNAPSHOT_LIMIT * 3 // 4:
                return self._update([withdrawn(event)])
            return withdrawn(event)
        self._around[trip.id] = event
        if trip.id in self.shown:
            self.shown[trip.id] = event
            return offered(event)
        if not self._holds(trip):
            return None
        if len(self.shown) < POOL_SNAPSHOT_LIMIT:
            self._hidden.discard(trip.id)
            return self._show(event)
        return self._settled(self._make_room(event))

    def _take_in(self, read: StateRead) -> None:
        self._around = {event.trip.id: event for event in read.events if may_take(self._actor_id, event.trip)}
        self._is_cut = read.is_cut

    def _update(self, messages: list[Message]) -> Sequence[Message]:
        """Show the offers within reach, and withdraw the others."""
        area = self.area
        self._by_distance = None
        for trip_id, event in list(self.shown.items()):
            if event.trip.pick_up is not None and not area.keeps(event.trip.pick_up):
                del self.shown[trip_id]
                messages.append(out_of_range(event))
        new: list[TripEvent] = []
        for trip_id, event in self._around.items():
            shown = self.shown.get(trip_id)
            if shown is None:
                if self._holds(event.trip):
                    new.append(event)
            elif shown.trip.version < event.trip.version:
                self.shown[trip_id] = event
                messages.append(offered(event))
        self._hidden = set()
        if len(self.shown) + len(new) > POOL_SNAPSHOT_LIMIT:
            new.sort(key=self._distance_of)
        for event in new:
            if len(self.shown) < POOL_SNAPSHOT_LIMIT:
                messages.append(self._show(event))
            else:
                messages += self._make_room(event)
        return self._settled(messages)

    def _make_room(self, event: TripEvent) -> list[Message]:
        """Show a new offer in place of the farthest one, if that is much farther."""
        if self._by_distance is None:
            self._by_distance = sorted((self._distance_of(shown), shown.trip.id) for shown in self.shown.values())
        while self._by_distance[-1][1] not in self.shown:
            self._by_distance.pop()
        farthest_m, farthest_id = self._by_distance[-1]
        if farthest_m <= self._distance_of(event) * KEPT:
            self._hidden.add(event.trip.id)
            return []
        self._by_distance.pop()
        farthest = self.shown.pop(farthest_id)
        # A trip beyond the radius, or one that only waits for the event of its end, must not come back.
        if farthest_id in self._around and self._holds(farthest.trip):
            self._hidden.add(farthest_id)
        self._hidden.discard(event.trip.id)
        return [out_of_range(farthest), self._show(event)]

    def _show(self, event: TripEvent) -> Message:
        self.shown[event.trip.id] = event
        if self._by_distance is not None:
            insort(self._by_distance, (self._distance_of(event), event.trip.id))
        return offered(event)

    def _settled(self, messages: list[Message]) -> Sequence[Message]:
        """The messages, or a snapshot that replaces them."""
        if self._is_truncated == self._truncated and len(messages) <= POOL_SNAPSHOT_LIMIT // 2:
            return messages
        # The snapshot leaves out withdrawn trips without waiting for the events that say why.
        self.shown = {trip_id: event for trip_id, event in self.shown.items() if trip_id in self._around}
        self._fill()
        self._truncated = self._is_truncated
        return (Message(self._snapshot(), None),)

    def _fill(self) -> None:
        """Show the nearest offers without a place in the free places."""
        free = POOL_SNAPSHOT_LIMIT - len(self.shown)
        if self._hidden and free > 0:
            waiting = sorted((self._around[trip_id] for trip_id in self._hidden), key=self._distance_of)
            for event in waiting[:free]:
                self.shown[event.trip.id] = event
                self._hidden.remove(event.trip.id)
            self._by_distance = None

    def _snapshot(self) -> PoolSnapshot:
        nearest = sorted(self.shown.values(), key=self._distance_of)
        return PoolSnapshot(tuple(event.trip for event in nearest), truncated=self._truncated)

    @property
    def _is_truncated(self) -> bool:
        return self._is_cut or bool(self._hidden)

    def _holds(self, trip: TripValue) -> bool:
        return trip.pick_up is None or self.area.holds(trip.pick_up)

    def _distance_of(self, event: TripEvent) -> float:
        # Requests without coordinates come last, the newest first.
        pick_up = event.trip.pick_up
        return distance_m(self.area.center, pick_up) if pick_up is not None else float("inf")


def offered(event: TripEvent) -> Message:
    """The message that a trip is offered."""
    return event.message("offered", lambda: TripOffered(event.trip), event.trip.id)


def withdrawn(event: TripEvent) -> Message:
    """The message that an offer is withdrawn, with the reason."""
    trip = event.trip
    return event.message(
        "withdrawn", lambda: TripWithdrawn(trip.id, trip.version, withdraw_reason(trip.status)), trip.id
    )


def out_of_range(event: TripEvent) -> Message:
    """The message that an offer is too far away now."""
    trip = event.trip
    return event.message(
        "out of range", lambda: TripWithdrawn(trip.id, trip.version, WithdrawReason.OUT_OF_RANGE), trip.id
    )
