"""A driver's pool around a position: what happens between two topics, two reads, and two positions."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.geo import GeoPoint
from models.trip_life import TripStatus, WithdrawReason
from models.values import Location, TripValue
from models.visibility import Actor
from services.events.topics import Topics
from services.live import shown_offers as shown_offers_module
from services.live import subscriber
from services.live.messages import PoolSnapshot, TripOffered, TripWithdrawn
from services.live.offer_area import Area
from services.live.pool_feed import PoolFeed
from services.live.subscriber import Subscriber
from services.positions.cells import cell_of, cells_of
from tests.support.globe import destination
from tests.support.live import FakeBus, RecordingSink, ScriptedPositions, ScriptedState, driver, hub_on
from tests.support.waiting import until

TOPICS = Topics("test")
RADIUS_M = 3_000.0
HOME = GeoPoint(52.3702, 4.8952)
# Beyond the radius, but within the cells of the area; and beyond those too.
OUTSKIRTS = destination(HOME, 90, 3_500)
AWAY = destination(HOME, 90, 20_000)
START = datetime.now(UTC) - timedelta(minutes=5)


class City:
    """A hub, its state, and one driver's way through both."""

    def __init__(self, state: ScriptedState) -> None:
        self.state = state
        self.bus = FakeBus()
        self.positions = ScriptedPositions()
        self.hub = hub_on(self.bus, TOPICS, self.positions)
        self.actor = driver()
        self.sink = RecordingSink()
        self._moment = START

    async def follow(self, actor: Actor | None = None, near: GeoPoint | None = None) -> Subscriber:
        feed = PoolFeed(actor or self.actor, TOPICS, radius_m=RADIUS_M, near=near)
        return await self.hub.subscribe(feed, self.sink)

    def location(self, point: GeoPoint, actor: Actor | None = None) -> Location:
        """A position a second after the previous one."""
        self._moment += timedelta(seconds=1)
        return Location((actor or self.actor).id, None, point, None, self._moment, as_of=self._moment)

    def stands(self, point: GeoPoint) -> Location:
        """The store has the position; no event is published."""
        location = self.positions.known[self.actor.id] = self.location(point)
        return location

    async def moves(self, point: GeoPoint) -> None:
        """The store has the position, and the driver's topic publishes it."""
        await self.tell(self.stands(point))

    async def tell(self, location: Location) -> None:
        await self.bus.publish(TOPICS.driver(location.driver_id), location.to_json())

    async def publish(self, *trips: TripValue) -> None:
        """Publish on the pool topics that this process listens to."""
        for trip in trips:
            names = [TOPICS.pool]
            if trip.pick_up is None:
                names.append(TOPICS.pool_any)
            else:
                names += [TOPICS.pool_cell(cell) for cell in cells_of(trip.pick_up)]
            for name in names:
                if name in self.bus.listening:
                    await self.bus.publish(name, trip)

    async def shows(self, *contents: object) -> None:
        """Fail unless these messages come next, and then nothing before a request for all drivers."""
        for content in contents:
            assert await self.sink.next() == content
        sentinel = self.state.request()
        await self.publish(sentinel)
        assert await self.sink.next() == TripOffered(sentinel)


def offers(*trips: TripValue) -> PoolSnapshot:
    return PoolSnapshot(trips, truncated=False)


def out_of_range(trip: TripValue) -> TripWithdrawn:
    return TripWithdrawn(trip.id, trip.version, WithdrawReason.OUT_OF_RANGE)


@pytest.fixture
async def city(monkeypatch: pytest.MonkeyPatch) -> City:
    monkeypatch.setattr(subscriber, "RETRY_DELAY_S", 0.01)
    state = ScriptedState()
    state.install(monkeypatch)
    return City(state)


def test_the_places_of_this_test_have_the_distances_of_their_names() -> None:
    area = Area.around(HOME, RADIUS_M)
    assert cell_of(OUTSKIRTS) in area.cells
    assert not area.holds(OUTSKIRTS)
    assert cell_of(AWAY) not in area.cells


# The snapshot


async def test_the_nearest_offers_come_first_and_those_without_a_position_last(city: City) -> None:
    anywhere = city.state.request()
    trips = [city.state.request(pick_up=destination(HOME, 0, distance_m)) for distance_m in (900, 100, 500)]
    city.state.request(pick_up=OUTSKIRTS)
    city.stands(HOME)
    await city.follow()
    await city.shows(offers(trips[1], trips[2], trips[0], anywhere))


async def test_the_nearest_two_hundred_are_shown_and_it_is_said_that_there_are_more(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_offers_module, "POOL_SNAPSHOT_LIMIT", 2)
    trips = [city.state.request(pick_up=destination(HOME, 0, distance_m)) for distance_m in (900, 100, 500)]
    city.stands(HOME)
    await city.follow()
    assert await city.sink.next() == PoolSnapshot((trips[1], trips[2]), truncated=True)
    # It was not shown, so nothing is withdrawn; but now there are no more than are listed.
    await city.publish(city.state.change(trips[0], TripStatus.CANCELLED))
    assert await city.sink.next() == offers(trips[1], trips[2])
    assert city.sink.is_empty


async def test_a_driver_without_a_position_hears_of_every_request(city: City) -> None:
    await city.follow()
    assert await city.sink.next() == offers()
    trip = city.state.request(pick_up=AWAY)
    await city.publish(trip)
    await city.shows(TripOffered(trip))


async def test_the_first_position_replaces_all_offers_by_those_around_it(city: City) -> None:
    near, far = city.state.request(pick_up=HOME), city.state.request(pick_up=AWAY)
    await city.follow()
    assert await city.sink.next() == offers(far, near)
    await city.moves(HOME)
    assert await city.sink.next() == offers(near)
    await until(lambda: TOPICS.pool not in city.bus.listening)
    await city.shows()


async def test_a_pinned_area_stays_where_it_is(city: City) -> None:
    near, far = city.state.request(pick_up=HOME), city.state.request(pick_up=AWAY)
    city.stands(AWAY)
    await city.follow(near=HOME)
    assert await city.sink.next() == offers(near)
    await city.publish(city.state.change(far, TripStatus.CANCELLED))
    await city.shows()


async def test_the_topics_are_confirmed_before_the_position_and_the_trips_are_read(city: City) -> None:
    city.bus.confirm.clear()
    following = asyncio.create_task(city.follow())
    await until(lambda: city.bus.asked)
    assert set(city.bus.asked) == {TOPICS.driver(city.actor.id)}
    # Changes before the confirmation are in the read after it.
    city.stands(HOME)
    trip = city.state.request(pick_up=HOME)
    assert city.state.reads == []
    city.bus.confirm.set()
    await following
    await city.shows(offers(trip))


# Requests


async def test_only_what_is_within_the_radius_is_offered(city: City) -> None:
    city.stands(HOME)
    await city.follow()
    near, outskirts = city.state.request(pick_up=HOME), city.state.request(pick_up=OUTSKIRTS)
    await city.publish(near, outskirts)
    await city.shows(offers(), TripOffered(near))


async def test_a_trip_that_was_never_offered_is_not_withdrawn(city: City) -> None:
    city.stands(HOME)
    await city.follow()
    outskirts = city.state.request(pick_up=OUTSKIRTS)
    await city.publish(outskirts, city.state.accept(outskirts, driver()))
    await city.shows(offers())


async def test_a_trip_that_the_driver_gave_back_is_not_offered_again(city: City) -> None:
    city.stands(HOME)
    await city.follow()
    trip = city.state.request(pick_up=HOME)
    accepted = city.state.accept(trip, city.actor)
    await city.publish(trip, accepted, city.state.give_back(accepted))
    await city.shows(offers(), TripOffered(trip), offers())
    # Nor when it comes into reach again.
    await city.moves(AWAY)
    await city.moves(HOME)
    await city.shows()


# Moving


async def test_moving_within_a_cell_offers_and_withdraws_without_a_read(city: City) -> None:
    there = destination(HOME, 90, 400)
    assert cell_of(there) == cell_of(HOME)
    left = city.state.request(pick_up=destination(HOME, 270, 2_900))
    right = city.state.request(pick_up=destination(HOME, 90, 3_100))
    city.stands(HOME)
    await city.follow()
    reads = list(city.state.reads)
    await city.moves(there)
    await city.shows(offers(left), out_of_range(left), TripOffered(right))
    assert city.state.reads == reads


async def test_a_trip_that_stays_in_reach_is_not_offered_again(city: City) -> None:
    trip = city.state.request(pick_up=destination(HOME, 90, 2_000))
    city.stands(HOME)
    await city.follow()
    await city.moves(destination(HOME, 90, 4_000))
    await city.shows(offers(trip))


async def test_crossing_cells_offers_the_trips_there_and_leaves_the_old_topics(city: City) -> None:
    here, there = city.state.request(pick_up=HOME), city.state.request(pick_up=AWAY)
    city.stands(HOME)
    await city.follow()
    await city.moves(AWAY)
    await city.shows(offers(here), out_of_range(here), TripOffered(there))
    wanted = {TOPICS.pool_cell(cell) for cell in Area.around(AWAY, RADIUS_M).cells}
    await until(lambda: set(city.bus.listening) == {*wanted, TOPICS.pool_any, TOPICS.driver(city.actor.id)})


async def test_a_request_between_the_new_topics_and_the_read_is_offered_once(city: City) -> None:
    city.stands(HOME)
    await city.follow()
    city.state.hold.clear()
    await city.moves(AWAY)
    await city.state.reads_reach(2)
    # Committed after the read began; the topic delivers it in the meantime.
    trip = city.state.request(pick_up=AWAY)
    await city.publish(trip)
    city.state.hold.set()
    await city.shows(offers(), TripOffered(trip))


async def test_a_request_that_comes_by_read_and_by_topic_is_offered_once(city: City) -> None:
    city.stands(HOME)
    await city.follow()
    city.bus.confirm.clear()
    await city.moves(AWAY)
    await until(lambda: TOPICS.pool_cell(cell_of(AWAY)) in city.bus.asked)
    trip = city.state.request(pick_up=AWAY)
    city.state.hold.clear()
    city.bus.confirm.set()
    await city.state.reads_reach(2)
    await city.publish(trip)
    city.state.hold.set()
    await city.shows(offers(), TripOffered(trip))


async def test_a_trip_taken_while_the_driver_crosses_cells_is_withdrawn_with_its_reason(city: City) -> None:
    beside = destination(HOME, 90, 4_000)
    trip = city.state.request(pick_up=destination(HOME, 90, 2_000))
    city.stands(HOME)
    await city.follow()
    city.state.hold.clear()
    await city.moves(beside)
    await city.state.reads_reach(2)
    taken = city.state.accept(trip, driver())
    city.state.hold.set()
    await city.publish(taken)
    await city.shows(offers(trip), TripWithdrawn(trip.id, 2, WithdrawReason.TAKEN))


async def test_a_trip_accepted_before_the_read_and_published_after_it_is_withdrawn_with_its_reason(
    city: City,
) -> None:
    beside = destination(HOME, 90, 4_000)
    trip = city.state.request(pick_up=destination(HOME, 90, 2_000))
    city.stands(HOME)
    await city.follow()
    taken = city.state.accept(trip, driver())
    await city.moves(beside)
    await city.state.reads_reach(2)
    await until(lambda: city.hub.topics == len(Area.around(beside, RADIUS_M).cells) + 2)
    await city.publish(taken)
    await city.shows(offers(trip), TripWithdrawn(trip.id, 2, WithdrawReason.TAKEN))


async def test_a_late_offer_cannot_bring_back_a_trip_that_has_left_the_pool(city: City) -> None:
    trip = city.state.request(pick_up=AWAY)
    city.state.change(trip, TripStatus.CANCELLED)
    city.stands(HOME)
    await city.follow()
    await city.moves(AWAY)
    await until(lambda: len(city.state.reads) == 2)
    await city.publish(trip)
    await city.shows(offers())


async def test_an_older_position_does_not_move_the_area(city: City) -> None:
    trip = city.state.request(pick_up=HOME)
    late = city.location(AWAY)
    city.stands(HOME)
    await city.follow()
    await city.tell(late)
    await city.shows(offers(trip))


async def test_positions_that_arrive_during_a_read_are_followed_afterwards(city: City) -> None:
    trips = [city.state.request(pick_up=destination(HOME, 90, km * 1_000)) for km in (0, 10, 20, 30)]
    city.stands(HOME)
    await city.follow()
    assert await city.sink.next() == offers(trips[0])
    city.state.hold.clear()
    await city.moves(destination(HOME, 90, 10_000))
    await city.state.reads_reach(2)
    await city.moves(destination(HOME, 90, 20_000))
    await city.moves(destination(HOME, 90, 30_000))
    city.state.hold.set()
    shown = {trips[0].id}
    while shown != {trips[3].id}:
        content = await city.sink.next()
        if isinstance(content, TripOffered):
            shown.add(content.trip.id)
        else:
            assert isinstance(content, TripWithdrawn)
            shown.remove(content.trip_id)
    await city.shows()


async def test_a_trip_given_back_before_the_read_and_published_after_it_is_withdrawn(city: City) -> None:
    beside = destination(HOME, 90, 4_000)
    trip = city.state.request(pick_up=destination(HOME, 90, 2_000))
    city.stands(HOME)
    await city.follow()
    taken = city.state.accept(trip, city.actor)
    given_back = city.state.give_back(taken)
    await city.moves(beside)
    await city.state.reads_reach(2)
    await until(lambda: city.hub.topics == len(Area.around(beside, RADIUS_M).cells) + 2)
    await city.publish(taken, given_back)
    await city.shows(offers(trip), TripWithdrawn(trip.id, 3, WithdrawReason.TAKEN))


async def test_a_trip_requested_and_accepted_during_the_first_read_is_announced_once(city: City) -> None:
    await city.follow()
    city.state.hold.clear()
    await city.moves(HOME)
    await city.state.reads_reach(2)
    for _ in range(10):
        await asyncio.sleep(0)
    trip = city.state.request(pick_up=HOME)
    taken = city.state.accept(trip, driver())
    # Topic by topic, as a batch arrives.
    for topic in (TOPICS.pool, TOPICS.pool_cell(cell_of(HOME))):
        if topic in city.bus.listening:
            await city.bus.publish(topic, trip, taken)
    city.state.hold.set()
    await city.shows(offers(), offers(), TripOffered(trip), TripWithdrawn(trip.id, 2, WithdrawReason.TAKEN))


async def test_an_offer_at_the_border_does_not_appear_and_disappear_with_every_metre(city: City) -> None:
    trip = city.state.request(pick_up=destination(HOME, 90, 2_990))
    beyond = city.state.request(pick_up=destination(HOME, 90, 3_005))
    city.stands(HOME)
    await city.follow()
    await city.shows(offers(trip))
    for _ in range(3):
        await city.moves(destination(HOME, 270, 20))
        await city.moves(HOME)
    await city.shows()
    # A shown trip disappears when it is 10 % further away, and comes back when it is within the radius.
    await city.moves(destination(HOME, 270, 320))
    await city.shows(out_of_range(trip))
    await city.moves(destination(HOME, 270, 20))
    await city.shows()
    await city.moves(destination(HOME, 90, 10))
    await city.shows(TripOffered(beyond), TripOffered(trip))


# More than the limit


async def test_a_step_of_five_metres_does_not_show_trips_above_the_limit(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_offers_module, "POOL_SNAPSHOT_LIMIT", 4)
    trips = [city.state.request(pick_up=destination(HOME, 0, 100 + 100 * n)) for n in range(10)]
    city.stands(HOME)
    await city.follow()
    assert await city.sink.next() == PoolSnapshot(tuple(trips[:4]), truncated=True)
    await city.moves(destination(HOME, 90, 5))
    # A free place goes to the nearest of the others.
    await city.publish(city.state.accept(trips[0], driver()))
    assert await city.sink.next() == TripWithdrawn(trips[0].id, 2, WithdrawReason.TAKEN)
    assert await city.sink.next() == TripOffered(trips[4])
    assert city.sink.is_empty


async def test_a_much_nearer_trip_replaces_the_farthest(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_offers_module, "POOL_SNAPSHOT_LIMIT", 4)
    trips = [city.state.request(pick_up=destination(HOME, 0, distance)) for distance in (500, 600, 700, 1_000)]
    city.stands(HOME)
    await city.follow()
    assert await city.sink.next() == offers(*trips)
    near = city.state.request(pick_up=destination(HOME, 90, 100))
    await city.publish(near)
    # From now on there are more than are shown, which only a snapshot can express.
    assert await city.sink.next() == PoolSnapshot((near, *trips[:3]), truncated=True)
    nearer = city.state.request(pick_up=destination(HOME, 90, 50))
    await city.publish(nearer, city.state.request(pick_up=destination(HOME, 90, 580)))
    assert [await city.sink.next(), await city.sink.next()] == [out_of_range(trips[2]), TripOffered(nearer)]
    assert city.sink.is_empty


async def test_changes_of_more_than_half_a_screen_are_one_snapshot(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a slow phone a snapshot replaces waiting messages; changes would overflow its queue again."""
    monkeypatch.setattr(shown_offers_module, "POOL_SNAPSHOT_LIMIT", 4)
    here = [city.state.request(pick_up=destination(HOME, 0, 100 * n)) for n in (1, 2)]
    there = [city.state.request(pick_up=destination(AWAY, 0, 100 * n)) for n in (1, 2)]
    city.stands(HOME)
    await city.follow()
    await city.moves(AWAY)
    assert [await city.sink.next(), await city.sink.next()] == [offers(*here), offers(*there)]
    assert city.sink.is_empty


async def test_a_snapshot_fills_free_places_with_trips_above_the_limit(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_offers_module, "POOL_SNAPSHOT_LIMIT", 3)
    there = destination(HOME, 90, 2_000)
    gone = [city.state.request(pick_up=there), city.state.request(pick_up=destination(there, 90, 100))]
    city.stands(HOME)
    await city.follow()
    assert await city.sink.next() == offers(*gone)
    # No event about their acceptance has arrived, nor about the others: the read of the next cells has it.
    taken = [city.state.accept(trip, driver()) for trip in gone]
    others = [city.state.request(pick_up=destination(there, 90, metres)) for metres in (200, 300, 400)]
    await city.moves(there)
    assert await city.sink.next() == offers(*others)
    await city.publish(*taken)
    assert city.sink.is_empty


# Gaps and failures


async def test_after_a_gap_the_position_is_read_again(city: City) -> None:
    here, there = city.state.request(pick_up=HOME), city.state.request(pick_up=AWAY)
    city.stands(HOME)
    await city.follow()
    # The events about it were lost.
    city.stands(AWAY)
    city.hub.resync()
    await city.shows(offers(here), offers(there))


async def test_a_store_that_forgot_the_position_offers_nothing_out_of_reach(city: City) -> None:
    here = city.state.request(pick_up=HOME)
    city.state.request(pick_up=AWAY)
    city.stands(HOME)
    await city.follow()
    city.positions.known.clear()
    city.hub.resync()
    await city.publish(city.state.request(pick_up=AWAY))
    await city.shows(offers(here), offers(here))


async def test_a_gap_while_the_driver_crosses_cells_ends_with_a_snapshot(city: City) -> None:
    here, there = city.state.request(pick_up=HOME), city.state.request(pick_up=AWAY)
    city.stands(HOME)
    await city.follow()
    city.state.hold.clear()
    await city.moves(AWAY)
    await city.state.reads_reach(2)
    city.hub.resync()
    city.state.hold.set()
    await city.shows(offers(here), offers(there))


async def test_a_read_that_fails_while_the_driver_crosses_cells_is_repeated(city: City) -> None:
    here, there = city.state.request(pick_up=HOME), city.state.request(pick_up=AWAY)
    city.stands(HOME)
    await city.follow()
    city.state.failures = 2
    await city.moves(AWAY)
    await city.shows(offers(here), offers(there))


async def test_a_slow_client_gets_a_snapshot_and_then_changes(city: City) -> None:
    here, there = city.state.request(pick_up=HOME), city.state.request(pick_up=AWAY)
    city.stands(HOME)
    subscription = await city.follow()
    subscription.start_over()
    await city.shows(offers(here), offers(here))
    await city.moves(AWAY)
    await city.shows(out_of_range(here), TripOffered(there))


# Sharing, and leftovers


async def test_a_thousand_drivers_all_over_the_city_who_reconnect_together_cost_a_handful_of_reads(
    city: City,
) -> None:
    trips = [city.state.request(pick_up=destination(HOME, bearing, 8_000)) for bearing in range(0, 360, 10)]
    actors = [driver() for _ in range(1_000)]
    for number, actor in enumerate(actors):
        point = destination(HOME, number * 7 % 360, number * 11 % 12_000)
        city.positions.known[actor.id] = city.location(point, actor)
    sinks = [RecordingSink() for _ in actors]
    await asyncio.gather(
        *(
            city.hub.subscribe(PoolFeed(actor, TOPICS, radius_m=RADIUS_M), sink)
            for actor, sink in zip(actors, sinks, strict=True)
        )
    )
    for actor, sink in zip(actors, sinks, strict=True):
        area = Area.around(city.positions.known[actor.id].point, RADIUS_M)
        snapshot = await sink.next()
        assert isinstance(snapshot, PoolSnapshot)
        assert {t.id for t in snapshot.offers} == {t.id for t in trips if t.pick_up and area.holds(t.pick_up)}
    assert len(city.state.reads) <= 5


async def test_an_offer_is_one_message_for_all_drivers_that_it_reaches(city: City) -> None:
    sinks = [RecordingSink() for _ in range(3)]
    for number, sink in enumerate(sinks):
        await city.hub.subscribe(
            PoolFeed(driver(), TOPICS, radius_m=RADIUS_M, near=destination(HOME, 120 * number, 1_000)), sink
        )
        await sink.next()
    trip = city.state.request(pick_up=HOME)
    await city.publish(trip)
    messages = {id(await sink.message()) for sink in sinks}
    assert len(messages) == 1


async def test_drivers_out_of_reach_are_not_even_looked_at(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[UUID] = []
    original: Callable[..., object] = PoolFeed.change

    def change(self: PoolFeed, event: object) -> object:
        looked.append(self.actor.id)
        return original(self, event)

    monkeypatch.setattr(PoolFeed, "change", change)
    near = driver()
    await city.follow(near, near=HOME)
    for _ in range(5):
        await city.hub.subscribe(PoolFeed(driver(), TOPICS, radius_m=RADIUS_M, near=AWAY), RecordingSink())
    await city.publish(city.state.request(pick_up=HOME))
    assert looked == [near.id]


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_a_driver_who_leaves_at_any_step_of_a_crossing_leaves_nothing(city: City, steps: int) -> None:
    city.stands(HOME)
    subscription = await city.follow()
    await city.moves(AWAY)
    for _ in range(steps):
        await asyncio.sleep(0)
    subscription.end()
    await until(lambda: not (city.hub.topics or city.hub.subscribers or city.bus.listening))
    await until(lambda: not asyncio.all_tasks() - {asyncio.current_task()})
