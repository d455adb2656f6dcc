"""Describing the vehicle: what is accepted, what a trip keeps of it, who sees it, and what a deletion erases."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from application.application import Application
from application.lifespan import running
from application.settings import Settings
from models.standing import PauseReason
from models.trip_life import TripStatus
from models.values import Role, TripValue, VehicleValue
from models.visibility import Actor, Audience
from services.accounts.sessions import NewSession
from services.drivers.faults import VehicleRequired
from services.drivers.vehicles import MAX_PLATE_CHARS, MAX_SEATS
from services.errors import BadInput, SessionEnded
from services.live.feeds import TripFeed
from services.live.messages import PoolSnapshot, TripState
from services.trips.faults import NotADriver
from tests.services.drivers.test_duty import follow_pool, paused
from tests.services.positions.test_reporting import Town
from tests.services.trips.test_trips_pages import statements
from tests.support.api import PASSWORD
from tests.support.database_rows import notes
from tests.support.live import RecordingSink

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
COMPLETED, CANCELLED = TripStatus.COMPLETED, TripStatus.CANCELLED
OCTAVIA = VehicleValue("Škoda", "Octavia", "white", "1AB 2345", 4)
FABIA = VehicleValue("Škoda", "Fabia", "red", "2CD 3456", 3)


@pytest.fixture
def is_required() -> bool:
    """Whether drivers need a vehicle."""
    return False


async def town_of(settings: Settings, *, is_required: bool) -> AsyncIterator[Town]:
    updates = {"location_rate": "off", "vehicle_required": is_required}
    application = Application(settings.model_copy(update=updates))
    async with running(application):
        await application.periodic_jobs.stop()
        yield Town(application)


@pytest.fixture
async def town(settings: Settings, is_required: bool) -> AsyncIterator[Town]:
    async for town in town_of(settings, is_required=is_required):
        yield town


@pytest.fixture
async def other(settings: Settings, is_required: bool, town: Town, backend: str) -> AsyncIterator[Town]:
    """Another process on the same database, where there can be one."""
    if backend == "embedded":
        yield town
        return
    async for other in town_of(settings, is_required=is_required):
        yield other


required = pytest.mark.parametrize("is_required", [True])


async def vehicle_of(town: Town, driver: Actor) -> VehicleValue | None:
    return (await town.services.standings.of(driver.id)).vehicle


async def trip(town: Town, trip_id: UUID, actor: Actor) -> TripValue:
    found = await town.services.trips.find(actor, trip_id=trip_id)
    assert found is not None
    return found


async def sign_up(town: Town, role: Role, vehicle: VehicleValue | None) -> NewSession:
    return await town.services.accounts.sign_up(
        username=f"{role.lower()}-1",
        password1=PASSWORD,
        password2=PASSWORD,
        first_name="Dana",
        last_name="Example",
        role=role,
        vehicle=vehicle,
    )


# Describing it.


async def test_a_driver_describes_a_vehicle_changes_it_and_removes_it(town: Town) -> None:
    await town.application.outbox.stop()
    driver = await town.driver()
    for vehicle in (None, OCTAVIA, OCTAVIA, replace(OCTAVIA, color="black"), None, None):
        await town.services.vehicles.set(driver, vehicle)
        assert await vehicle_of(town, driver) == vehicle
    # Saying it again announces nothing.
    assert len(await notes(town.database)) == 3


async def test_a_vehicle_can_be_given_at_sign_up_by_drivers_alone(town: Town) -> None:
    with pytest.raises(BadInput) as refusal:
        await sign_up(town, Role.RIDER, OCTAVIA)
    assert refusal.value.field == ("vehicle",)
    with pytest.raises(BadInput) as refusal:
        await sign_up(town, Role.DRIVER, replace(OCTAVIA, seats=0))
    assert refusal.value.field == ("vehicle", "seats")
    session = await sign_up(town, Role.DRIVER, replace(OCTAVIA, make=" Škoda "))
    assert await vehicle_of(town, session.actor) == OCTAVIA


async def test_riders_have_no_vehicle_and_an_ended_session_describes_none(town: Town) -> None:
    rider, driver = await town.rider(), await town.driver()
    with pytest.raises(NotADriver):
        await town.services.vehicles.set(rider, OCTAVIA)
    await town.services.sessions.end(driver)
    for vehicle in (OCTAVIA, None):
        with pytest.raises(SessionEnded):
            await town.services.vehicles.set(driver, vehicle)
    assert await vehicle_of(town, driver) is None


@pytest.mark.parametrize("backend", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"make": ""}, "make"),
        ({"make": "\u3164\u2800"}, "make"),
        ({"model": "x" * 51}, "model"),
        ({"color": "re\u202ed"}, "color"),
        ({"license_plate": "AB\x0012"}, "licensePlate"),
        ({"license_plate": "A" * (MAX_PLATE_CHARS + 1)}, "licensePlate"),
        ({"seats": 0}, "seats"),
        ({"seats": MAX_SEATS + 1}, "seats"),
    ],
)
async def test_what_is_no_vehicle_is_refused_with_its_field(
    town: Town, changes: dict[str, Any], field: str
) -> None:
    driver = await town.driver()
    with pytest.raises(BadInput) as refusal:
        await town.services.vehicles.set(driver, replace(OCTAVIA, **changes))
    assert refusal.value.field == (field,)
    assert await vehicle_of(town, driver) is None


# On a trip.


async def test_a_trip_keeps_the_vehicle_that_its_driver_had_when_accepting(town: Town) -> None:
    driver, rider = await town.driver(), await town.rider()
    await town.services.vehicles.set(driver, OCTAVIA)
    trip_id = await town.request(rider)
    assert (await trip(town, trip_id, rider)).vehicle is None
    await town.moves(driver, trip_id, STARTED)
    await town.services.vehicles.set(driver, FABIA)
    await town.moves(driver, trip_id, IN_PROGRESS)
    await town.services.vehicles.set(driver, None)
    await town.moves(driver, trip_id, COMPLETED)
    assert (await trip(town, trip_id, rider)).vehicle == OCTAVIA


async def test_a_trip_that_is_given_back_has_no_vehicle_and_the_next_driver_brings_another(town: Town) -> None:
    first, second, rider = await town.driver(), await town.driver(), await town.rider()
    await town.services.vehicles.set(first, OCTAVIA)
    await town.services.vehicles.set(second, FABIA)
    trip_id = await town.request(rider)
    await town.moves(first, trip_id, STARTED, REQUESTED)
    assert (await trip(town, trip_id, rider)).vehicle is None
    await town.moves(second, trip_id, STARTED)
    assert (await trip(town, trip_id, rider)).vehicle == FABIA


async def test_the_rider_s_subscription_receives_the_vehicle_with_the_acceptance(town: Town, other: Town) -> None:
    driver, rider = await town.driver(), await town.rider()
    await town.services.vehicles.set(driver, OCTAVIA)
    trip_id = await town.request(rider)
    sink = RecordingSink()
    await town.services.hub.subscribe(TripFeed(rider, town.services.topics, trip_id), sink)
    await sink.next()
    with statements() as asked:
        await other.moves(driver, trip_id, STARTED)
    content = await sink.next()
    assert isinstance(content, TripState)
    assert (content.trip.vehicle, content.audience) == (OCTAVIA, Audience.RIDER)
    if not town.database.sql.writes_one_by_one:
        # The accepting statement copies it.
        assert len([sql for sql in asked if "UPDATE trips" in sql]) == 1


# Where a vehicle is required.


async def test_without_a_setting_no_vehicle_is_needed(town: Town) -> None:
    driver = await town.driver()
    trip_id = await town.request(await town.rider())
    sink = await follow_pool(town, driver)
    content = await sink.next()
    assert isinstance(content, PoolSnapshot)
    assert content.paused is None
    await town.moves(driver, trip_id, STARTED)


@required
async def test_where_it_is_required_the_pool_is_paused_without_a_vehicle_and_told_of_it_at_once(
    town: Town, other: Town
) -> None:
    driver, rider = await town.driver(), await town.rider()
    trip_id = await town.request(rider)
    sink = await follow_pool(town, driver)
    assert await sink.next() == paused(PauseReason.NO_VEHICLE)
    with pytest.raises(VehicleRequired):
        await town.moves(driver, trip_id, STARTED)
    with pytest.raises(VehicleRequired):
        await town.reports(driver)
    await other.services.vehicles.set(driver, OCTAVIA)
    content = await sink.next()
    assert isinstance(content, PoolSnapshot)
    assert [offer.id for offer in content.offers] == [trip_id]
    await other.services.vehicles.set(driver, FABIA)
    await other.services.vehicles.set(driver, None)
    assert await sink.next() == paused(PauseReason.NO_VEHICLE)


@required
async def test_a_position_is_forgotten_with_the_vehicle_and_during_a_trip_at_its_end(
    town: Town, other: Town
) -> None:
    driver, rider = await town.driver(), await town.rider()
    await town.services.vehicles.set(driver, OCTAVIA)
    await town.reports(driver, age_s=2)
    await other.services.vehicles.set(driver, None)
    assert (await town.last(driver), await other.last(driver)) == (None, None)
    await other.services.vehicles.set(driver, OCTAVIA)
    trip_id = await town.request(rider)
    await town.moves(driver, trip_id, STARTED, IN_PROGRESS)
    await town.services.vehicles.set(driver, None)
    await other.reports(driver)
    assert await town.last(driver) is not None
    await other.moves(driver, trip_id, COMPLETED)
    assert (await town.last(driver), await other.last(driver)) == (None, None)


@required
async def test_of_accepting_and_removing_the_vehicle_at_once_one_is_first_and_the_other_sees_it(
    town: Town, other: Town
) -> None:
    """Never: a trip without a vehicle."""
    for _ in range(10):
        driver, rider = await town.driver(), await town.rider()
        await town.services.vehicles.set(driver, OCTAVIA)
        trip_id = await town.request(rider)
        accepted, _ = await asyncio.gather(
            town.moves(driver, trip_id, STARTED), other.services.vehicles.set(driver, None), return_exceptions=True
        )
        found = await trip(town, trip_id, rider)
        if accepted is None:
            assert found.vehicle == OCTAVIA
        else:
            assert isinstance(accepted, VehicleRequired)
            assert found.status is REQUESTED


async def test_of_accepting_and_changing_the_vehicle_at_once_the_trip_has_one_of_both(
    town: Town, other: Town
) -> None:
    driver, rider = await town.driver(), await town.rider()
    await town.services.vehicles.set(driver, OCTAVIA)
    trip_id = await town.request(rider)
    await asyncio.gather(town.moves(driver, trip_id, STARTED), other.services.vehicles.set(driver, FABIA))
    assert (await trip(town, trip_id, rider)).vehicle in (OCTAVIA, FABIA)


# Deletion.


async def test_a_deletion_erases_the_vehicle_of_the_driver_and_of_all_their_trips(town: Town) -> None:
    session = await sign_up(town, Role.DRIVER, OCTAVIA)
    driver, stranger, rider = session.actor, await town.driver(), await town.rider()
    await town.services.vehicles.set(stranger, OCTAVIA)
    driven, cancelled, foreign = [await town.request(rider) for _ in range(3)]
    await town.moves(driver, driven, STARTED, IN_PROGRESS, COMPLETED)
    await town.moves(driver, cancelled, STARTED)
    await town.services.trips.update(rider, trip_id=cancelled, status=CANCELLED)
    await town.moves(stranger, foreign, STARTED)
    await town.services.deletions.delete(driver, password=PASSWORD)
    assert [(await trip(town, each, rider)).vehicle for each in (driven, cancelled)] == [None, None]
    assert (await trip(town, foreign, rider)).vehicle == OCTAVIA
    plates = await town.database.fetch(
        "SELECT id FROM users WHERE id = $1 AND (vehicle IS NOT NULL OR approval_reason IS NOT NULL)", driver.id
    )
    assert plates == []
