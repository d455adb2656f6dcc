"""Live delivery under a scheduler, which chooses who continues next and what happens in between.

A ``World`` has the real hub, feeds, deliveries and send queues, on a database, a bus and wires that wait for the
scheduler. It takes every decision from a string of bytes: the same bytes give the same run.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
import structlog
from graphql import GraphQLError

from models.geo import GeoPoint, distance_m
from models.standing import PauseReason, Standing
from models.trip_life import (
    TRANSITIONS,
    Transition,
    TripStatus,
    has_ended,
    is_driving,
    is_on_the_way,
    is_open,
)
from models.values import Approval, Location, Role, TripValue, UserValue
from models.visibility import Actor, is_on_trip, may_see
from schema.operations.execution import Following
from schema.transport import delivery as delivery_module
from schema.transport import send_queue as send_queue_module
from schema.transport.delivery import Delivery
from schema.transport.send_queue import Frame, SendQueue
from services.drivers.announcements import PREFIX as STANDING_PREFIX
from services.drivers.announcements import read_standing, standing_message
from services.errors import DatabaseUnavailable
from services.events.topics import Topics
from services.live import hub as hub_module
from services.live import pool_feed as pool_feed_module
from services.live import reads as reads_module
from services.live import shown_offers as shown_offers_module
from services.live import subscriber as subscriber_module
from services.live import topic as topic_module
from services.live.feeds import DriverLocationFeed, Feed, MyTripsFeed, NotFound, TripFeed
from services.live.hub import Hub
from services.live.messages import (
    Content,
    DriverAt,
    Message,
    MyTripsSnapshot,
    PoolSnapshot,
    TripChanged,
    TripOffered,
    TripState,
    TripWithdrawn,
)
from services.live.pool_feed import PoolFeed
from services.live.reads import StateReader
from services.positions import cells as h3_cells
from services.positions.cells import cell_of, cells_of
from services.positions.freshness import Lifetime
from services.runtime import shared_result as shared_result_module
from services.runtime.counters import Counters
from services.trips import rows as trip_rows
from services.trips.announcements import found_message
from services.trips.rows import TripsAt
from tests.support.globe import destination
from tests.support.live import standing_at
from tests.support.trips import trip_value

TOPICS = Topics("t")
# All ways to end a trip, whoever may take them, and to begin the ride.
ENDS = tuple(step for step in TRANSITIONS if has_ended(step.target))
BEGINNINGS = tuple(step for step in TRANSITIONS if is_on_the_way(step.source) and is_driving(step.target))
RADIUS_M = 100.0
MARGIN = 1.1
# Small, so that a short run reaches every limit.
MAX_SHOWN, MAX_SENDING, MAX_BUFFERED, MAX_TOPIC = 3, 3, 6, 2
RIDERS, DRIVERS, MAX_SUBSCRIPTIONS, MAX_TRIPS = 2, 3, 6, 12
FIRST_TRIP = 100
# How much more often than usual an action is chosen in a run.
MIXTURE = (0, 1, 1, 5)

# The age of a position is measured by the process's clock, which the scheduler does not control.
NEVER_STALE = Lifetime(stale_s=1e9, ttl_s=1e9)

# On the border of two cells: a step across it changes the area, and nearby trips stay in reach.
BORDER = destination(GeoPoint(*h3_cells.h3.cell_to_latlng(cell_of(GeoPoint(52.3702, 4.8952)))), 60, 1_258)


def _at(metres: float) -> GeoPoint:
    return destination(BORDER, 60 if metres >= 0 else 240, abs(metres))


# From -20 the trip at 95 is out of reach, from -12 it is within the margin, from 20 it is near.
SPOTS = (_at(-20), _at(20), _at(-12), _at(20_000))
PLACES = (_at(-60), _at(95), _at(10), None, _at(20_030), _at(40))
# Topics that no test uses are left out: otherwise it would listen to a whole ring of cells.
INHABITED = frozenset(cell for place in PLACES if place is not None for cell in cells_of(place))
_cover = h3_cells._cover  # pyright: ignore[reportPrivateUsage]

# Actions that need many turns of the loop.
RUN_TO_READS, RUN_TO_REST = "run to reads", "run to rest"

# A change: a trip and its new version.
_Note = tuple[UUID, int]


class Broken(AssertionError):
    """A guarantee of live delivery is broken. The first word says which."""


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop that runs one turn on command, with a clock that stands still in between."""

    now = 0.0

    def time(self) -> float:
        """The loop's own clock."""
        return self.now

    def turn(self) -> None:
        """Run everything that is ready now."""
        self.stop()
        self.run_forever()

    @property
    def is_idle(self) -> bool:
        """Whether everything waits for something outside."""
        return not cast("Any", self)._ready


class Choices:
    """Decisions from a string of bytes; after its end each decision is the first option."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._next = 0

    @property
    def is_over(self) -> bool:
        """Whether no bytes are left."""
        return self._next >= len(self._data)

    def below(self, count: int) -> int:
        """A number from 0 to ``count - 1``."""
        if self.is_over:
            return 0
        self._next += 1
        return self._data[self._next - 1] % count


class Wire:
    """The connection of one client, who reads only while it is ``open``."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.send_queue = SendQueue(self.send, lambda: None)

    async def send(self, frame: Frame) -> None:
        await self.open.wait()
        frame["read"]()


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription: what its client shows, and the messages that were passed to its send queue."""

    kind: str
    actor: Actor
    feed: Feed
    wire: Wire
    trip_id: UUID | None
    pinned: GeoPoint | None
    has_area: bool
    delivery: Delivery = field(init=False)
    task: asyncio.Task[None] = field(init=False)
    sent: "Screen" = field(init=False)
    screen: "Screen" = field(init=False)
    has_begun: bool = False
    error: Exception | None = None


class Screen:
    """The state that a client builds from its messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown: dict[UUID, int] = {}
        self.told: dict[UUID, int] = {}
        self.truncated = False
        self.paused: PauseReason | None = None
        self.driver_at: Location | None = None
        self.has_snapshot = False
        self.has_ended = False

    def take(self, content: Content | None) -> None:
        """The next message; None: the last."""
        if self.has_ended:
            raise Broken(f"after-end: {self.name} {content}")
        match content:
            case None:
                self.has_ended = True
            case PoolSnapshot(offers, truncated, paused):
                self._replace(offers)
                self.truncated, self.paused = truncated, paused
            case MyTripsSnapshot(trips):
                self._replace(trips)
            case TripState(trip, _):
                self._replace((trip,))
            case TripOffered(trip) | TripChanged(trip):
                self._tell(trip.id, trip.version)
                if self.paused is not None:
                    raise Broken(f"paused: {self.name} is told of {trip.id.int}")
                self.shown[trip.id] = trip.version
            case TripWithdrawn(trip_id, version, _):
                self._tell(trip_id, version)
                self.shown.pop(trip_id, None)
            case DriverAt(_, location):
                last = self.driver_at
                if (
                    last is not None
                    and last.driver_id == location.driver_id
                    and location.recorded_at < last.recorded_at
                ):
                    raise Broken(f"backwards: {self.name}: a position")
                self.driver_at = location

    def _replace(self, trips: Iterable[TripValue]) -> None:
        self.has_snapshot = True
        self.shown = {}
        for trip in trips:
            self._tell(trip.id, trip.version)
            self.shown[trip.id] = trip.version

    def _tell(self, trip_id: UUID, version: int) -> None:
        if not self.has_snapshot:
            raise Broken(f"no-snapshot: {self.name}")
        if version < self.told.get(trip_id, 0):
            raise Broken(f"backwards: {self.name}: version {version} after {self.told[trip_id]}")
        self.told[trip_id] = version


class Rendering:
    """Replaces the executed operation: a payload is the content itself."""

    name = "group"

    def __init__(self) -> None:
        self.contents: list[Content] = []

    def render(self, content: Content) -> bytes:
        """The number of the content."""
        self.contents.append(content)
        return str(len(self.contents) - 1).encode()


class World:
    """A process with subscribers, a database, a bus, and people who act."""

    def __init__(self, data: bytes, *, without: Collection[str] = ()) -> None:
        self.choices = Choices(data)
        self.trace: list[str] = []
        self.loop = SteppedLoop()
        self.loop.set_exception_handler(self._fail)
        self.failures: list[BaseException] = []
        self.clock = datetime(2026, 1, 1, tzinfo=UTC)
        # The database: the committed changes, and those that are written but not committed.
        self.trips: dict[UUID, TripValue] = {}
        self.uncommitted: dict[UUID, tuple[TripValue, UUID | None]] = {}
        self.steps_taken: set[tuple[TripStatus, TripStatus]] = set()
        self.requested = 0
        self.failing_reads = 0
        self.gates: list[tuple[str, asyncio.Future[None]]] = []
        # The outbox: messages that this and another process are about to publish, and notes that only a sweep
        # finds.
        self.unpublished: list[tuple[list[str], bytes, _Note]] = []
        self.notes: dict[_Note, UUID | None] = {}
        self.swept: list[tuple[list[str], bytes]] = []
        # The bus: messages on their way to this process, for each topic.
        self.listening: dict[str, asyncio.Queue[bytes]] = {}
        self.coming: dict[str, deque[bytes]] = {}
        self.locations: dict[UUID, Location] = {}
        self.off_duty: set[UUID] = set()
        self.duty_changes = 0
        self.riders = [self._person(Role.RIDER, n) for n in range(RIDERS)]
        self.drivers = [self._person(Role.DRIVER, n + 8) for n in range(DRIVERS)]
        self.subscriptions: list[Subscription] = []
        self.rendering = Rendering()
        self.table = [
            (action, name)
            for name, weight, action in self._actions()
            if name not in without
            # Each run has its own mixture and leaves out some actions, because one action may hide errors of
            # another. Source: Groce et al., "Swarm Testing", ISSTA 2012.
            for _ in range(weight * MIXTURE[self.choices.below(len(MIXTURE))])
        ] or [(self._turn, "turn")]

    def _actions(self) -> list[tuple[str, int, Callable[[], str | None]]]:
        return [
            ("turn", 6, self._turn),
            ("gate", 6, self._open_gate),
            ("gates", 4, self._open_gates),
            (RUN_TO_READS, 3, self._run_to_reads),
            (RUN_TO_REST, 3, self._run_to_rest),
            ("deliver", 8, self._deliver),
            ("deliver topic", 4, self._deliver_topic),
            ("deliver all", 4, self._deliver_all),
            ("request", 4, self._request),
            ("crowd", 1, self._crowd),
            ("accept", 3, self._accept),
            ("make and take", 2, self._make_and_take),
            ("give back", 2, self._give_back),
            ("have and give back", 2, self._have_and_give_back),
            ("arrive", 1, self._arrive),
            ("begin the ride", 2, lambda: self._take_step(BEGINNINGS)),
            ("end", 2, lambda: self._take_step(ENDS)),
            ("duty", 3, self._change_duty),
            ("commit", 3, self._commit_next),
            ("publish", 5, self._publish),
            ("publish all", 2, self._publish_all),
            ("die", 1, self._die),
            ("sweep", 2, self._sweep),
            ("take what is swept", 2, self._take_swept),
            ("publish swept", 2, self._publish_swept),
            ("move", 4, self._move),
            ("first position", 2, self._first_position),
            ("subscribe", 3, self._subscribe),
            ("leave", 1, self._leave),
            ("slow", 3, self._slow),
            ("gap", 1, self._gap),
            ("failures", 1, self._fail_reads),
            ("time", 3, self._pass_time),
        ]

    # Running

    def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Follow the bytes, let everything come to rest, and compare. Raises: Broken."""
        self._install(monkeypatch)
        with structlog.testing.capture_logs() as logs:
            try:
                self._call(self._build)
                while not self.choices.is_over:
                    action, name = self.table[self.choices.below(len(self.table))]
                    self._do(name, action)
                self._settle()
                self._compare()
                for log in logs:
                    if log["log_level"] == "error":
                        raise Broken(f"logged: {log}")
            finally:
                self._stop()

    def _install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trip_rows, "find_at", self._find_at)
        monkeypatch.setattr(trip_rows, "open_trips", self._open_trips)
        monkeypatch.setattr(trip_rows, "trips_of", self._trips_of)
        monkeypatch.setattr(trip_rows, "open_trips_in", self._open_trips_in)
        monkeypatch.setattr(h3_cells, "_cover", lambda cell, radius_m: _cover(cell, radius_m) & INHABITED | {cell})
        monkeypatch.setattr(pool_feed_module, "POOL_SNAPSHOT_LIMIT", MAX_SHOWN)
        monkeypatch.setattr(shown_offers_module, "POOL_SNAPSHOT_LIMIT", MAX_SHOWN)
        if self.choices.below(4):
            monkeypatch.setattr(topic_module, "FOLLOWERS_AT_ONCE", 1)
            monkeypatch.setattr(hub_module, "RESTARTED_AT_ONCE", 1)
            monkeypatch.setattr(shared_result_module, "WOKEN_AT_ONCE", 1)
            monkeypatch.setattr(reads_module, "AREAS_AT_ONCE", 1)
        if not self.choices.below(4):
            monkeypatch.setattr(topic_module, "MAX_WAITING", MAX_TOPIC)
            monkeypatch.setattr(topic_module, "MAX_WAITING_LOCATIONS", 1)
        monkeypatch.setattr(delivery_module, "MAX_WAITING", MAX_SENDING)
        monkeypatch.setattr(send_queue_module, "SEND_TIMEOUT_S", 1e9)
        monkeypatch.setattr(subscriber_module, "MAX_BUFFERED_EVENTS", MAX_BUFFERED)

    def _build(self) -> None:
        positions, standings = SimpleNamespace(last=self._last_location), SimpleNamespace(of=self._standing_of)
        state = StateReader(cast("Any", None), cast("Any", positions), cast("Any", standings), Counters())
        # With a clock no two runs would be equal: a turn is one piece, for one follower or for all.
        self.hub = Hub(state, self._listen, TOPICS, Counters(), turn_s=0.0)

    def _call(self, work: Callable[[], object]) -> None:
        """Do something within the event loop, after everything that is ready."""

        def call() -> None:
            try:
                work()
            except BaseException as error:
                self.failures.append(error)

        self.loop.call_soon(call)
        self.loop.turn()
        self._check()

    def _do(self, name: str, action: Callable[[], str | None]) -> None:
        if name in {RUN_TO_READS, RUN_TO_REST}:
            self._record(name, action)
            self._check()
            return
        self.loop.call_soon(lambda: self._record(name, action))
        self.loop.turn()
        self._check()

    def _record(self, name: str, action: Callable[[], str | None]) -> None:
        try:
            what = action()
        except BaseException as error:
            self.failures.append(error)
        else:
            if what is not None:
                self.trace.append(f"{name} {what}".strip())

    def _fail(self, _: object, context: dict[str, Any]) -> None:
        self.failures.append(context.get("exception") or Broken(f"loop: {context['message']}"))

    def _check(self) -> None:
        if self.failures:
            raise self.failures[0]

    def _idle(self) -> None:
        for _ in range(10_000):
            if self.loop.is_idle:
                return
            self.loop.turn()
            self._check()
        raise Broken("endless: the loop never comes to rest")

    def _settle(self) -> None:
        """Let everything come to rest: everything is published, delivered, read and sent."""
        self.failing_reads = 0
        self.trace.append("-- settle")
        for subscription in self.subscriptions:
            subscription.wire.open.set()
        for _ in range(1_000):
            self._idle()
            if self.uncommitted:
                self._call(self._commit_next)
            elif self.unpublished:
                self._call(self._publish)
            elif self.swept:
                self._call(self._publish_swept)
            elif self.gates:
                self._call(self._open_gates)
            elif any(self.coming.values()):
                self._call(self._deliver_all)
            elif self.notes:
                self._call(self._sweep)
            elif timers := cast("Any", self.loop)._scheduled:
                live = [timer for timer in timers if not timer.cancelled() and timer.when() < 1e8]
                if not live:
                    return
                self.loop.now = max(self.loop.now, min(timer.when() for timer in live))
                self.loop.turn()
            else:
                return
        raise Broken("endless: it never comes to rest")

    def _run_to_reads(self) -> str:
        """Let all continue until they have read and wait for the result."""
        for _ in range(20):
            self._idle()
            if all(_ends_a_read(name) for name, _ in self.gates):
                break
            self._call(lambda: self._open_those(lambda gate: not _ends_a_read(gate)))
        return ""

    def _run_to_rest(self) -> str:
        """Let all continue, with the messages on their way, until they wait for something new."""
        for _ in range(20):
            self._idle()
            if self.gates:
                self._call(self._open_gates)
            elif any(self.coming.values()):
                self._call(self._deliver_all)
            else:
                break
        return ""

    def _stop(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        for _ in range(50):
            self.loop.turn()
        heapq.heapify(cast("Any", self.loop)._scheduled)
        self.loop.close()

    # The scheduler's own

    def _turn(self) -> str | None:
        return None

    async def _gate(self, name: str) -> None:
        gate = (name, asyncio.get_running_loop().create_future())
        self.gates.append(gate)
        # Topics are requested in the order of a set, so their names are the same in every run.
        self.gates.sort(key=lambda each: each[0])
        try:
            await gate[1]
        finally:
            if gate in self.gates:
                self.gates.remove(gate)

    def _open_gate(self) -> str | None:
        if not self.gates:
            return None
        name, gate = self.gates.pop(self.choices.below(len(self.gates)))
        if not gate.done():
            gate.set_result(None)
        return name

    def _open_gates(self) -> str | None:
        return self._open_those(lambda _: True)

    def _open_those(self, wanted: Callable[[str], bool]) -> str | None:
        gates = [gate for gate in self.gates if wanted(gate[0])]
        self.gates = [gate for gate in self.gates if not wanted(gate[0])]
        for _, gate in gates:
            if not gate.done():
                gate.set_result(None)
        return ", ".join(name for name, _ in gates) or None

    def _pass_time(self) -> str:
        seconds = (0.5, 700.0)[self.choices.below(2)]
        if seconds > 60:
            # No statement takes this long.
            for trip_id in list(self.uncommitted):
                self._commit(trip_id)
        self.clock += timedelta(seconds=seconds)
        self.loop.now += seconds
        return f"{seconds} s"

    # The database

    def _tick(self) -> datetime:
        self.clock += timedelta(microseconds=1)
        return self.clock

    async def _read(self, name: str, select: Callable[[], Iterable[TripValue]]) -> TripsAt:
        begun = self._tick()
        await self._gate(f"begin {name}")
        trips = tuple(sorted(select(), key=lambda trip: trip.created, reverse=True))
        await self._gate(f"end {name}")
        as_of = self._tick()
        if self.failing_reads:
            self.failing_reads -= 1
            raise DatabaseUnavailable("scripted")
        return TripsAt(trips, begun, as_of)

    async def _find_at(self, _: object, trip_id: UUID) -> TripsAt:
        return await self._read(
            f"read of {trip_id.int}", lambda: [t for t in [self.trips.get(trip_id)] if t is not None]
        )

    async def _open_trips(self, _: object, *, limit: int) -> TripsAt:
        def select() -> list[TripValue]:
            return [trip for trip in self.trips.values() if is_open(trip.status)][-MAX_SHOWN - 1 :]

        return await self._read("read of all", select)

    async def _open_trips_in(self, _: object, cells: Collection[int], *, limit: int) -> TripsAt:
        def select() -> list[TripValue]:
            return [
                trip
                for trip in self.trips.values()
                if is_open(trip.status) and (trip.pick_up is None or cell_of(trip.pick_up) in cells)
            ]

        return await self._read("read of cells", select)

    async def _trips_of(
        self, _: object, user_id: UUID, role: Role, *, ended_limit: int, ended_since_s: int
    ) -> TripsAt:
        def select() -> list[TripValue]:
            return [trip for trip in self.trips.values() if user_id in _parties(trip)]

        return await self._read(f"read of user {user_id.int}", select)

    async def _last_location(self, driver_id: UUID) -> Location | None:
        await self._gate(f"position of {driver_id.int}")
        return self.locations.get(driver_id)

    async def _standing_of(self, driver_id: UUID) -> Standing:
        begun = self._tick()
        await self._gate(f"begin standing of {driver_id.int}")
        on_duty, trip = driver_id not in self.off_duty, self._driven_by(driver_id)
        await self._gate(f"end standing of {driver_id.int}")
        as_of = self._tick()
        if self.failing_reads:
            self.failing_reads -= 1
            raise DatabaseUnavailable("scripted")
        trip_id = trip.id if trip is not None else None
        return replace(standing_at(begun), on_duty=on_duty, trip_id=trip_id, as_of=as_of)

    def _driven_by(self, driver_id: UUID) -> TripValue | None:
        driven = (t for t in self.trips.values() if t.driver is not None and is_driving(t.status))
        return next((t for t in driven if t.driver is not None and t.driver.id == driver_id), None)

    def _fail_reads(self) -> str:
        self.failing_reads = 1
        return ""

    # What people do

    def _person(self, role: Role, number: int) -> Actor:
        name = f"{role.value}{number}"
        return Actor(UserValue(UUID(int=number + 1), name, name, "", role, None), UUID(int=1000 + number))

    def _pick(self, *statuses: TripStatus) -> TripValue | None:
        trips = [t for t in self.trips.values() if t.status in statuses and t.id not in self.uncommitted]
        return trips[self.choices.below(len(trips))] if trips else None

    def _write(self, trip: TripValue, former: UUID | None = None) -> str:
        self.uncommitted[trip.id] = (trip, former)
        if self.choices.below(4):
            self._commit(trip.id)
            return f"{trip.id.int} v{trip.version}"
        return f"{trip.id.int} v{trip.version}, uncommitted"

    def _commit_next(self) -> str | None:
        if not self.uncommitted:
            return None
        trip_id = next(iter(self.uncommitted))
        self._commit(trip_id)
        return str(trip_id.int)

    def _commit(self, trip_id: UUID) -> None:
        trip, former = self.uncommitted.pop(trip_id)
        self._tick()
        before = self.trips.get(trip_id)
        if before is not None and before.status is not trip.status:
            self.steps_taken.add((before.status, trip.status))
        self.trips[trip_id] = trip
        note = (trip_id, trip.version)
        self.notes[note] = former
        for_pool = before is None or is_open(before.status) or is_open(trip.status)
        self.unpublished.append((self._topics_of(trip, {former}, for_pool=for_pool), trip.to_json(), note))

    def _commit_if_written(self, trip_id: UUID) -> None:
        if trip_id in self.uncommitted:
            self._commit(trip_id)

    def _topics_of(self, trip: TripValue, former: Collection[UUID | None], *, for_pool: bool) -> list[str]:
        topics = [TOPICS.trip(trip.id), *(TOPICS.user(user_id) for user_id in _parties(trip))]
        topics += [TOPICS.user(driver_id) for driver_id in former if driver_id is not None]
        drivers = {trip.driver.id if trip.driver is not None else None, *former} - {None}
        topics += [TOPICS.driver(driver_id) for driver_id in drivers if driver_id is not None]
        if for_pool:
            topics.append(TOPICS.pool)
            if trip.pick_up is None:
                topics.append(TOPICS.pool_any)
            else:
                topics += [TOPICS.pool_cell(cell) for cell in cells_of(trip.pick_up)]
        return topics

    def _request(self) -> str | None:
        if self.requested >= MAX_TRIPS:
            return None
        now = self._tick()
        number = FIRST_TRIP + self.requested
        self.requested += 1
        place = self.choices.below(len(PLACES))
        trip = trip_value(
            self.riders[number % RIDERS].user, id=UUID(int=number), created=now, pick_up=PLACES[place]
        )
        return f"at place {place}: {self._write(trip)}"

    def _crowd(self) -> str | None:
        """More requests than one read returns, which is one more than are shown."""
        made: list[str] = []
        while len(made) <= MAX_SHOWN + 1 and (request := self._request()) is not None:
            made.append(request)
        return ", ".join(made) or None

    def _make_and_take(self) -> str | None:
        """A request that is accepted immediately: one batch of the bus has both changes."""
        request = self._request()
        if request is None:
            return None
        trip_id = UUID(int=FIRST_TRIP + self.requested - 1)
        self._commit_if_written(trip_id)
        taken = self._accept_trip(self.trips[trip_id])
        self._commit_if_written(trip_id)
        return f"{request}, {taken}: {self._publish_all()}"

    def _take_swept(self) -> str | None:
        """A trip is accepted between the read of a sweeper and its announcement, and the acceptance is announced
        first.
        """
        messages = [message for _, message in self.swept if not message.startswith(STANDING_PREFIX)]
        found = [TripValue.from_json(message[message.index(b"{") :]).id for message in messages]
        trips = [self.trips[trip_id] for trip_id in found if trip_id not in self.uncommitted]
        trips = [trip for trip in trips if is_open(trip.status)]
        if not trips:
            return None
        trip = trips[self.choices.below(len(trips))]
        taken = self._accept_trip(trip)
        if taken is None:
            return None
        self._commit_if_written(trip.id)
        return f"{taken}: {self._publish_all()}"

    def _accept(self) -> str | None:
        trip = self._pick(TripStatus.REQUESTED)
        return self._accept_trip(trip) if trip is not None else None

    def _accept_trip(self, trip: TripValue) -> str | None:
        busy = {t.driver.id for t in self.trips.values() if t.driver and is_driving(t.status)}
        busy |= {t.driver.id for t, _ in self.uncommitted.values() if t.driver}
        busy |= self.off_duty
        able = [d for d in self.drivers if d.id not in trip.given_back_by and d.id not in busy]
        if not able:
            return None
        driver = able[self.choices.below(len(able))]
        return f"by {driver.id.int}: {self._change(trip, TripStatus.STARTED, driver=driver.user)}"

    def _give_back(self) -> str | None:
        trip = self._pick(TripStatus.STARTED)
        return self._give_back_trip(trip) if trip is not None else None

    def _give_back_trip(self, trip: TripValue) -> str:
        assert trip.driver is not None, "it has started"
        return self._change(
            trip,
            TripStatus.REQUESTED,
            former=trip.driver.id,
            driver=None,
            given_back_by=trip.given_back_by | {trip.driver.id},
            arrived_at=None,
        )

    def _have_and_give_back(self) -> str | None:
        """A driver takes a trip and gives it back; the acceptance is never announced: its process has died."""
        trip = self._pick(TripStatus.REQUESTED)
        taken = self._accept_trip(trip) if trip is not None else None
        if trip is None or taken is None:
            return None
        self._commit_if_written(trip.id)
        lost = self.unpublished.pop()
        given_back = self._give_back_trip(self.trips[trip.id])
        self._commit_if_written(trip.id)
        return f"{taken}, {given_back}; {self._named(lost[1])} is lost"

    def _arrive(self) -> str | None:
        """A driver reports arrival: a new version in the same status."""
        trip = self._pick(TripStatus.STARTED)
        return self._change(trip, trip.status, arrived_at=self.clock) if trip is not None else None

    def _take_step(self, steps: Sequence[Transition]) -> str | None:
        """One of these transitions, by whoever may make it."""
        trip = self._pick(*(step.source for step in steps))
        if trip is None:
            return None
        able = [step for step in steps if step.source is trip.status]
        step = able[self.choices.below(len(able))]
        return f"{step.name} by {step.by.value}: {self._change(trip, step.target)}"

    def _change_duty(self) -> str | None:
        """A driver goes off or on duty; not while accepting, which holds the driver's row."""
        busy = {t.driver.id for t, _ in self.uncommitted.values() if t.driver}
        able = [d for d in self.drivers if d.id not in busy]
        if not able:
            return None
        driver_id = able[self.choices.below(len(able))].id
        self.off_duty ^= {driver_id}
        self.duty_changes += 1
        note = (driver_id, self.duty_changes)
        self.notes[note] = None
        self.unpublished.append(([TOPICS.driver(driver_id)], self._standing_message(driver_id), note))
        return f"of {driver_id.int}: {'off' if driver_id in self.off_duty else 'on'}"

    def _standing_message(self, driver_id: UUID) -> bytes:
        on_duty = driver_id not in self.off_duty
        return standing_message(driver_id, on_duty=on_duty, approval=Approval.APPROVED, has_vehicle=False)

    def _change(self, trip: TripValue, status: TripStatus, *, former: UUID | None = None, **changes: Any) -> str:
        changed = replace(trip, status=status, version=trip.version + 1, updated=self._tick(), **changes)
        return self._write(changed, former)

    def _first_position(self) -> str | None:
        """A follower of all requests reports their first position."""
        nowhere = [s.actor for s in self.subscriptions if s.kind == "pool" and s.actor.id not in self.locations]
        return self._move_to(nowhere[self.choices.below(len(nowhere))]) if nowhere else None

    def _move(self) -> str:
        return self._move_to(self.drivers[self.choices.below(2)])

    def _move_to(self, driver: Actor) -> str:
        spot = self.choices.below(len(SPOTS))
        trips = [t for t in self.trips.values() if t.driver == driver.user and is_driving(t.status)]
        trip_id = trips[0].id if trips else None
        now = self._tick()
        location = Location(driver.id, trip_id, SPOTS[spot], None, now, as_of=now)
        self.locations[driver.id] = location
        topics = [TOPICS.driver(driver.id)]
        if trip_id is not None:
            topics.append(TOPICS.car(trip_id))
        if self.choices.below(2):
            # Reported to this process: it does not need the bus, and may overtake the messages there.
            self.loop.call_soon(self.hub.deliver_location, topics, location)
            return f"{driver.id.int} to spot {spot}, by a report to this process"
        for topic in topics:
            self._send(topic, location.to_json())
        return f"{driver.id.int} to spot {spot}"

    # The outbox and the bus

    def _publish(self) -> str | None:
        """One of two processes publishes its changes: each process in order, the two in any order."""
        if not self.unpublished:
            return None
        return self._publish_at(self.choices.below(min(2, len(self.unpublished))))

    def _publish_all(self) -> str | None:
        """One batch, in order."""
        return ", ".join([self._publish_at(0) for _ in list(self.unpublished)]) or None

    def _publish_at(self, index: int) -> str:
        topics, message, note = self.unpublished.pop(index)
        for topic in topics:
            self._send(topic, message)
        self.notes.pop(note, None)
        return self._named(message)

    def _die(self) -> str | None:
        """A process dies before it publishes one change, or all: the notes stay."""
        if not self.unpublished:
            return None
        if self.choices.below(2):
            lost, self.unpublished = self.unpublished, []
        else:
            lost = [self.unpublished.pop(self.choices.below(min(2, len(self.unpublished))))]
        return ", ".join(self._named(message) for _, message, _ in lost)

    def _sweep(self) -> str | None:
        if not self.notes:
            return None
        begun = self._tick()
        notes, self.notes = self.notes, {}
        for trip_id in dict.fromkeys(trip_id for trip_id, _ in notes):
            if trip_id not in self.trips:
                self.swept.append(([TOPICS.driver(trip_id)], self._standing_message(trip_id)))
                continue
            trip = self.trips[trip_id]
            former = {driver_id for note, driver_id in notes.items() if note[0] == trip_id}
            topics = self._topics_of(trip, former, for_pool=True)
            # Read now; the time until it is published is another decision.
            self.swept.append((topics, found_message(trip, begun)))
        return ", ".join(
            f"{noted.int} v{self.trips[noted].version}" if noted in self.trips else f"duty of {noted.int}"
            for noted, _ in notes
        )

    def _publish_swept(self) -> str | None:
        if not self.swept:
            return None
        topics, message = self.swept.pop(self.choices.below(len(self.swept)))
        for topic in topics:
            self._send(topic, message)
        return self._named(message)

    def _named(self, message: bytes) -> str:
        if message.startswith(STANDING_PREFIX):
            return f"duty of {read_standing(message)[0].int}"
        trip = TripValue.from_json(message[message.index(b"{") :])
        return f"{trip.id.int} v{trip.version}"

    def _send(self, topic: str, message: bytes) -> None:
        if topic in self.listening:
            self.coming[topic].append(message)

    @asynccontextmanager
    async def _listen(self, topic: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        # The broker has the subscription before the process knows it.
        assert topic not in self.listening, "two listeners of one topic"
        await self._gate(f"subscribe to {topic}")
        queue = self.listening[topic] = asyncio.Queue()
        self.coming[topic] = deque()
        try:
            await self._gate(f"confirm {topic}")
            yield _taken(queue)
        finally:
            del self.listening[topic], self.coming[topic]

    def _deliver(self) -> str | None:
        topics = sorted(topic for topic, coming in self.coming.items() if coming)
        if not topics:
            return None
        topic = topics[self.choices.below(len(topics))]
        self.listening[topic].put_nowait(self.coming[topic].popleft())
        return topic

    def _deliver_topic(self) -> str | None:
        """Topic by topic, as a batch arrives."""
        topics = sorted(topic for topic, coming in self.coming.items() if coming)
        if not topics:
            return None
        topic = topics[self.choices.below(len(topics))]
        while self.coming[topic]:
            self.listening[topic].put_nowait(self.coming[topic].popleft())
        return topic

    def _deliver_all(self) -> str | None:
        topics = sorted(topic for topic, coming in self.coming.items() if coming)
        for topic in topics:
            while self.coming[topic]:
                self.listening[topic].put_nowait(self.coming[topic].popleft())
        return ", ".join(topics) or None

    def _gap(self) -> str:
        """The messages on their way are lost, and the bus reports it; or none were lost."""
        for coming in self.coming.values():
            coming.clear()
        self.hub.resync()
        return ""

    # Clients

    def _subscribe(self) -> str | None:
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
            return None
        kind = ("pool", "pool", "pinned", "my trips", "trip", "car")[self.choices.below(6)]
        actor = (self.drivers if kind in ("pool", "pinned") else [*self.riders, *self.drivers])[
            self.choices.below(2 if kind in ("pinned", "car") else 3)
        ]
        trip_id = pinned = None
        feed: Feed
        match kind:
            case "pool":
                feed = PoolFeed(actor, TOPICS, radius_m=RADIUS_M)
            case "pinned":
                pinned = SPOTS[self.choices.below(2)]
                feed = PoolFeed(actor, TOPICS, radius_m=RADIUS_M, near=pinned)
            case "my trips":
                feed = MyTripsFeed(actor, TOPICS)
            case _:
                if not self.trips:
                    return None
                trip_id = list(self.trips)[self.choices.below(len(self.trips))]
                feed = (
                    TripFeed(actor, TOPICS, trip_id)
                    if kind == "trip"
                    else DriverLocationFeed(actor, TOPICS, trip_id, NEVER_STALE)
                )
        has_area = kind == "pinned" or (kind == "pool" and actor.id in self.locations)
        subscription = Subscription(kind, actor, feed, Wire(), trip_id, pinned, has_area)
        name = f"{kind} of {actor.id.int}"
        subscription.sent, subscription.screen = Screen(f"{name}, sent"), Screen(f"{name}, shown")
        framing = _Framing(self, subscription)
        subscription.delivery = _Watched(
            len(self.subscriptions),
            Following(feed, cast("Any", self.rendering)),
            cast("Any", framing),
            subscription.wire.send_queue,
            self.hub,
            on_end=lambda: None,
        )
        cast("Any", subscription.delivery).tap = lambda message: self._tap(subscription, message)
        subscription.wire.send_queue.on_drained = subscription.delivery.catch_up
        self.subscriptions.append(subscription)
        subscription.task = asyncio.create_task(self._begin(subscription))
        return name

    async def _begin(self, subscription: Subscription) -> None:
        try:
            await subscription.delivery.begin()
            subscription.has_begun = True
        except (NotFound, DatabaseUnavailable) as error:
            subscription.error = error

    def _tap(self, subscription: Subscription, message: Message) -> None:
        try:
            subscription.sent.take(message.content)
            if subscription.has_area and len(subscription.sent.shown) > MAX_SHOWN:
                raise Broken(f"bound: {subscription.sent.name} {len(subscription.sent.shown)} offers")
        except Broken as error:
            self.failures.append(error)

    def receive(self, subscription: Subscription, content: Content | None) -> None:
        """A client reads a message."""
        try:
            subscription.screen.take(content)
        except Broken as error:
            self.failures.append(error)

    def _leave(self) -> str | None:
        if not self.subscriptions:
            return None
        subscription = self.subscriptions.pop(self.choices.below(len(self.subscriptions)))
        subscription.task.cancel()
        subscription.delivery.cancel()
        return subscription.screen.name

    def _slow(self) -> str | None:
        if not self.subscriptions:
            return None
        subscription = self.subscriptions[self.choices.below(len(self.subscriptions))]
        wire = subscription.wire
        if wire.open.is_set():
            wire.open.clear()
        else:
            wire.open.set()
        return f"{subscription.screen.name} {'reads' if wire.open.is_set() else 'reads no more'}"

    # The truth

    def _compare(self) -> None:
        for subscription in self.subscriptions:
            if subscription.error is not None or subscription.screen.has_ended:
                continue
            screen = subscription.screen
            if not subscription.has_begun or (not screen.has_snapshot and subscription.kind != "car"):
                raise Broken(f"silence: {screen.name} has no snapshot")
            match subscription.kind:
                case "pool" | "pinned":
                    self._compare_pool(subscription)
                case "my trips":
                    self._compare_my_trips(subscription)
                case "trip":
                    self._compare_trip(subscription)
                case _:
                    self._compare_car(subscription)

    def _compare_pool(self, subscription: Subscription) -> None:
        screen, actor = subscription.screen, subscription.actor
        paused = PauseReason.ON_TRIP if self._driven_by(actor.id) is not None else None
        paused = PauseReason.OFF_DUTY if actor.id in self.off_duty else paused
        if screen.paused is not paused:
            raise Broken(f"paused: {screen.name} by {screen.paused}, not {paused}")
        if paused is not None:
            if screen.shown:
                raise Broken(f"paused: {screen.name} shows {screen.shown}")
            return
        able = {
            trip.id: trip
            for trip in self.trips.values()
            if is_open(trip.status) and actor.id not in trip.given_back_by
        }
        center = self._center(subscription)
        within: dict[UUID, TripValue] = {}
        for trip in able.values():
            distance = distance_m(center, trip.pick_up) if center and trip.pick_up else 0.0
            if distance <= RADIUS_M:
                within[trip.id] = trip
        for trip_id, version in screen.shown.items():
            trip = able.get(trip_id)
            if trip is None:
                now = self.trips[trip_id]
                raise Broken(
                    f"ghost: {screen.name} shows {trip_id.int} v{version}, now v{now.version} {now.status.value}"
                )
            if trip.version != version:
                raise Broken(f"stale: {screen.name} shows {trip_id.int} v{version}, not v{trip.version}")
            if center and trip.pick_up and distance_m(center, trip.pick_up) > RADIUS_M * MARGIN + 0.01:
                raise Broken(f"far: {screen.name} shows {trip_id.int}")
        missing = [trip_id.int for trip_id in within if trip_id not in screen.shown]
        if missing and not screen.truncated:
            raise Broken(f"silence: {screen.name} lacks {missing}")
        if center and screen.truncated and not missing:
            raise Broken(f"truncated: {screen.name} shows all")
        if center and missing and len(screen.shown) < MAX_SHOWN * 3 // 4:
            raise Broken(f"silence: {screen.name} has room for {missing}")
        if center and len(screen.shown) > MAX_SHOWN:
            raise Broken(f"bound: {screen.name}")

    def _center(self, subscription: Subscription) -> GeoPoint | None:
        if subscription.pinned is not None:
            return subscription.pinned
        location = self.locations.get(subscription.actor.id)
        return location.point if location is not None else None

    def _compare_my_trips(self, subscription: Subscription) -> None:
        screen = subscription.screen
        mine = {t.id: t for t in self.trips.values() if subscription.actor.id in _parties(t)}
        for trip in mine.values():
            if not has_ended(trip.status) and trip.id not in screen.shown:
                raise Broken(f"silence: {screen.name} lacks {trip.id.int}")
        for trip_id, version in screen.shown.items():
            if trip_id not in mine:
                raise Broken(f"ghost: {screen.name} shows {trip_id.int}")
            if mine[trip_id].version != version:
                raise Broken(f"stale: {screen.name} shows {trip_id.int} v{version}, not {mine[trip_id].version}")

    def _compare_trip(self, subscription: Subscription) -> None:
        assert subscription.trip_id is not None
        trip = self.trips[subscription.trip_id]
        if subscription.screen.shown != {trip.id: trip.version} or not may_see(subscription.actor, trip):
            raise Broken(f"stale: {subscription.screen.name} shows {subscription.screen.shown} of v{trip.version}")

    def _compare_car(self, subscription: Subscription) -> None:
        assert subscription.trip_id is not None
        trip = self.trips[subscription.trip_id]
        if has_ended(trip.status):
            raise Broken(f"silence: {subscription.screen.name} has not ended")
        location = self.locations.get(trip.driver.id) if trip.driver is not None else None
        if location is not None and is_on_trip(location, trip) and location.trip_id == trip.id:
            shown = subscription.screen.driver_at
            if shown is None or shown.recorded_at != location.recorded_at:
                raise Broken(f"stale: {subscription.screen.name}")


class _Watched(Delivery):
    """A delivery that records what the hub passes to it."""

    def deliver(self, message: Message) -> None:
        cast("Any", self).tap(message)
        super().deliver(message)


class _Framing:
    """Frames that tell the world when a client reads them."""

    def __init__(self, world: World, subscription: Subscription) -> None:
        self._world = world
        self._subscription = subscription
        self.key = str(id(subscription))

    def next(self, payload: bytes) -> Frame:
        if not payload.isdigit():
            return {"read": lambda: None}
        content = self._world.rendering.contents[int(payload)]
        return {"read": lambda: self._world.receive(self._subscription, content)}

    def failure(self, _: Sequence[GraphQLError]) -> Frame:
        return {"read": lambda: None}

    def complete(self) -> Frame:
        return {"read": lambda: self._world.receive(self._subscription, None)}


def _ends_a_read(gate: str) -> bool:
    return gate.startswith("end ")


async def _taken(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while True:
        yield await queue.get()


def _parties(trip: TripValue) -> list[UUID]:
    return [trip.rider.id, *([trip.driver.id] if trip.driver is not None else [])]
