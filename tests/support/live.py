"""A bus and a state that the test controls, and values to send."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from models.standing import Standing
from models.trip_life import TripStatus, has_ended, is_driving, is_open
from models.values import Approval, Location, Role, TripValue, UserValue
from models.visibility import Actor
from services.drivers.standings import Standings
from services.errors import DatabaseUnavailable
from services.events.topics import Topics
from services.limits.throttle import PerUser, ProcessThrottle
from services.live.hub import Hub
from services.live.messages import Content, Message
from services.live.reads import StateReader
from services.positions.cells import cell_of
from services.runtime.counters import Counters
from services.trips import rows as trip_rows
from services.trips.rows import TripsAt
from tests.support.trips import trip_value
from tests.support.waiting import PATIENCE_S, until

# No rate limit.
FREELY = PerUser("anything", None, ProcessThrottle())


def user(role: Role, **changes: Any) -> UserValue:
    """A new user."""
    user_id = uuid4()
    name = role.value.lower()
    return replace(UserValue(user_id, f"{name}-{user_id}@example.com", name, "Test", role, None), **changes)


def rider() -> Actor:
    """A rider in a session."""
    return Actor(user(Role.RIDER), uuid4())


def driver() -> Actor:
    """A driver in a session."""
    return Actor(user(Role.DRIVER), uuid4())


class ScriptedState:
    """Trips as a database would have them. Replaces the reads of ``services.trips.rows``.

    A read sees the state at its beginning. ``hold`` keeps reads from returning until it is set; ``failures`` is
    how many of the next reads fail.
    """

    def __init__(self) -> None:
        self.trips: dict[UUID, TripValue] = {}
        self.now = datetime.now(UTC)
        self.reads: list[str] = []
        self.failures = 0
        self.hold = asyncio.Event()
        self.hold.set()
        # What is changed of a driver's standing; the same hold for reads of that.
        self.standings: dict[UUID, dict[str, Any]] = {}
        self.hold_standings = asyncio.Event()
        self.hold_standings.set()
        self.standings_read = 0
        self._has_read = asyncio.Condition()

    def install(self, monkeypatch: Any) -> None:
        """Replace the reads."""
        monkeypatch.setattr(trip_rows, "find_at", self._find_at)
        monkeypatch.setattr(trip_rows, "open_trips", self._open_trips)
        monkeypatch.setattr(trip_rows, "trips_of", self._trips_of)
        monkeypatch.setattr(trip_rows, "open_trips_in", self._open_trips_in)
        monkeypatch.setattr(Standings, "of", lambda _, driver_id: self._standing_of(driver_id))

    def tick(self) -> datetime:
        """Advance the database's clock."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def request(self, **changes: Any) -> TripValue:
        """Commit a new trip."""
        now = self.tick()
        made = {"rider": user(Role.RIDER), "created": now, "expires_at": now + timedelta(minutes=10)}
        return self._commit(trip_value(**made | changes))

    def change(self, trip: TripValue, status: TripStatus, **changes: Any) -> TripValue:
        """Commit a change of a trip."""
        return self._commit(replace(trip, status=status, version=trip.version + 1, updated=self.tick(), **changes))

    def accept(self, trip: TripValue, actor: Actor) -> TripValue:
        """Commit that a driver accepts."""
        return self.change(trip, TripStatus.STARTED, driver=actor.user)

    def give_back(self, trip: TripValue) -> TripValue:
        """Commit that the driver gives the trip back."""
        assert trip.driver is not None
        given_back_by = trip.given_back_by | {trip.driver.id}
        return self.change(trip, TripStatus.REQUESTED, driver=None, given_back_by=given_back_by)

    def _commit(self, trip: TripValue) -> TripValue:
        self.trips[trip.id] = trip
        return trip

    async def reads_reach(self, count: int) -> None:
        """Return when that many reads have begun."""
        async with asyncio.timeout(PATIENCE_S), self._has_read:
            await self._has_read.wait_for(lambda: len(self.reads) >= count)

    async def _read(self, name: str, found: Iterable[TripValue]) -> TripsAt:
        self.reads.append(name)
        async with self._has_read:
            self._has_read.notify_all()
        begun, trips = self.tick(), tuple(sorted(found, key=lambda trip: trip.created, reverse=True))
        await self.hold.wait()
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("scripted")
        return TripsAt(trips, begun, begun)

    async def _find_at(self, _: object, trip_id: UUID) -> TripsAt:
        return await self._read("trip", [trip for trip in self.trips.values() if trip.id == trip_id])

    async def _open_trips(self, _: object, *, limit: int) -> TripsAt:
        return await self._read("pool", [trip for trip in self.trips.values() if is_open(trip.status)][-limit:])

    async def _open_trips_in(self, _: object, cells: Collection[int], *, limit: int) -> TripsAt:
        around = [
            trip
            for trip in self.trips.values()
            if is_open(trip.status) and (trip.pick_up is None or cell_of(trip.pick_up) in cells)
        ]
        return await self._read("areas", around[-limit:])

    async def _trips_of(
        self, _: object, user_id: UUID, role: Role, *, ended_limit: int, ended_since_s: int
    ) -> TripsAt:
        mine = [trip for trip in self.trips.values() if user_id in _parties(trip)]
        ended = [trip for trip in mine if has_ended(trip.status)][-ended_limit:]
        return await self._read("user", [trip for trip in mine if not has_ended(trip.status)] + ended)

    async def _standing_of(self, driver_id: UUID) -> Standing:
        self.standings_read += 1
        now, changed = self.tick(), self.standings.get(driver_id, {})
        driven = [t for t in self.trips.values() if t.driver is not None and is_driving(t.status)]
        trip_id = next((t.id for t in driven if t.driver is not None and t.driver.id == driver_id), None)
        await self.hold_standings.wait()
        return replace(standing_at(now), trip_id=trip_id, **changed)


def standing_at(moment: datetime) -> Standing:
    """The standing of a driver who may take trips."""
    return Standing(
        on_duty=True,
        approval=Approval.APPROVED,
        approval_reason=None,
        vehicle=None,
        trip_id=None,
        begun=moment,
        as_of=moment,
    )


class ScriptedPositions:
    """The last positions of drivers, set by the test."""

    def __init__(self) -> None:
        self.known: dict[UUID, Location] = {}

    async def last(self, driver_id: UUID) -> Location | None:
        """The position that the test has set."""
        return self.known.get(driver_id)


def hub_on(
    bus: "FakeBus", topics: Topics, positions: ScriptedPositions | None = None, *, linger_s: float = 0.0
) -> Hub:
    """A hub that reads from the scripted state."""
    counters = Counters()
    nothing = cast("Any", None)
    state = StateReader(nothing, cast("Any", positions or ScriptedPositions()), Standings(nothing), counters)
    hub = Hub(state, bus.listen, topics, counters, linger_s=linger_s)
    bus.hubs.append(hub)
    return hub


def _parties(trip: TripValue) -> set[UUID]:
    return {trip.rider.id} | ({trip.driver.id} if trip.driver is not None else set())


_END = object()


class FakeBus:
    """A bus that delivers messages on command. ``confirm`` holds back confirmations until it is set."""

    def __init__(self) -> None:
        self.confirm = asyncio.Event()
        self.confirm.set()
        # The same for single topics.
        self.confirm_later: dict[str, asyncio.Event] = {}
        # Set if listeners may leave; otherwise leaving waits for it.
        self.leave = asyncio.Event()
        self.leave.set()
        self.listening: dict[str, asyncio.Queue[Any]] = {}
        # Each topic, once for each time that somebody began to listen to it.
        self.asked: list[str] = []
        self.failure: Exception | None = None
        # The listeners.
        self.hubs: list[Hub] = []

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """The messages of a topic."""
        self.asked.append(topic)
        await self.confirm.wait()
        if topic in self.confirm_later:
            await self.confirm_later[topic].wait()
        if self.failure is not None:
            raise self.failure
        assert topic not in self.listening, "two listeners of one topic"
        queue = self.listening[topic] = asyncio.Queue()
        try:
            yield _drained(queue)
        finally:
            # broadcaster waits for the broker here.
            await asyncio.shield(self.leave.wait())
            del self.listening[topic]
            # A broker drops messages without listeners: without this, `publish` would wait for ever.
            while not queue.empty():
                queue.get_nowait()
                queue.task_done()

    async def publish(self, topic: str, *trips: TripValue | bytes) -> None:
        """Deliver, and return when the listener has delivered it or left."""
        await self.publish_together(*((topic, trip) for trip in trips))

    async def publish_together(self, *messages: tuple[str, TripValue | bytes]) -> None:
        """Deliver on several topics at once, and return when all listeners have delivered it or left."""
        queues = [self.listening[topic] for topic, _ in messages]
        for queue, (_, trip) in zip(queues, messages, strict=True):
            queue.put_nowait(trip if isinstance(trip, bytes) else trip.to_json())
        for queue in queues:
            await queue.join()
        await until(lambda: not any(hub.waiting for hub in self.hubs))

    async def end(self, topic: str) -> None:
        """End a topic as if it had failed."""
        self.listening[topic].put_nowait(_END)


async def _drained(queue: asyncio.Queue[Any]) -> AsyncIterator[bytes]:
    while (message := await queue.get()) is not _END:
        yield message
        queue.task_done()


class RecordingSink:
    """A sink that records its messages."""

    def __init__(self, on_deliver: Callable[[Message], None] | None = None) -> None:
        self._received: asyncio.Queue[Message | _Ended] = asyncio.Queue()
        self._on_deliver = on_deliver

    def deliver(self, message: Message) -> None:
        """Record a message."""
        if self._on_deliver is not None:
            self._on_deliver(message)
        self._received.put_nowait(message)

    def end(self, error: Exception | None) -> None:
        """Record the end."""
        self._received.put_nowait(_Ended(error))

    async def message(self) -> Message:
        """The next message."""
        async with asyncio.timeout(PATIENCE_S):
            received = await self._received.get()
        assert isinstance(received, Message), received
        return received

    async def next(self) -> Content:
        """The next message's content."""
        return (await self.message()).content

    async def ended(self) -> Exception | None:
        """The error or None of the end, which must come next."""
        async with asyncio.timeout(PATIENCE_S):
            received = await self._received.get()
        assert isinstance(received, _Ended), received
        return received.error

    @property
    def waiting(self) -> int:
        """How many messages are left."""
        return self._received.qsize()

    @property
    def is_empty(self) -> bool:
        """Whether no message is left."""
        return self._received.empty()


class _Ended:
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def __repr__(self) -> str:
        return f"ended({self.error!r})"
