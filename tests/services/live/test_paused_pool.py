"""A driver's pool that is paused: what happens between its reads, and that nothing else makes a new snapshot."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from models.geo import GeoPoint
from models.standing import DriverRules, PauseReason
from models.trip_life import TripStatus, WithdrawReason
from models.values import Approval
from services.drivers.announcements import standing_message
from services.live import subscriber
from services.live.messages import PoolSnapshot, TripOffered, TripWithdrawn
from services.live.offer_area import Area
from services.live.pool_feed import PoolFeed
from services.trips.announcements import found_message
from tests.services.live.test_pool_feed import HOME, RADIUS_M, TOPICS, City, offers
from tests.support.live import ScriptedState
from tests.support.waiting import until


@pytest.fixture
async def city(monkeypatch: pytest.MonkeyPatch) -> City:
    monkeypatch.setattr(subscriber, "RETRY_DELAY_S", 0.01)
    state = ScriptedState()
    state.install(monkeypatch)
    return City(state)


def paused(reason: PauseReason) -> PoolSnapshot:
    return PoolSnapshot((), truncated=False, paused=reason)


def stands(city: City, *, on_duty: bool = True, approval: Approval = Approval.APPROVED) -> None:
    """The database has this standing of the driver."""
    city.state.standings[city.actor.id] = {"on_duty": on_duty, "approval": approval}


async def hears_of_standing(
    city: City, *, on_duty: bool = True, approval: Approval = Approval.APPROVED, has_vehicle: bool = False
) -> None:
    message = standing_message(city.actor.id, on_duty=on_duty, approval=approval, has_vehicle=has_vehicle)
    await city.bus.publish(TOPICS.driver(city.actor.id), message)


async def goes_off_duty(city: City) -> PoolSnapshot:
    stands(city, on_duty=False)
    await hears_of_standing(city, on_duty=False)
    return paused(PauseReason.OFF_DUTY)


async def accepts(city: City) -> PoolSnapshot:
    trip = city.state.accept(city.state.request(pick_up=HOME), city.actor)
    await city.bus.publish(TOPICS.driver(city.actor.id), trip)
    return paused(PauseReason.ON_TRIP)


CELLS = Area.around(HOME, RADIUS_M).cells
Change = Callable[[City], Awaitable[PoolSnapshot]]
CHANGES = pytest.mark.parametrize("change", [goes_off_duty, accepts])


@CHANGES
async def test_a_change_before_the_driver_is_read_is_in_the_snapshot(city: City, change: Change) -> None:
    city.stands(HOME)
    own = TOPICS.driver(city.actor.id)
    later = city.bus.confirm_later[own] = asyncio.Event()
    following = asyncio.create_task(city.follow())
    await until(lambda: own in city.bus.asked)
    assert city.state.standings_read == 0
    if change is accepts:
        expected = paused(PauseReason.ON_TRIP)
        city.state.accept(city.state.request(pick_up=HOME), city.actor)
    else:
        expected = paused(PauseReason.OFF_DUTY)
        stands(city, on_duty=False)
    later.set()
    await following
    assert await city.sink.next() == expected
    assert city.sink.is_empty


@CHANGES
async def test_a_change_between_the_read_of_the_driver_and_the_topics_of_the_area_is_seen(
    city: City, change: Change
) -> None:
    city.stands(HOME)
    cell = TOPICS.pool_cell(next(iter(CELLS)))
    later = city.bus.confirm_later[cell] = asyncio.Event()
    following = asyncio.create_task(city.follow())
    await until(lambda: cell in city.bus.asked)
    assert city.state.standings_read == 1
    expected = await change(city)
    later.set()
    await following
    while (last := await city.sink.next()) != expected:
        assert last == offers()
    assert city.sink.is_empty


@CHANGES
async def test_a_change_during_the_read_of_the_offers_is_seen(city: City, change: Change) -> None:
    city.stands(HOME)
    city.state.hold.clear()
    following = asyncio.create_task(city.follow())
    await city.state.reads_reach(1)
    expected = await change(city)
    city.state.hold.set()
    await following
    while (last := await city.sink.next()) != expected:
        assert last == offers()
    assert city.sink.is_empty


async def test_no_other_event_makes_a_snapshot(city: City) -> None:
    city.stands(HOME)
    await city.follow()
    assert await city.sink.next() == offers()
    # The same standing again.
    await hears_of_standing(city)
    await hears_of_standing(city, has_vehicle=True)
    trip = city.state.accept(city.state.request(pick_up=HOME), city.actor)
    own = TOPICS.driver(city.actor.id)
    await city.bus.publish(own, trip)
    assert await city.sink.next() == paused(PauseReason.ON_TRIP)
    trip = city.state.change(trip, TripStatus.IN_PROGRESS)
    await city.bus.publish(own, trip)
    await hears_of_standing(city)
    await city.moves(HOME)
    assert city.sink.is_empty
    trip = city.state.change(trip, TripStatus.COMPLETED)
    await city.bus.publish(own, trip, trip)
    await city.shows(offers())


async def test_a_pinned_area_is_paused_too_and_shown_again(city: City) -> None:
    await city.follow(near=HOME)
    assert await city.sink.next() == offers()
    assert await goes_off_duty(city) == await city.sink.next()
    await until(lambda: set(city.bus.listening) == {TOPICS.driver(city.actor.id)})
    trip = city.state.request(pick_up=HOME)
    stands(city)
    await hears_of_standing(city)
    await city.shows(offers(trip))


async def test_positions_during_a_pause_count_afterwards(city: City) -> None:
    await city.follow()
    assert await city.sink.next() == offers()
    near = city.state.request(pick_up=HOME)
    await city.publish(near)
    await city.sink.next()
    trip = city.state.accept(city.state.request(), city.actor)
    await city.bus.publish(TOPICS.driver(city.actor.id), trip)
    assert await city.sink.next() == paused(PauseReason.ON_TRIP)
    await city.moves(HOME)
    await city.bus.publish(TOPICS.driver(city.actor.id), city.state.change(trip, TripStatus.CANCELLED))
    await city.shows(offers(near))
    wanted = {TOPICS.driver(city.actor.id), TOPICS.pool_any, *(TOPICS.pool_cell(cell) for cell in CELLS)}
    await until(lambda: set(city.bus.listening) == wanted)


async def test_a_standing_that_was_announced_late_is_read_and_not_believed(city: City) -> None:
    await city.follow()
    assert await city.sink.next() == offers()
    # They have gone off duty and on again; the two announcements come in the wrong order.
    await hears_of_standing(city)
    await hears_of_standing(city, on_duty=False)
    await city.shows(offers())


@pytest.mark.parametrize(
    ("approval", "on_duty", "on_trip", "reason"),
    [
        (Approval.WAITING, False, True, PauseReason.NOT_APPROVED),
        (Approval.REFUSED, True, False, PauseReason.NOT_APPROVED),
        (Approval.APPROVED, False, True, PauseReason.OFF_DUTY),
        (Approval.APPROVED, True, True, PauseReason.NO_VEHICLE),
    ],
)
async def test_of_several_reasons_the_first_one_is_given(
    city: City, approval: Approval, on_duty: bool, on_trip: bool, reason: PauseReason
) -> None:
    stands(city, on_duty=on_duty, approval=approval)
    if on_trip:
        city.state.accept(city.state.request(), city.actor)
    rules = DriverRules(needs_approval=True, needs_vehicle=True)
    await city.hub.subscribe(PoolFeed(city.actor, TOPICS, radius_m=RADIUS_M, rules=rules), city.sink)
    assert await city.sink.next() == paused(reason)


async def test_what_is_not_required_pauses_nothing(city: City) -> None:
    stands(city, approval=Approval.WAITING)
    await city.follow()
    assert await city.sink.next() == offers()


@pytest.mark.parametrize("place", [HOME, None])
async def test_what_a_driver_hears_of_an_own_trip_never_comes_before_the_offer(
    city: City, place: GeoPoint | None
) -> None:
    """The offer and the acceptance are late; that the driver has given it back is told at once."""
    if place is not None:
        city.stands(place)
    await city.follow()
    assert await city.sink.next() == offers()
    request = city.state.request(pick_up=place)
    accepted = city.state.accept(request, city.actor)
    given_back = city.state.give_back(accepted)
    for own in {TOPICS.driver(city.actor.id), TOPICS.user(city.actor.id)} & city.bus.listening.keys():
        await city.bus.publish(own, given_back)
    await city.publish(request)
    assert await city.sink.next() == TripOffered(request)
    await city.publish(given_back)
    await city.shows(TripWithdrawn(given_back.id, 3, WithdrawReason.TAKEN))


async def test_the_end_of_a_trip_is_heard_on_the_users_topic_too(city: City) -> None:
    """As a server of the version before tells it."""
    trip = city.state.accept(city.state.request(), city.actor)
    await city.follow()
    assert await city.sink.next() == paused(PauseReason.ON_TRIP)
    await city.bus.publish(TOPICS.user(city.actor.id), city.state.change(trip, TripStatus.CANCELLED))
    await city.shows(offers())
    assert TOPICS.user(city.actor.id) not in city.bus.listening


async def test_what_comes_late_about_a_trip_that_is_over_makes_no_snapshot(city: City) -> None:
    trip = city.state.accept(city.state.request(), city.actor)
    await city.follow()
    assert await city.sink.next() == paused(PauseReason.ON_TRIP)
    riding = city.state.change(trip, TripStatus.IN_PROGRESS)
    completed = city.state.change(riding, TripStatus.COMPLETED)
    await city.bus.publish(TOPICS.user(city.actor.id), riding, completed)
    assert await city.sink.next() == offers()
    await city.bus.publish(TOPICS.driver(city.actor.id), riding, completed)
    await city.shows()


async def test_each_decision_of_staff_makes_a_snapshot_where_they_approve_drivers(city: City) -> None:
    rules = DriverRules(needs_approval=True)
    stands(city, approval=Approval.WAITING)
    await city.hub.subscribe(PoolFeed(city.actor, TOPICS, radius_m=RADIUS_M, rules=rules), city.sink)
    assert await city.sink.next() == paused(PauseReason.NOT_APPROVED)
    # The same standing again says nothing.
    await hears_of_standing(city, approval=Approval.WAITING)
    stands(city, approval=Approval.REFUSED)
    await hears_of_standing(city, approval=Approval.REFUSED)
    assert await city.sink.next() == paused(PauseReason.NOT_APPROVED)
    assert city.sink.is_empty
    stands(city)
    await hears_of_standing(city)
    await city.shows(offers())


async def test_a_late_offer_reaches_a_driver_whose_session_was_read_before_the_approval(city: City) -> None:
    actor = replace(city.actor, is_approved=False)
    # It was written before the read, and committed after it.
    trip = city.state.request()
    del city.state.trips[trip.id]
    await city.hub.subscribe(PoolFeed(actor, TOPICS, radius_m=RADIUS_M), city.sink)
    assert await city.sink.next() == offers()
    await city.bus.publish(TOPICS.pool, found_message(trip, city.state.tick()))
    assert await city.sink.next() == TripOffered(trip)
