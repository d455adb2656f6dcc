"""Large numbers of followers and snapshots do not delay other clients, and nobody misses an event."""

import asyncio
import itertools
from typing import Any

import pytest

from models.geo import GeoPoint
from models.standing import PauseReason
from models.values import Approval
from models.visibility import Actor, Audience
from services.drivers.announcements import standing_message
from services.events.topics import Topics
from services.live import topic as topic_module
from services.live.feeds import DriverLocationFeed, MyTripsFeed
from services.live.hub import Hub
from services.live.messages import DriverAt, MyTripsSnapshot, PoolSnapshot, TripChanged, TripOffered, TripWithdrawn
from services.live.pool_feed import PoolFeed
from services.positions.freshness import Lifetime
from services.runtime import fair_queue
from services.trips.announcements import found_message
from tests.support.live import FakeBus, RecordingSink, ScriptedState, driver, hub_on, rider
from tests.support.positions import location
from tests.support.waiting import until

TOPICS = Topics("test")
POOL = TOPICS.pool
CROWD = 1_000
# The cost of a delivery to a socket.
DELIVERY_S = 15e-6
# Two milliseconds of deliveries, and the piece that began before their end.
AT_ONCE = 150


class Work:
    """Counts the deliveries in each iteration of the event loop. Each takes time, by its own clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.total = 0
        self._before = 0
        self.most_at_once = 0
        monkeypatch.setattr(fair_queue, "perf_counter", lambda: self.now_s)
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._begin_iteration)

    def done(self, _: object) -> None:
        """Count one delivered message."""
        self.now_s += DELIVERY_S
        self.total += 1

    def stop(self) -> None:
        self._next.cancel()

    def _begin_iteration(self) -> None:
        self.most_at_once = max(self.most_at_once, self.total - self._before)
        self._before = self.total
        self._next = self._loop.call_soon(self._begin_iteration)


@pytest.fixture
async def state(monkeypatch: pytest.MonkeyPatch) -> ScriptedState:
    state = ScriptedState()
    state.install(monkeypatch)
    return state


@pytest.fixture
async def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
async def hub(bus: FakeBus, state: ScriptedState) -> Hub:
    return hub_on(bus, TOPICS)


@pytest.fixture
async def work(monkeypatch: pytest.MonkeyPatch) -> Any:
    work = Work(monkeypatch)
    yield work
    work.stop()


async def follow_pool(hub: Hub, work: Work | None = None, actor: Actor | None = None) -> RecordingSink:
    """A driver who has received their snapshot."""
    sink = RecordingSink(work.done if work is not None else None)
    await hub.subscribe(PoolFeed(actor or driver(), TOPICS, radius_m=3_000), sink)
    assert isinstance(await sink.next(), PoolSnapshot)
    return sink


async def test_other_clients_are_served_during_an_event_to_a_thousand_followers(
    hub: Hub, bus: FakeBus, state: ScriptedState, work: Work
) -> None:
    sinks = [await follow_pool(hub, work) for _ in range(CROWD)]
    trips = [state.request(), state.request()]
    await bus.publish(POOL, *trips)
    for sink in sinks:
        assert [await sink.next(), await sink.next()] == [TripOffered(trip) for trip in trips]
    assert work.most_at_once <= AT_ONCE


async def test_other_clients_are_served_during_a_batch_on_a_thousand_topics(
    hub: Hub, bus: FakeBus, state: ScriptedState, work: Work
) -> None:
    riders = [rider() for _ in range(CROWD)]
    sinks = [RecordingSink(work.done) for _ in riders]
    for actor, sink in zip(riders, sinks, strict=True):
        await hub.subscribe(MyTripsFeed(actor, TOPICS), sink)
        assert isinstance(await sink.next(), MyTripsSnapshot)
    trips = [state.request(rider=actor.user) for actor in riders]
    await bus.publish_together(*((TOPICS.user(actor.id), trip) for actor, trip in zip(riders, trips, strict=True)))
    assert [await sink.next() for sink in sinks] == [TripChanged(trip, Audience.RIDER) for trip in trips]
    assert work.most_at_once <= AT_ONCE


async def test_a_rider_does_not_wait_until_all_drivers_have_been_told(
    hub: Hub, bus: FakeBus, state: ScriptedState, work: Work
) -> None:
    sinks = [await follow_pool(hub, work) for _ in range(CROWD)]
    actor, told = rider(), list[int]()
    mine = RecordingSink(lambda _: told.append(work.total))
    await hub.subscribe(MyTripsFeed(actor, TOPICS), mine)
    before = work.total
    await bus.publish_together((POOL, state.request()), (TOPICS.user(actor.id), state.request(rider=actor.user)))
    for sink in sinks:
        await sink.next()
    assert told[-1] - before < CROWD // 2


async def test_a_subscriber_that_leaves_during_a_delivery_receives_nothing_more(
    hub: Hub, bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_module, "FOLLOWERS_AT_ONCE", 1, raising=False)
    # Each reading of the clock is a second later: a turn is one piece.
    monkeypatch.setattr(fair_queue, "perf_counter", itertools.count().__next__, raising=False)
    left = RecordingSink()
    first = await follow_pool(hub)
    leaving = await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), left)
    last = await follow_pool(hub)
    trip = state.request()
    publishing = asyncio.create_task(bus.publish(POOL, trip))
    assert await first.next() == TripOffered(trip)
    leaving.end()
    await publishing
    assert await last.next() == TripOffered(trip)
    assert isinstance(await left.next(), PoolSnapshot)
    assert left.is_empty


async def test_a_subscriber_that_joins_during_a_delivery_has_the_event_only_in_its_snapshot(
    bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_module, "FOLLOWERS_AT_ONCE", 1, raising=False)
    hub = hub_on(bus, TOPICS)
    first = await follow_pool(hub)
    for _ in range(50):
        await follow_pool(hub)
    trip = state.request()
    monkeypatch.setattr(fair_queue, "perf_counter", itertools.count().__next__, raising=False)
    publishing = asyncio.create_task(bus.publish(POOL, trip))
    assert await first.next() == TripOffered(trip)
    late = RecordingSink()
    await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), late)
    assert await late.next() == PoolSnapshot((trip,), truncated=False)
    await publishing
    accepted = state.accept(trip, driver())
    await bus.publish(POOL, accepted)
    assert isinstance(await late.next(), TripWithdrawn)
    # The offer was read once and never checked again.
    assert set(state.reads) == {"pool"}


async def test_after_a_gap_a_thousand_subscribers_start_over_a_few_at_a_time(
    hub: Hub, state: ScriptedState, work: Work
) -> None:
    sinks = [await follow_pool(hub, work) for _ in range(CROWD)]
    trip = state.request()
    hub.resync()
    for sink in sinks:
        assert await sink.next() == PoolSnapshot((trip,), truncated=False)
    assert work.most_at_once <= AT_ONCE


async def test_a_thousand_callers_of_a_shared_read_continue_a_few_at_a_time(
    hub: Hub, state: ScriptedState, work: Work
) -> None:
    state.hold.clear()
    sinks = [RecordingSink(work.done) for _ in range(CROWD)]
    feeds = [PoolFeed(driver(), TOPICS, radius_m=3_000) for _ in sinks]
    async with asyncio.TaskGroup() as beginning:
        for feed, sink in zip(feeds, sinks, strict=True):
            beginning.create_task(hub.subscribe(feed, sink))
        await state.reads_reach(1)
        await until(lambda: hub.subscribers == CROWD)
        state.hold.set()
    assert work.total == CROWD
    assert work.most_at_once <= AT_ONCE
    assert len(state.reads) <= 2


async def test_messages_that_arrive_faster_than_they_are_delivered_are_replaced_by_a_snapshot(
    hub: Hub, bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_module, "MAX_WAITING", 10, raising=False)
    sink = await follow_pool(hub)
    trips = [state.request() for _ in range(30)]
    await bus.publish(POOL, *trips)
    messages = [await sink.next()]
    while not isinstance(messages[-1], PoolSnapshot):
        messages.append(await sink.next())
    assert len(messages) <= 11
    assert set(messages[-1].offers) == set(trips)
    last = state.request()
    await bus.publish(POOL, last)
    assert await sink.next() == TripOffered(last)


async def test_of_positions_that_arrive_faster_than_they_are_delivered_the_newest_are_sent(
    bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_module, "MAX_WAITING_LOCATIONS", 3, raising=False)
    me, car = rider(), driver()
    trip = state.accept(state.request(rider=me.user), car)
    hub, sink = hub_on(bus, TOPICS), RecordingSink()
    await hub.subscribe(DriverLocationFeed(me, TOPICS, trip.id, Lifetime(stale_s=60, ttl_s=600)), sink)
    positions = [location(car.id, lat, trip_id=trip.id) for lat in range(20)]
    await bus.publish(TOPICS.car(trip.id), *(position.to_json() for position in positions))
    told = [await sink.next() for _ in range(3)]
    assert [at.location.point for at in told if isinstance(at, DriverAt)] == [p.point for p in positions[-3:]]
    assert sink.is_empty


@pytest.mark.parametrize("kind", ["standing", "trip", "trip found by a sweep"])
async def test_positions_that_arrive_faster_than_they_are_delivered_replace_nothing_but_positions(
    bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(topic_module, "MAX_WAITING_LOCATIONS", 3, raising=False)
    actor = driver()
    hub, sink = hub_on(bus, TOPICS), RecordingSink()
    await hub.subscribe(PoolFeed(actor, TOPICS, radius_m=3_000, near=GeoPoint(0, 0)), sink)
    assert await sink.next() == PoolSnapshot((), truncated=False)
    if kind == "standing":
        state.standings[actor.id] = {"on_duty": False}
        reason = PauseReason.OFF_DUTY
        change = standing_message(actor.id, on_duty=False, approval=Approval.APPROVED, has_vehicle=False)
    else:
        reason = PauseReason.ON_TRIP
        trip = state.accept(state.request(), actor)
        change = trip.to_json() if kind == "trip" else found_message(trip, state.tick())
    positions = [location(actor.id, lat).to_json() for lat in range(20)]
    await bus.publish(TOPICS.driver(actor.id), change, *positions)
    while (last := await sink.next()) != PoolSnapshot((), truncated=False, paused=reason):
        assert last == PoolSnapshot((), truncated=False)
