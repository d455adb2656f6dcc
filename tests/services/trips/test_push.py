"""Push messages about trips: who is told what, when nothing is said, and what happens when something fails."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import Party, TripStatus
from models.values import TripValue
from models.visibility import Actor
from services.events import handover
from services.trips import push_rows, push_worker
from tests.services.trips.test_trips_pages import statements
from tests.support.attacks import Attack
from tests.support.database_rows import add_driver, add_rider
from tests.support.globe import destination
from tests.support.push_service import SETTINGS, Device, PushService, answer_of, push_service
from tests.support.waiting import until

STARTED, IN_PROGRESS, CANCELLED = TripStatus.STARTED, TripStatus.IN_PROGRESS, TripStatus.CANCELLED
REQUESTED, COMPLETED = TripStatus.REQUESTED, TripStatus.COMPLETED
PICK_UP = GeoPoint(52.5, 13.4)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update=SETTINGS)


@pytest.fixture
async def service() -> AsyncGenerator[PushService]:
    async with push_service() as service:
        yield service


@asynccontextmanager
async def application_with(settings: Settings, service: PushService, **client: Any) -> AsyncGenerator[Application]:
    """An application that sends messages when the test says so."""
    application = Application(settings, push_client=service.client(**client))
    async with running(application):
        await application.push_worker.stop()
        yield application


@dataclass
class City:
    """A rider and a driver with a device each; the driver is near the pick-up."""

    app: Application
    service: PushService
    rider: Actor
    driver: Actor
    riders: Device
    drivers: Device

    async def request(self, pick_up: GeoPoint | None = PICK_UP) -> TripValue:
        """A new trip of the rider."""
        return await self.app.services.trips.request(
            self.rider, pick_up_address="Secret Street 1", drop_off_address="There", pick_up=pick_up
        )

    async def update(self, actor: Actor, trip: TripValue, status: TripStatus) -> TripValue:
        return await self.app.services.trips.update(actor, trip_id=trip.id, status=status)

    async def is_at(self, driver: Actor, metres: float) -> None:
        """Let a driver report a position so far from the pick-up."""
        await self.app.services.positions.report(
            driver, point=destination(PICK_UP, 90, metres), recorded_at=datetime.now(UTC)
        )

    async def push(self) -> None:
        """Work on all changes that are published."""
        await self.published()
        await self.app.push_worker.run_once()

    async def published(self) -> None:
        async def is_empty() -> bool:
            return not await self.app.database.fetch("SELECT id FROM outbox")

        await until(is_empty)

    async def advance(self, seconds: int) -> None:
        """Let so much time pass for what waits."""
        ago = self.app.database.sql.ago(-seconds)
        now = self.app.database.sql.ago(0)
        await self.app.database.fetch(f"UPDATE push_messages SET due = {now} WHERE due < {ago}")
        await self.app.database.fetch(f"UPDATE push_changes SET due = {now} WHERE due < {ago}")

    async def rows(self, table: str) -> Sequence[Any]:
        return await self.app.database.fetch(f"SELECT * FROM {table} ORDER BY id")


@asynccontextmanager
async def a_city(app: Application, service: PushService) -> AsyncGenerator[City]:
    city = City(
        app,
        service,
        await add_rider(app.database),
        await add_driver(app.database),
        service.device(),
        service.device(),
    )
    await city.riders.register(app, city.rider)
    await city.drivers.register(app, city.driver)
    await city.is_at(city.driver, 500)
    yield city


@pytest.fixture
async def city(settings: Settings, service: PushService) -> AsyncGenerator[City]:
    async with application_with(settings, service) as app, a_city(app, service) as city:
        yield city


async def test_a_ride_is_told_to_the_devices_of_both(city: City) -> None:
    trip = await city.request()
    await city.push()
    assert (city.riders.texts, city.drivers.texts) == ([], ["OFFER"])
    await city.update(city.driver, trip, STARTED)
    await city.push()
    # The driver has accepted it elsewhere; a device that gets the offer only now must not show it.
    assert (city.riders.texts, city.drivers.texts) == (["ACCEPTED"], ["OFFER", "OFFER_GONE"])
    await city.is_at(city.driver, 10)
    await city.app.services.arrivals.report(city.driver, trip_id=trip.id)
    await city.push()
    await city.update(city.driver, trip, IN_PROGRESS)
    await city.update(city.driver, trip, COMPLETED)
    await city.push()
    assert (city.riders.texts, city.drivers.texts) == (["ACCEPTED", "ARRIVED"], ["OFFER", "OFFER_GONE"])
    assert city.app.counters.pushes_sent == 4


async def test_giving_back_and_cancelling_are_told_to_the_other_party_alone(city: City) -> None:
    trip = await city.request()
    await city.update(city.driver, trip, STARTED)
    await city.push()
    await city.update(city.driver, trip, REQUESTED)
    await city.push()
    assert city.riders.texts == ["ACCEPTED", "GIVEN_BACK"]
    other = await add_driver(city.app.database)
    device = city.service.device()
    await device.register(city.app, other)
    await city.update(other, trip, STARTED)
    await city.update(city.rider, trip, CANCELLED)
    await city.push()
    # Of states in between nobody hears: they are over.
    assert (city.riders.texts, device.texts) == (["ACCEPTED", "GIVEN_BACK"], ["CANCELLED"])


async def test_an_offer_that_is_gone_replaces_the_offer_at_the_push_service(city: City) -> None:
    trip = await city.request()
    await city.push()
    await city.update(city.rider, trip, CANCELLED)
    await city.push()
    assert city.drivers.texts == ["OFFER", "OFFER_GONE"]
    topics = {message.headers["Topic"] for message in city.drivers.got}
    assert len(topics) == 1
    assert len(topics.pop()) <= 32
    urgencies = [message.headers["Urgency"] for message in city.drivers.got]
    assert urgencies == ["high", "normal"]
    assert 0 < int(city.drivers.got[0].headers["TTL"]) <= city.app.settings.request_ttl_s


async def test_drivers_hear_of_requests_within_reach_while_they_may_take_them(city: City) -> None:
    far, busy, off_duty = [await add_driver(city.app.database) for _ in range(3)]
    devices = [city.service.device() for _ in range(3)]
    for driver, device in zip((far, busy, off_duty), devices, strict=True):
        await device.register(city.app, driver)
    await city.is_at(far, city.app.settings.offer_radius_m + 50)
    await city.is_at(busy, 100)
    await city.is_at(off_duty, 100)
    mine = await city.request()
    await city.update(busy, mine, STARTED)
    await city.app.services.duty.set(off_duty, on_duty=False)
    await city.published()
    await city.app.database.fetch("DELETE FROM push_changes")
    await city.request()
    # Without coordinates nobody knows who is near.
    await city.request(None)
    await city.push()
    assert city.drivers.texts == ["OFFER"]
    assert [device.texts for device in devices] == [[], [], []]


async def test_a_driver_who_comes_into_reach_later_is_not_told_by_a_message(city: City) -> None:
    far, device = await add_driver(city.app.database), city.service.device()
    await device.register(city.app, far)
    await city.is_at(far, city.app.settings.offer_radius_m + 50)
    await city.request()
    await city.push()
    await city.is_at(far, 100)
    await city.push()
    assert (city.drivers.texts, device.texts) == (["OFFER"], [])
    # But of the next request.
    trip = await city.request()
    await city.push()
    assert [device.read(each)["tripId"] for each in device.got] == [str(trip.id)]


async def test_an_offer_that_is_gone_before_it_is_sent_is_not_sent(city: City) -> None:
    trip = await city.request()
    await city.published()
    await city.app.push_worker._find_recipients()
    await city.update(city.rider, trip, CANCELLED)
    await city.push()
    assert city.drivers.got == []


async def test_a_message_says_nothing_but_its_kind_and_the_trip(city: City) -> None:
    trip = await city.request()
    await city.push()
    (message,) = city.drivers.got
    assert city.drivers.read(message) == {"text": "OFFER", "tripId": str(trip.id)}


async def test_a_person_who_follows_live_gets_no_message(city: City) -> None:
    topics = city.app.services.topics
    async with city.app.bus.listen(topics.driver(city.driver.id)), city.app.bus.listen(topics.user(city.rider.id)):
        trip = await city.request()
        await city.push()
        # Asked again after the time in which a topic lingers.
        (offer,) = [row for row in await city.rows("push_messages") if row["audience"] == "POOL"]
        assert offer["settled"] is None
        await city.advance(push_worker.ASK_AGAIN_S + 1)
        await city.push()
        await city.update(city.driver, trip, STARTED)
        await city.push()
        await city.advance(push_worker.ASK_AGAIN_S + 1)
        await city.push()
    assert (city.drivers.got, city.riders.got) == ([], [])
    assert city.app.counters.pushes_dropped == 2


async def test_a_person_whose_socket_has_just_closed_gets_the_message(city: City) -> None:
    async with city.app.bus.listen(city.app.services.topics.driver(city.driver.id)):
        await city.request()
        await city.push()
    await city.advance(push_worker.ASK_AGAIN_S + 1)
    await city.push()
    assert city.drivers.texts == ["OFFER"]


async def test_a_dead_endpoint_is_forgotten(city: City) -> None:
    for status in (404, 410):
        city.drivers.answers = [answer_of(status)]
        await city.drivers.register(city.app, city.driver)
        await city.request()
        await city.push()
        assert [row["endpoint"] for row in await city.rows("push_subscriptions")] == [city.riders.endpoint]
    assert city.drivers.got == []


@pytest.mark.parametrize("status", [429, 503])
async def test_a_message_that_is_not_taken_is_tried_again_when_the_service_asks(city: City, status: int) -> None:
    city.drivers.answers = [answer_of(status, "Retry-After: 30")]
    await city.request()
    await city.push()
    await city.advance(20)
    await city.push()
    assert city.drivers.got == []
    city.app.push_worker._pauses.discard(f"push.test:{city.service.port}")
    await city.advance(40)
    await city.push()
    assert city.drivers.texts == ["OFFER"]
    assert (city.app.counters.pushes_failed, city.app.counters.pushes_sent) == (1, 1)
    assert [row["failing_since"] for row in await city.rows("push_subscriptions")] == [None, None]


async def test_a_message_of_no_more_use_is_dropped_and_a_device_that_fails_for_days_forgotten(city: City) -> None:
    city.drivers.answers = [answer_of(429), answer_of(429)]
    await city.request()
    await city.push()
    sql, fetch = city.app.database.sql, city.app.database.fetch
    await fetch(f"UPDATE push_subscriptions SET failing_since = {sql.ago(push_rows.MAX_FAILING_S + 1)}")
    await city.advance(3600)
    await city.push()
    assert [row["endpoint"] for row in await city.rows("push_subscriptions")] == [city.riders.endpoint]
    trip = await city.request()
    await city.update(city.driver, trip, STARTED)
    await city.published()
    await city.app.push_worker._find_recipients()
    await fetch(f"UPDATE push_messages SET created = {sql.ago(601)}")
    await city.push()
    assert city.riders.got == []
    await fetch(f"UPDATE push_messages SET created = {sql.ago(push_rows.MESSAGE_KEPT_S + 1)}")
    await city.app.push_rows.remove_old()
    assert await city.rows("push_messages") == []


@pytest.mark.attack("abuse")
async def test_a_push_service_that_hangs_delays_no_other_message_and_no_trip(
    settings: Settings, service: PushService
) -> None:
    async with application_with(settings, service, timeout_s=10.0) as app, a_city(app, service) as city:
        city.drivers.may_answer = asyncio.Event()
        await city.request()
        sending = asyncio.create_task(city.push())
        await service.asked.wait()
        other = await add_rider(app.database)
        device = service.device()
        await device.register(app, other)
        trip = await app.services.trips.request(other, pick_up_address="Here", drop_off_address="There")
        await city.update(city.driver, trip, STARTED)
        await city.published()
        await app.push_worker._find_recipients()
        await app.push_worker._send_due()
        await until(lambda: device.texts == ["ACCEPTED"])
        assert not sending.done()
        await sending
        # It is left alone for a while, and the message waits.
        assert app.counters.pushes_failed == 1
        city.drivers.may_answer.set()
        waiting = [row for row in await city.rows("push_messages") if row["settled"] is None]
        assert len(waiting) == 1


@pytest.mark.attack("abuse")
async def test_an_endpoint_whose_host_has_become_private_is_forgotten(city: City) -> None:
    await city.app.database.fetch(
        "UPDATE push_subscriptions SET endpoint = 'https://169.254.169.254/' WHERE endpoint = $1",
        city.drivers.endpoint,
    )
    await city.request()
    await city.push()
    assert len(await city.rows("push_subscriptions")) == 1


async def test_a_process_that_dies_between_commit_and_push_loses_nothing(
    settings: Settings, service: PushService
) -> None:
    async with application_with(settings, service) as app, a_city(app, service) as city:
        # It commits, and dies before it publishes.
        await app.outbox.stop()
        await city.request()
        app.outbox._waiting.clear()
        assert await city.rows("push_changes") == []
        await app.database.fetch(f"UPDATE outbox SET created = {app.database.sql.ago(5)}")
    async with application_with(settings, service) as app:
        # Another process sweeps it, takes up the change, and dies.
        city = City(app, service, city.rider, city.driver, city.riders, city.drivers)
        await city.published()
        assert await app.push_rows.claim_changes(10)
        await city.advance(push_rows.CLAIM_S + 1)
    async with application_with(settings, service) as app:
        # The next takes up the message, and dies.
        city = City(app, service, city.rider, city.driver, city.riders, city.drivers)
        await city.is_at(city.driver, 501)
        await app.push_worker._find_recipients()
        assert await app.push_rows.claim_messages(10)
        await app.push_worker.run_once()
        assert city.drivers.got == []
        await city.advance(push_rows.CLAIM_S + 1)
    async with application_with(settings, service) as app:
        await app.push_worker.run_once()
    assert city.drivers.texts == ["OFFER"]


@pytest.mark.parametrize("backend", ["production"])
async def test_two_processes_send_each_message_once(settings: Settings, service: PushService) -> None:
    async with application_with(settings, service) as app, a_city(app, service) as city:
        await city.request()
        await city.published()
        async with application_with(settings, service) as other:
            await asyncio.gather(*(each.push_worker.run_once() for each in (app, other) for _ in range(3)))
    assert city.drivers.texts == ["OFFER"]


async def test_a_change_that_is_rolled_back_is_not_told(city: City) -> None:
    trip = await city.request()
    await city.push()

    async def fail() -> None:
        async with city.app.outbox.transaction() as transaction:
            await city.app.services.trips.move(
                transaction, trip_id=trip.id, status=CANCELLED, by=Party.RIDER, user_id=city.rider.id
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await city.push()
    assert (city.drivers.texts, await city.rows("push_changes")) == (["OFFER"], [])


async def test_the_worker_sends_by_itself(settings: Settings, service: PushService) -> None:
    application = Application(settings, push_client=service.client())
    async with running(application), a_city(application, service) as city:
        await city.request()
        await until(lambda: city.drivers.texts == ["OFFER"])


async def test_without_a_device_or_a_key_a_change_costs_nothing(
    settings: Settings, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asked once, and then known for the whole test.
    monkeypatch.setattr(handover, "LOOK_INTERVAL_S", 60.0)
    for key in (True, False):
        without = settings if key else settings.model_copy(update=dict.fromkeys(SETTINGS))
        async with application_with(without, service) as app:
            rider = await add_rider(app.database)
            await app.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
            city = City(app, service, rider, rider, service.device(), service.device())
            await city.published()
            with statements() as run:
                await app.services.trips.request(rider, pick_up_address="Here", drop_off_address="There")
                await city.published()
            assert [sql for sql in run if "push" in sql] == []


@pytest.mark.attack("abuse")
async def test_a_user_has_a_limited_number_of_devices(city: City, attempts: Attack) -> None:
    devices = [city.service.device() for _ in range(15)]
    for device in devices:
        await device.register(city.app, city.rider)
        attempts.add()
    kept = [row["endpoint"] for row in await city.rows("push_subscriptions")]
    assert kept == [city.drivers.endpoint, *(device.endpoint for device in devices[-10:])]
