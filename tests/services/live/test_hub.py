"""The hub: snapshot, then changes; no gap, no repetition, never backwards, nothing left behind."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from models.trip_life import TripStatus, WithdrawReason
from models.visibility import Actor, Audience
from services.errors import DatabaseUnavailable
from services.events.topics import Topics
from services.live import delivered_versions, events, subscriber
from services.live.feeds import DriverLocationFeed, MyTripsFeed, NotFound, TripFeed
from services.live.hub import Hub
from services.live.messages import (
    Message,
    MyTripsSnapshot,
    PoolSnapshot,
    TripChanged,
    TripOffered,
    TripState,
    TripWithdrawn,
)
from services.live.pool_feed import PoolFeed
from services.live.reads import POOL_SNAPSHOT_LIMIT
from services.live.subscriber import Subscriber
from services.live.topic import FOLLOWERS_AT_ONCE, ListeningEnded
from services.positions.freshness import Lifetime
from services.trips.announcements import found_message
from tests.support.live import FakeBus, RecordingSink, ScriptedPositions, ScriptedState, driver, hub_on, rider
from tests.support.positions import location
from tests.support.waiting import until

TOPICS = Topics("test")
POOL = TOPICS.pool


@pytest.fixture
async def state(monkeypatch: pytest.MonkeyPatch) -> ScriptedState:
    state = ScriptedState()
    state.install(monkeypatch)
    return state


@pytest.fixture
async def bus() -> FakeBus:
    return FakeBus()


@pytest.fixture
async def hub(bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(subscriber, "RETRY_DELAY_S", 0.01)
    return hub_on(bus, TOPICS)


async def follow_pool(hub: Hub, actor: Actor | None = None) -> tuple[RecordingSink, PoolSnapshot]:
    """A driver who has received their snapshot."""
    sink = RecordingSink()
    await hub.subscribe(PoolFeed(actor or driver(), TOPICS, radius_m=3_000), sink)
    snapshot = await sink.next()
    assert isinstance(snapshot, PoolSnapshot)
    return sink, snapshot


async def sentinel(bus: FakeBus, state: ScriptedState, sink: RecordingSink) -> None:
    """Fail unless the next message of a pool subscriber is a request made now."""
    trip = state.request()
    await bus.publish(POOL, trip)
    assert await sink.next() == TripOffered(trip)


def nothing_is_left(hub: Hub, bus: FakeBus) -> bool:
    return not (hub.topics or hub.subscribers or bus.listening or asyncio.all_tasks() - {asyncio.current_task()})


async def test_fifty_positions_need_one_timer_and_a_subscriber_who_leaves_none(
    bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, car = rider(), driver()
    trip = state.accept(state.request(rider=me.user), car)
    positions = ScriptedPositions()
    positions.known[car.id] = location(car.id, trip_id=trip.id)
    hub, sink, begun = hub_on(bus, TOPICS, positions), RecordingSink(), list[asyncio.TimerHandle]()
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def counted(*args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        begun.append(call_later(*args, **kwargs))
        return begun[-1]

    subscription = await hub.subscribe(
        DriverLocationFeed(me, TOPICS, trip.id, Lifetime(stale_s=60, ttl_s=600)), sink
    )
    with monkeypatch.context() as patched:
        patched.setattr(loop, "call_later", counted)
        positions = [location(car.id, lat, trip_id=trip.id) for lat in range(50)]
        await sink.next()
        for position in positions:
            await bus.publish(TOPICS.car(trip.id), position.to_json())
            await sink.next()
    timer = next(iter(hub._subscribers)).timer  # pyright: ignore[reportPrivateUsage]
    assert begun == []
    assert timer is not None
    subscription.end()
    assert timer.cancelled()


# Snapshot first


async def test_the_snapshot_comes_first_even_when_it_is_empty(hub: Hub) -> None:
    _, snapshot = await follow_pool(hub)
    assert snapshot == PoolSnapshot((), truncated=False)


async def test_the_state_is_read_only_when_the_bus_has_confirmed(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    bus.confirm.clear()
    sink = RecordingSink()
    subscribing = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink))
    await until(lambda: bus.asked)
    trip = state.request()
    assert state.reads == []
    bus.confirm.set()
    await subscribing
    assert await sink.next() == PoolSnapshot((trip,), truncated=False)


async def test_a_change_between_subscribe_and_snapshot_is_seen_once_in_the_snapshot(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    bus.confirm.clear()
    sink = RecordingSink()
    subscribing = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink))
    await until(lambda: bus.asked)
    trip = state.request()
    bus.confirm.set()
    await subscribing
    await bus.publish(POOL, trip)
    assert await sink.next() == PoolSnapshot((trip,), truncated=False)
    await sentinel(bus, state, sink)


async def test_a_change_while_the_snapshot_is_read_is_seen_once_behind_it(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    state.hold.clear()
    sink = RecordingSink()
    subscribing = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink))
    await state.reads_reach(1)
    trip = state.request()
    await bus.publish(POOL, trip, trip)
    state.hold.set()
    await subscribing
    assert await sink.next() == PoolSnapshot((), truncated=False)
    assert await sink.next() == TripOffered(trip)
    await sentinel(bus, state, sink)


async def test_a_missing_trip_is_not_found_and_nothing_is_left(hub: Hub, bus: FakeBus) -> None:
    with pytest.raises(NotFound):
        await hub.subscribe(TripFeed(driver(), TOPICS, driver().id), RecordingSink())
    await until(lambda: nothing_is_left(hub, bus))


async def test_a_database_that_fails_at_the_first_snapshot_refuses_the_subscription(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    state.failures = 1
    with pytest.raises(DatabaseUnavailable):
        await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink())
    await until(lambda: nothing_is_left(hub, bus))
    await follow_pool(hub)


# Never backwards


async def test_an_older_version_after_a_newer_one_is_not_passed_on(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    sink, _ = await follow_pool(hub)
    offered = state.request()
    taken = state.accept(offered, driver())
    await bus.publish(POOL, taken, offered)
    assert await sink.next() == TripWithdrawn(offered.id, 2, WithdrawReason.TAKEN)
    await sentinel(bus, state, sink)


async def test_the_same_version_is_not_passed_on_twice(hub: Hub, bus: FakeBus, state: ScriptedState) -> None:
    sink, _ = await follow_pool(hub)
    offered = state.request()
    await bus.publish(POOL, offered, offered)
    assert await sink.next() == TripOffered(offered)
    await sentinel(bus, state, sink)


async def test_changes_in_the_snapshot_are_not_sent_again(hub: Hub, bus: FakeBus, state: ScriptedState) -> None:
    offered = state.request()
    sink, snapshot = await follow_pool(hub)
    assert snapshot.offers == (offered,)
    await bus.publish(POOL, offered)
    await sentinel(bus, state, sink)


async def test_a_late_offer_of_a_trip_that_has_left_the_pool_is_not_sent(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    offered = state.request()
    state.accept(offered, driver())
    sink, snapshot = await follow_pool(hub)
    assert snapshot.offers == ()
    await bus.publish(POOL, offered)
    await sentinel(bus, state, sink)
    assert state.reads == ["pool", "trip"]


async def test_a_late_offer_that_is_still_open_is_sent_in_its_current_state(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    # It was written before the snapshot was read, but committed afterwards.
    first = state.request()
    del state.trips[first.id]
    sink, _ = await follow_pool(hub)
    second = state.give_back(state.accept(first, driver()))
    await bus.publish(POOL, first)
    assert await sink.next() == TripOffered(second)
    await bus.publish(POOL, second)
    await sentinel(bus, state, sink)


async def test_a_trip_that_a_later_read_has_found_needs_no_check(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    """The sweep after an outage: a read for each note and subscriber would take longer than the outage."""
    open_trip, gone = state.request(), state.request()
    gone = state.change(gone, TripStatus.CANCELLED)
    held = dict(state.trips)
    state.trips.clear()
    sink, snapshot = await follow_pool(hub)
    assert snapshot.offers == ()
    state.trips.update(held)
    reads = list(state.reads)
    await bus.publish(POOL, found_message(open_trip, state.tick()), found_message(gone, state.tick()))
    assert await sink.next() == TripOffered(open_trip)
    await sentinel(bus, state, sink)
    assert state.reads == reads


async def test_events_after_one_that_is_being_checked_keep_their_order(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    late = state.request()
    state.change(late, TripStatus.CANCELLED)
    sink, _ = await follow_pool(hub)
    state.hold.clear()
    await bus.publish(POOL, late)
    await state.reads_reach(2)
    one, two = state.request(), state.request()
    await bus.publish(POOL, one, two)
    state.hold.set()
    assert [await sink.next(), await sink.next()] == [TripOffered(one), TripOffered(two)]


async def test_nothing_follows_the_end_that_came_while_an_event_was_checked(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    late = state.request()
    del state.trips[late.id]
    sink, _ = await follow_pool(hub)
    state.trips[late.id] = late
    state.hold.clear()
    reads = len(state.reads)
    await bus.publish(POOL, late)
    await state.reads_reach(reads + 1)
    await bus.end(POOL)
    assert isinstance(await sink.ended(), ListeningEnded)
    state.hold.set()
    # Later subscribers are served later.
    await follow_pool(hub)
    assert sink.is_empty


async def test_one_late_event_costs_one_read_for_all_who_follow(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    late = state.request()
    state.change(late, TripStatus.EXPIRED)
    # Those who are told in one piece of work: the others may be told after the read has begun.
    sinks = [(await follow_pool(hub))[0] for _ in range(FOLLOWERS_AT_ONCE)]
    reads = len(state.reads)
    await bus.publish(POOL, late)
    for sink in sinks:
        await sentinel(bus, state, sink) if sink is sinks[0] else await sink.next()
    assert state.reads[reads:] == ["trip"]


async def test_an_old_result_of_a_frozen_sweeper_does_not_bring_back_a_trip_that_has_left_the_pool(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    trip = state.request()
    # The snapshot is full of other trips.
    del state.trips[trip.id]
    sink, _ = await follow_pool(hub)
    stale = found_message(trip, state.tick())
    await bus.publish(POOL, state.accept(trip, driver()))
    assert isinstance(await sink.next(), TripWithdrawn)
    state.now += timedelta(minutes=11)
    await sentinel(bus, state, sink)
    await bus.publish(POOL, stale)
    snapshot = await sink.next()
    assert isinstance(snapshot, PoolSnapshot)
    assert trip.id not in {offer.id for offer in snapshot.offers}


async def test_a_driver_without_an_area_receives_a_withdrawal_however_late(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    """The change was written before the driver's snapshot, and committed after a later read had found the trip
    open.
    """
    trip = state.request()
    del state.trips[trip.id]
    written = state.tick()
    sink, _ = await follow_pool(hub)
    await bus.publish(POOL, found_message(trip, state.tick()))
    assert await sink.next() == TripOffered(trip)
    taken = replace(trip, version=2, status=TripStatus.STARTED, driver=driver().user, updated=written)
    state.trips[trip.id] = taken
    await bus.publish(POOL, taken)
    assert await sink.next() == TripWithdrawn(trip.id, 2, WithdrawReason.TAKEN)
    await sentinel(bus, state, sink)


async def test_a_topic_that_fails_while_others_are_being_opened_ends_the_subscription(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    """Otherwise the subscriber would wait for ever for events of that topic."""
    trip = state.request()
    slow, quick = TOPICS.car(trip.id), TOPICS.trip(trip.id)
    bus.confirm_later[slow] = asyncio.Event()
    actor = Actor(trip.rider, driver().session_id)
    subscribing = asyncio.create_task(
        hub.subscribe(DriverLocationFeed(actor, TOPICS, trip.id, Lifetime(stale_s=60, ttl_s=600)), RecordingSink())
    )
    await until(lambda: quick in bus.listening)
    await bus.end(quick)
    await until(lambda: quick not in bus.listening)
    bus.confirm_later[slow].set()
    with pytest.raises(ListeningEnded):
        await subscribing
    await until(lambda: nothing_is_left(hub, bus))


async def test_an_event_older_than_the_marks_makes_a_new_snapshot_not_a_step_back(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    offered = state.request()
    sink, _ = await follow_pool(hub)
    taken = state.accept(offered, driver())
    again = state.give_back(taken)
    await bus.publish(POOL, taken, again)
    assert [type(await sink.next()) for _ in range(2)] == [TripWithdrawn, TripOffered]
    # Much later the versions are forgotten, and an event comes once more.
    state.now += timedelta(hours=1)
    await sentinel(bus, state, sink)
    await bus.publish(POOL, taken)
    snapshot = await sink.next()
    assert isinstance(snapshot, PoolSnapshot)
    assert again in snapshot.offers
    assert sink.is_empty


async def test_of_two_events_older_than_the_marks_the_first_does_not_let_the_second_pass(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    offered = state.request()
    sink, _ = await follow_pool(hub)
    seen = state.tick()
    taken = state.accept(offered, driver())
    again = state.give_back(taken)
    await bus.publish(POOL, taken, again)
    assert [type(await sink.next()) for _ in range(2)] == [TripWithdrawn, TripOffered]
    state.now += timedelta(hours=1)
    await sentinel(bus, state, sink)
    # Two sweepers were frozen, one before the trip was accepted, one afterwards.
    await bus.publish(POOL, found_message(offered, seen), found_message(taken, taken.updated))
    snapshot = await sink.next()
    assert isinstance(snapshot, PoolSnapshot)
    assert again in snapshot.offers
    assert sink.is_empty


async def test_a_late_event_withdraws_an_offer_whose_mark_is_forgotten(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    trip = state.request()
    for _ in range(POOL_SNAPSHOT_LIMIT + 1):
        state.request()
    written = state.tick()
    sink, snapshot = await follow_pool(hub)
    assert snapshot.truncated
    await bus.publish(POOL, found_message(trip, state.tick()))
    assert await sink.next() == TripOffered(trip)
    # Its event is late: the process that should have published it died, and every sweeper was frozen.
    taken = replace(trip, version=2, status=TripStatus.STARTED, driver=driver().user, updated=written)
    state.trips[trip.id] = taken
    state.now += timedelta(hours=1)
    await sentinel(bus, state, sink)
    after = state.request()
    await bus.publish(POOL, taken, after)
    assert await sink.next() == TripWithdrawn(trip.id, 2, WithdrawReason.TAKEN)
    assert await sink.next() == TripOffered(after)


# The same event on several topics


async def test_an_event_on_several_topics_is_one_event_with_one_message_for_equals(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    trip = state.request()
    actor = Actor(trip.rider, driver().session_id)
    by_trip, also_by_trip, mine = RecordingSink(), RecordingSink(), RecordingSink()
    await hub.subscribe(TripFeed(actor, TOPICS, trip.id), by_trip)
    await hub.subscribe(TripFeed(actor, TOPICS, trip.id), also_by_trip)
    await hub.subscribe(MyTripsFeed(actor, TOPICS), mine)
    for sink in (by_trip, also_by_trip, mine):
        await sink.next()
    taken = state.accept(trip, driver())
    await bus.publish(TOPICS.trip(trip.id), taken)
    await bus.publish(TOPICS.user(trip.rider.id), taken)
    first, second, third = await by_trip.message(), await also_by_trip.message(), await mine.message()
    assert first is second
    assert isinstance(first.content, TripState)
    assert isinstance(third.content, TripChanged)
    assert third.content.trip is first.content.trip


@pytest.mark.attack("access")
@pytest.mark.parametrize("feed", ["tripUpdated", "myTripsUpdated"])
async def test_the_riders_message_never_reaches_the_driver_nor_the_drivers_the_rider(
    hub: Hub, bus: FakeBus, state: ScriptedState, feed: str
) -> None:
    me, trip = driver(), state.request()
    trip = state.accept(trip, me)
    the_rider = Actor(trip.rider, me.session_id)
    sinks = {Audience.RIDER: [RecordingSink() for _ in range(2)], Audience.DRIVER: [RecordingSink()]}
    for audience, actor in ((Audience.RIDER, the_rider), (Audience.DRIVER, me)):
        for sink in sinks[audience]:
            followed = TripFeed(actor, TOPICS, trip.id) if feed == "tripUpdated" else MyTripsFeed(actor, TOPICS)
            await hub.subscribe(followed, sink)
    assert {(await sink.next()).audience for sink in sinks[Audience.RIDER]} == {Audience.RIDER}
    assert (await sinks[Audience.DRIVER][0].next()).audience is Audience.DRIVER

    changed = state.change(trip, TripStatus.IN_PROGRESS)
    by_user = [TOPICS.user(trip.rider.id), TOPICS.user(me.id)]
    for topic in [TOPICS.trip(trip.id)] if feed == "tripUpdated" else by_user:
        await bus.publish(topic, changed)

    first, second = [await sink.message() for sink in sinks[Audience.RIDER]]
    to_driver = await sinks[Audience.DRIVER][0].message()
    assert first is second
    assert first.renditions is not to_driver.renditions
    assert (first.content.audience, to_driver.content.audience) == (Audience.RIDER, Audience.DRIVER)


@pytest.mark.parametrize("message", [b"", b"{}", b"[1]", b"\xff", b'{"id": 1}'])
async def test_an_event_that_cannot_be_decoded_makes_a_new_snapshot(
    hub: Hub, bus: FakeBus, state: ScriptedState, message: bytes
) -> None:
    sink, _ = await follow_pool(hub)
    trip = state.request()
    after = state.request()
    await bus.publish(POOL, message, after)
    assert await sink.next() == PoolSnapshot((after, trip), truncated=False)
    await sentinel(bus, state, sink)


# Changes that only a new snapshot, or the end, can express


async def test_a_driver_who_gave_a_trip_back_gets_a_new_snapshot_without_it(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    me = driver()
    trip = state.accept(state.request(), me)
    sink = RecordingSink()
    await hub.subscribe(MyTripsFeed(me, TOPICS), sink)
    assert await sink.next() == MyTripsSnapshot((trip,), Audience.DRIVER)
    await bus.publish(TOPICS.user(me.id), state.give_back(trip))
    assert await sink.next() == MyTripsSnapshot((), Audience.DRIVER)


async def test_for_the_driver_who_gave_a_trip_back_it_stays_withdrawn(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    me = driver()
    sink, _ = await follow_pool(hub, me)
    other, _ = await follow_pool(hub)
    trip = state.request()
    taken = state.accept(trip, me)
    given_back = state.give_back(taken)
    retaken = state.accept(given_back, driver())
    await bus.publish(POOL, trip, taken, given_back, retaken)
    # The acceptance makes the driver's standing be read: by now the driver is on no trip.
    assert [type(await sink.next()) for _ in range(2)] == [TripOffered, PoolSnapshot]
    assert [type(await other.next()) for _ in range(4)] == [TripOffered, TripWithdrawn] * 2
    await sentinel(bus, state, sink)


async def test_an_offer_is_withdrawn_although_only_the_give_back_was_received(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    """The acceptance is lost, or arrives after the give-back: the two went through different servers."""
    me = driver()
    sink, _ = await follow_pool(hub, me)
    trip = state.request()
    taken = state.accept(trip, me)
    given_back = state.give_back(taken)
    await bus.publish(POOL, trip, given_back, taken)
    assert [type(await sink.next()) for _ in range(2)] == [TripOffered, TripWithdrawn]
    await sentinel(bus, state, sink)


async def test_a_driver_who_gave_an_open_trip_back_does_not_find_it_in_the_snapshot(
    hub: Hub, state: ScriptedState
) -> None:
    me = driver()
    given_back = state.give_back(state.accept(state.request(), me))
    assert (await follow_pool(hub, me))[1].offers == ()
    assert (await follow_pool(hub))[1].offers == (given_back,)


async def test_a_subscription_ends_with_not_found_when_the_caller_may_no_longer_see_the_trip(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    trip = state.request()
    me = driver()
    sink = RecordingSink()
    subscription = await hub.subscribe(TripFeed(me, TOPICS, trip.id), sink)
    assert isinstance(await sink.next(), TripState)
    await bus.publish(TOPICS.trip(trip.id), state.accept(trip, driver()))
    assert isinstance(await sink.ended(), NotFound)
    subscription.end()
    await until(lambda: nothing_is_left(hub, bus))


async def test_a_subscription_ends_with_not_found_if_the_trip_became_invisible_during_a_gap(
    hub: Hub, state: ScriptedState
) -> None:
    trip = state.request()
    sink = RecordingSink()
    await hub.subscribe(TripFeed(driver(), TOPICS, trip.id), sink)
    await sink.next()
    state.accept(trip, driver())
    hub.resync()
    assert isinstance(await sink.ended(), NotFound)


async def test_a_followed_trip_completes_after_its_last_state(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    trip = state.request()
    sink = RecordingSink()
    await hub.subscribe(TripFeed(Actor(trip.rider, driver().session_id), TOPICS, trip.id), sink)
    await sink.next()
    await bus.publish(TOPICS.trip(trip.id), state.change(trip, TripStatus.CANCELLED))
    last = await sink.next()
    assert isinstance(last, TripState)
    assert last.trip.status is TripStatus.CANCELLED
    assert await sink.ended() is None


async def test_a_trip_that_had_ended_before_is_shown_and_completes(hub: Hub, state: ScriptedState) -> None:
    trip = state.change(state.request(), TripStatus.EXPIRED)
    sink = RecordingSink()
    await hub.subscribe(TripFeed(Actor(trip.rider, driver().session_id), TOPICS, trip.id), sink)
    assert isinstance(await sink.next(), TripState)
    assert await sink.ended() is None


# Shared reads, bounds, and failures


async def test_a_thousand_simultaneous_drivers_cost_one_read(hub: Hub, bus: FakeBus, state: ScriptedState) -> None:
    trip = state.request()
    sinks = [RecordingSink() for _ in range(1000)]
    await asyncio.gather(*(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink) for sink in sinks))
    messages = [await sink.message() for sink in sinks]
    assert state.reads == ["pool"]
    assert bus.asked.count(POOL) == 1
    assert {id(message) for message in messages} == {id(messages[0])}
    assert messages[0].content == PoolSnapshot((trip,), truncated=False)


async def test_a_gap_costs_a_thousand_drivers_a_handful_of_reads(hub: Hub, state: ScriptedState) -> None:
    sinks = [RecordingSink() for _ in range(1000)]
    await asyncio.gather(*(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink) for sink in sinks))
    for sink in sinks:
        await sink.next()
    trip = state.request()
    hub.resync()
    assert [await sink.next() for sink in sinks] == [PoolSnapshot((trip,), truncated=False)] * 1000
    # They ask one after the other, and each read serves as many callers as all earlier ones.
    assert set(state.reads) == {"pool"}
    assert len(state.reads) <= 10


async def test_a_running_read_is_not_shared_with_later_callers(hub: Hub, state: ScriptedState) -> None:
    state.hold.clear()
    early, late = RecordingSink(), RecordingSink()
    first = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), early))
    await state.reads_reach(1)
    trip = state.request()
    second = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), late))
    await until(lambda: hub.subscribers == 2)
    state.hold.set()
    await asyncio.gather(first, second)
    assert await early.next() == PoolSnapshot((), truncated=False)
    assert await late.next() == PoolSnapshot((trip,), truncated=False)


async def test_a_gap_during_a_read_causes_another_read(hub: Hub, state: ScriptedState) -> None:
    state.hold.clear()
    sink = RecordingSink()
    subscribing = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink))
    await state.reads_reach(1)
    trip = state.request()
    hub.resync()
    state.hold.set()
    await subscribing
    assert await sink.next() == PoolSnapshot((trip,), truncated=False)
    assert sink.is_empty


async def test_if_too_many_events_wait_one_new_snapshot_replaces_them(
    hub: Hub, bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "MAX_BUFFERED_EVENTS", 3)
    state.hold.clear()
    sink = RecordingSink()
    subscribing = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink))
    await state.reads_reach(1)
    trips = [state.request() for _ in range(5)]
    await bus.publish(POOL, *trips)
    state.hold.set()
    await subscribing
    assert await sink.next() == PoolSnapshot(tuple(reversed(trips)), truncated=False)
    await sentinel(bus, state, sink)
    assert state.reads == ["pool", "pool"]


async def test_a_database_that_fails_during_a_resync_is_asked_until_it_answers(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    sink, _ = await follow_pool(hub)
    trip = state.request()
    state.failures = 3
    hub.resync()
    assert await sink.next() == PoolSnapshot((trip,), truncated=False)
    assert len(state.reads) == 5
    await sentinel(bus, state, sink)


async def test_events_that_come_while_the_database_is_away_are_not_lost(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    sink, _ = await follow_pool(hub)
    state.failures = 1_000_000
    hub.resync()
    await state.reads_reach(3)
    trip = state.request()
    await bus.publish(POOL, trip)
    state.failures = 0
    assert await sink.next() == PoolSnapshot((trip,), truncated=False)
    await sentinel(bus, state, sink)


async def test_a_sink_that_fails_ends_only_its_own_subscription(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    def fail(message: Message) -> None:
        if isinstance(message.content, TripOffered):
            raise ValueError("a sink's own failure")

    broken = RecordingSink(fail)
    await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), broken)
    sink, _ = await follow_pool(hub)
    await sentinel(bus, state, sink)
    await broken.next()
    assert isinstance(await broken.ended(), ValueError)
    await sentinel(bus, state, sink)


async def test_a_sink_that_fails_even_at_its_end_stops_nobody_else(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    class Broken:
        def deliver(self, message: Message) -> None:
            if isinstance(message.content, TripOffered):
                raise ValueError("in deliver")

        def end(self, error: Exception | None) -> None:
            raise ValueError("in end")

    await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), Broken())
    sink, _ = await follow_pool(hub)
    await sentinel(bus, state, sink)
    await sentinel(bus, state, sink)


async def test_a_sink_that_fails_at_a_resync_is_not_tried_for_ever(hub: Hub, state: ScriptedState) -> None:
    snapshots = 0

    def fail(_: Message) -> None:
        nonlocal snapshots
        snapshots += 1
        if snapshots > 1:
            raise ValueError("a sink's own failure")

    sink = RecordingSink(fail)
    await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink)
    await sink.next()
    hub.resync()
    assert isinstance(await sink.ended(), ValueError)
    assert len(state.reads) == 2


# Coming and going


async def test_the_last_subscriber_that_leaves_closes_the_topic(hub: Hub, bus: FakeBus) -> None:
    subscriptions = [
        await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink()) for _ in range(3)
    ]
    assert (hub.subscribers, bus.asked.count(POOL)) == (3, 1)
    for subscription in subscriptions:
        subscription.end()
        subscription.end()
    await until(lambda: nothing_is_left(hub, bus))


async def test_a_subscriber_that_has_left_receives_nothing(hub: Hub, bus: FakeBus, state: ScriptedState) -> None:
    gone = RecordingSink()
    subscription = await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), gone)
    await gone.next()
    sink, _ = await follow_pool(hub)
    subscription.end()
    await sentinel(bus, state, sink)
    assert gone.is_empty


async def test_a_subscriber_that_leaves_during_a_resync_receives_nothing(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    gone = RecordingSink()
    subscription = await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), gone)
    await gone.next()
    state.hold.clear()
    hub.resync()
    await state.reads_reach(2)
    subscription.end()
    state.hold.set()
    await until(lambda: nothing_is_left(hub, bus))
    assert gone.is_empty


async def test_a_topic_can_be_left_and_entered_again_immediately(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    subscription = await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink())
    bus.leave.clear()
    subscription.end()
    sinks = [RecordingSink() for _ in range(3)]
    entering = [
        asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink)) for sink in sinks
    ]
    await asyncio.sleep(0)
    bus.leave.set()
    await asyncio.gather(*entering)
    assert bus.asked.count(POOL) == 2
    for sink in sinks:
        await sink.next()
    trip = state.request()
    await bus.publish(POOL, trip)
    assert [await sink.next() for sink in sinks] == [TripOffered(trip)] * 3


async def test_a_topic_lingers_for_subscribers_that_return(bus: FakeBus, state: ScriptedState) -> None:
    hub = hub_on(bus, TOPICS, linger_s=60.0)
    actor = driver()
    subscription = await hub.subscribe(PoolFeed(actor, TOPICS, radius_m=3_000), RecordingSink())
    subscription.end()
    # Changes at this time are in the snapshot, and do not come again after it.
    trip = state.request()
    await bus.publish(POOL, trip)
    sink = RecordingSink()
    await hub.subscribe(PoolFeed(actor, TOPICS, radius_m=3_000), sink)
    assert await sink.next() == PoolSnapshot((trip,), truncated=False)
    await sentinel(bus, state, sink)
    assert sorted(bus.asked) == sorted([POOL, TOPICS.driver(actor.id)])
    await hub.stop()
    assert not bus.listening


async def test_a_topic_without_subscribers_is_closed_after_a_while(bus: FakeBus, state: ScriptedState) -> None:
    hub = hub_on(bus, TOPICS, linger_s=0.01)
    subscription = await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink())
    subscription.end()
    assert hub.topics == 2
    await until(lambda: nothing_is_left(hub, bus))


async def test_a_listener_that_is_cancelled_before_its_first_step_leaves_nothing(hub: Hub, bus: FakeBus) -> None:
    subscribing = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink()))
    asyncio.get_running_loop().call_soon(subscribing.cancel)
    with pytest.raises(asyncio.CancelledError):
        await subscribing
    await until(lambda: nothing_is_left(hub, bus))
    await follow_pool(hub)


@pytest.mark.parametrize("steps", range(30))
async def test_a_subscription_cancelled_at_any_step_of_its_set_up_leaves_nothing(
    hub: Hub, bus: FakeBus, steps: int
) -> None:
    subscriptions: list[Subscriber] = []

    async def subscribe() -> None:
        subscriptions.append(await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink()))

    subscribing = asyncio.create_task(subscribe())
    for _ in range(steps):
        await asyncio.sleep(0)
    subscribing.cancel()
    await asyncio.wait([subscribing])
    for subscription in subscriptions:
        subscription.end()
    await until(lambda: nothing_is_left(hub, bus))
    await follow_pool(hub)


async def test_a_subscriber_that_gives_up_during_the_set_up_does_not_delay_the_others(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    bus.confirm.clear()
    sink = RecordingSink()
    impatient = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink()))
    patient = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink))
    await until(lambda: bus.asked)
    impatient.cancel()
    await asyncio.wait([impatient])
    bus.confirm.set()
    await patient
    await sink.next()
    await sentinel(bus, state, sink)
    assert hub.subscribers == 1


async def test_a_caller_that_gives_up_does_not_end_the_read_of_the_others(hub: Hub, state: ScriptedState) -> None:
    state.hold.clear()
    sink = RecordingSink()
    impatient = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink()))
    patient = asyncio.create_task(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink))
    await state.reads_reach(1)
    impatient.cancel()
    await asyncio.wait([impatient])
    state.hold.set()
    await patient
    assert isinstance(await sink.next(), PoolSnapshot)


async def test_a_topic_that_the_bus_refuses_fails_its_subscribers_and_can_be_opened_later(
    hub: Hub, bus: FakeBus
) -> None:
    bus.failure = ConnectionError("refused")
    results = await asyncio.gather(
        *(hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), RecordingSink()) for _ in range(3)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [ConnectionError] * 3
    await until(lambda: nothing_is_left(hub, bus))
    bus.failure = None
    await follow_pool(hub)


async def test_a_topic_that_fails_ends_its_subscribers_and_can_be_opened_again(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    sink, _ = await follow_pool(hub)
    await bus.end(POOL)
    assert isinstance(await sink.ended(), ListeningEnded)
    again, _ = await follow_pool(hub)
    await sentinel(bus, state, again)


async def test_a_subscriber_who_starts_over_gets_a_new_snapshot(
    hub: Hub, bus: FakeBus, state: ScriptedState
) -> None:
    sink = RecordingSink()
    subscription = await hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=3_000), sink)
    await sink.next()
    trip = state.request()
    subscription.start_over()
    assert await sink.next() == PoolSnapshot((trip,), truncated=False)
    await sentinel(bus, state, sink)


async def test_the_delivered_versions_of_a_topic_and_the_decoded_events_are_bounded(
    hub: Hub, bus: FakeBus, state: ScriptedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivered_versions, "MAX_VERSIONS", 10)
    monkeypatch.setattr(events, "RECENT_EVENTS", 10)
    await follow_pool(hub)
    await bus.publish(POOL, *(state.request() for _ in range(50)))
    topic = cast("Any", hub)._topics._topics[POOL]
    assert len(topic.delivered._versions) == 10
    assert len(topic._delivering.decoder._recent) == 10


async def test_a_feed_of_another_user_never_shares_a_read(hub: Hub, state: ScriptedState) -> None:
    await asyncio.gather(*(hub.subscribe(MyTripsFeed(rider(), TOPICS), RecordingSink()) for _ in range(2)))
    assert state.reads == ["user", "user"]
