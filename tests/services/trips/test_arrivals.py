"""Arrival at the pick-up, riders who do not come, and the codes and reasons of cancellations."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from application.application import Application
from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import CancelCode, TripStatus
from models.values import TripValue
from models.visibility import Actor
from services.errors import BadInput, SessionEnded
from services.trips.faults import IllegalTransition, NotADriver, NotNear, TooEarly, TripNotFound
from tests.services.trips.test_trips_pages import statements
from tests.support.attacks import Attack
from tests.support.database_rows import add_driver, add_rider, add_trip, noted_trips, trip_row
from tests.support.globe import destination

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
CANCELLED = TripStatus.CANCELLED
PICK_UP = GeoPoint(52.5, 13.4)
# Of the settings below.
WAIT_S, RADIUS_M = 300, 500
ROUNDS = 8


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"no_show_wait_s": WAIT_S, "arrival_radius_m": RADIUS_M})


@dataclass
class Ride:
    """A trip on the way, and the use cases around it; what they note stays noted."""

    app: Application
    rider: Actor
    driver: Actor
    trip_id: UUID

    async def arrive(self, actor: Actor | None = None) -> TripValue:
        return await self.app.services.arrivals.report(actor or self.driver, trip_id=self.trip_id)

    async def update(self, actor: Actor, status: TripStatus, **more: object) -> TripValue:
        return await self.app.services.trips.update(actor, trip_id=self.trip_id, status=status, **more)  # pyright: ignore

    async def waits(self, seconds: int) -> None:
        """Let the arrival be so long ago."""
        await self.app.database.fetch(
            f"UPDATE trips SET arrived_at = {self.app.database.sql.ago(seconds)} WHERE id = $1", self.trip_id
        )

    async def is_at(self, metres: float, *, age_s: float = 0) -> None:
        """Let the driver report a position so far from the pick-up."""
        await self.app.services.positions.report(
            self.driver,
            point=destination(PICK_UP, 90, metres),
            recorded_at=datetime.now(UTC) - timedelta(seconds=age_s),
        )


async def begin(app: Application) -> Ride:
    """A new trip, accepted."""
    rider, driver = await add_rider(app.database), await add_driver(app.database)
    trip = await app.services.trips.request(
        rider, pick_up_address="Here", drop_off_address="There", pick_up=PICK_UP
    )
    ride = Ride(app, rider, driver, trip.id)
    await ride.update(driver, STARTED)
    await app.database.fetch("DELETE FROM outbox")
    return ride


@pytest.fixture
async def ride(application: Application) -> Ride:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return await begin(application)


async def test_an_arrival_is_announced_once_and_stands_in_the_history(ride: Ride) -> None:
    arrived = await ride.arrive()

    assert (arrived.status, arrived.version) == (STARTED, 3)
    assert arrived.arrived_at is not None
    assert abs((arrived.updated - arrived.arrived_at).total_seconds()) < 5
    assert await ride.arrive() == arrived
    assert await noted_trips(ride.app.database) == [(ride.trip_id, False, None)]
    history = await ride.app.services.history.of(ride.trip_id)
    assert [(each.version, each.is_arrival) for each in history] == [(1, False), (2, False), (3, True)]


async def test_of_many_arrivals_at_once_one_is_announced_and_all_get_the_same_answer(ride: Ride) -> None:
    answers = await asyncio.gather(*(ride.arrive() for _ in range(ROUNDS)))

    assert all(answer == answers[0] for answer in answers)
    assert await noted_trips(ride.app.database) == [(ride.trip_id, False, None)]


@pytest.mark.attack("access")
async def test_an_arrival_is_the_drivers_own_and_only_on_the_way(ride: Ride) -> None:
    with pytest.raises(NotADriver):
        await ride.arrive(ride.rider)
    with pytest.raises(TripNotFound):
        await ride.arrive(await add_driver(ride.app.database))
    open_trip = await add_trip(ride.app.database, ride.rider)
    with pytest.raises(IllegalTransition):
        await ride.app.services.arrivals.report(ride.driver, trip_id=open_trip)
    await ride.update(ride.driver, IN_PROGRESS)
    with pytest.raises(IllegalTransition):
        await ride.arrive()


@pytest.mark.attack("access")
async def test_a_driver_who_is_known_to_be_far_away_has_not_arrived(ride: Ride) -> None:
    await ride.is_at(RADIUS_M + 20, age_s=1)
    with pytest.raises(NotNear) as refusal:
        await ride.arrive()
    assert refusal.value.retryable
    assert await noted_trips(ride.app.database) == []

    await ride.is_at(RADIUS_M - 20)

    assert (await ride.arrive()).arrived_at is not None


async def test_a_session_that_has_ended_reports_no_arrival(ride: Ride) -> None:
    await ride.app.services.sessions.end(ride.driver)
    before = await trip_row(ride.app.database, ride.trip_id)

    with pytest.raises(SessionEnded):
        await ride.arrive()

    assert await trip_row(ride.app.database, ride.trip_id) == before


async def test_a_stale_position_says_nothing_about_an_arrival(ride: Ride) -> None:
    await ride.is_at(20_000, age_s=ride.app.settings.location_stale_s + 1)

    assert (await ride.arrive()).arrived_at is not None


@pytest.mark.attack("access")
async def test_a_no_show_needs_the_arrival_and_the_wait(ride: Ride) -> None:
    with pytest.raises(TooEarly, match="arrival") as refusal:
        await ride.update(ride.driver, CANCELLED)
    assert refusal.value.retry_after_s is None
    await ride.arrive()
    with pytest.raises(TooEarly) as refusal:
        await ride.update(ride.driver, CANCELLED)
    assert refusal.value.retry_after_s in (WAIT_S - 1, WAIT_S)
    await ride.waits(WAIT_S - 60)
    with pytest.raises(TooEarly) as refusal:
        await ride.update(ride.driver, CANCELLED)
    assert refusal.value.retry_after_s in (59, 60)
    await ride.waits(WAIT_S)
    await ride.app.database.fetch("DELETE FROM outbox")

    cancelled = await ride.update(ride.driver, CANCELLED, reason="Nobody here")

    assert (cancelled.status, cancelled.cancel_code) == (CANCELLED, CancelCode.NO_SHOW)
    assert await ride.update(ride.driver, CANCELLED, cancel_code=CancelCode.NO_SHOW) == cancelled
    assert await noted_trips(ride.app.database) == [(ride.trip_id, False, None)]
    last = (await ride.app.services.history.of(ride.trip_id))[-1]
    assert (last.cancel_code, last.reason) == (CancelCode.NO_SHOW, "Nobody here")
    await begin_another(ride)


async def test_both_know_from_when_on_the_driver_may_cancel_and_only_while_the_driver_waits(ride: Ride) -> None:
    arrivals, trips = ride.app.services.arrivals, ride.app.services.trips
    coming = await trips.find(ride.driver, trip_id=ride.trip_id)
    assert coming is not None
    assert arrivals.no_show_at(coming) is None

    waiting = await ride.arrive()

    assert waiting.arrived_at is not None
    assert arrivals.no_show_at(waiting) == waiting.arrived_at + timedelta(seconds=WAIT_S)
    assert arrivals.no_show_at(await ride.update(ride.driver, IN_PROGRESS)) is None


async def begin_another(ride: Ride) -> None:
    """The driver is free."""
    other = await add_trip(ride.app.database, ride.rider)
    await ride.app.services.trips.update(ride.driver, trip_id=other, status=STARTED)


@pytest.mark.attack("access")
async def test_no_number_of_reports_and_cancellations_shortens_the_wait_for_a_no_show(
    ride: Ride, attempts: Attack
) -> None:
    async def refused(times: int) -> None:
        tries = (ride.update(ride.driver, CANCELLED, cancel_code=CancelCode.NO_SHOW) for _ in range(times))
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert all(isinstance(outcome, TooEarly) for outcome in outcomes), outcomes
        attempts.add(times)

    await refused(ROUNDS)
    arrived = await ride.arrive()
    for _ in range(3):
        await asyncio.gather(refused(ROUNDS), *(ride.arrive() for _ in range(ROUNDS)))
        attempts.add(ROUNDS)
    row = await trip_row(ride.app.database, ride.trip_id)
    assert (row["status"], row["version"]) == ("STARTED", arrived.version)
    # A driver who has waited does not wait for the next one: giving it back begins anew.
    await ride.waits(WAIT_S)
    await ride.update(ride.driver, REQUESTED)
    ride.driver = await add_driver(ride.app.database)
    await ride.update(ride.driver, STARTED)
    await refused(ROUNDS)
    await ride.arrive()
    await refused(ROUNDS)


async def test_a_no_show_that_comes_too_early_is_one_write_and_one_read(ride: Ride) -> None:
    await ride.arrive()
    with statements() as seen, pytest.raises(TooEarly):
        await ride.update(ride.driver, CANCELLED)

    # SQLite looks for the session, too, when nothing was written.
    assert len(seen) == (2 if ride.app.database.sql.writes_with_reads else 3)


async def test_a_rider_who_cancels_is_no_no_show(ride: Ride) -> None:
    await ride.update(ride.rider, CANCELLED)

    with pytest.raises(IllegalTransition):
        await ride.update(ride.driver, CANCELLED)


async def test_giving_back_forgets_the_arrival_and_keeps_reason_and_code_in_the_history(ride: Ride) -> None:
    await ride.arrive()

    given_back = await ride.update(
        ride.driver, REQUESTED, reason="Flat tyre", cancel_code=CancelCode.DRIVER_TOO_FAR
    )

    assert (given_back.arrived_at, given_back.cancel_code, given_back.cancel_reason) == (None, None, None)
    last = (await ride.app.services.history.of(ride.trip_id))[-1]
    assert (last.cancel_code, last.reason) == (CancelCode.DRIVER_TOO_FAR, "Flat tyre")
    second = await add_driver(ride.app.database)
    await ride.update(second, STARTED)
    with pytest.raises(TooEarly, match="arrival"):
        await ride.update(second, CANCELLED)


async def test_a_rider_cancels_with_a_code_or_without(ride: Ride) -> None:
    cancelled = await ride.update(ride.rider, CANCELLED, cancel_code=CancelCode.DRIVER_TOO_FAR)
    assert cancelled.cancel_code is CancelCode.DRIVER_TOO_FAR

    other = await begin(ride.app)
    assert (await other.update(other.rider, CANCELLED)).cancel_code is None


@pytest.mark.attack("access")
async def test_a_code_that_is_not_the_callers_to_give_is_bad_input(ride: Ride) -> None:
    before = await trip_row(ride.app.database, ride.trip_id)
    refused: list[tuple[Actor, TripStatus, CancelCode]] = [
        (ride.rider, CANCELLED, CancelCode.NO_SHOW),
        (ride.rider, CANCELLED, CancelCode.STAFF),
        (ride.rider, CANCELLED, CancelCode.ABANDONED),
        (ride.driver, CANCELLED, CancelCode.OTHER),
        (ride.driver, REQUESTED, CancelCode.NO_SHOW),
        (ride.driver, REQUESTED, CancelCode.STAFF),
        (ride.driver, IN_PROGRESS, CancelCode.OTHER),
    ]
    for actor, status, code in refused:
        with pytest.raises(BadInput) as refusal:
            await ride.update(actor, status, cancel_code=code)
        assert refusal.value.field == ("cancelCode",)
    assert await trip_row(ride.app.database, ride.trip_id) == before


async def test_of_an_arrival_and_giving_back_at_once_both_orders_leave_no_arrival_behind(ride: Ride) -> None:
    for _ in range(ROUNDS):
        each = await begin(ride.app)
        await asyncio.gather(each.arrive(), each.update(each.driver, REQUESTED), return_exceptions=True)

        row = await trip_row(ride.app.database, each.trip_id)
        assert (row["status"], row["arrived_at"]) == ("REQUESTED", None)


@pytest.mark.parametrize("rival", ["rider cancels", "driver starts"])
async def test_a_no_show_and_its_rival_never_both_win(ride: Ride, rival: str) -> None:
    for _ in range(ROUNDS):
        each = await begin(ride.app)
        await each.arrive()
        await each.waits(WAIT_S)
        other = (each.rider, CANCELLED) if rival == "rider cancels" else (each.driver, IN_PROGRESS)

        await asyncio.gather(each.update(each.driver, CANCELLED), each.update(*other), return_exceptions=True)

        history = await ride.app.services.history.of(each.trip_id)
        assert len(history) == 4, "one change after the arrival"
        row = await trip_row(ride.app.database, each.trip_id)
        by_driver = history[-1].changed_by.value == "DRIVER"
        assert (row["cancel_code"] == "NO_SHOW") == (row["status"] == "CANCELLED" and by_driver)


async def test_an_arrival_is_one_read_and_one_write(ride: Ride) -> None:
    with statements() as seen:
        await ride.arrive()

    # SQLite writes the trip, its history and its note one by one, and reads the trip again.
    assert len(seen) == (2 if ride.app.database.sql.writes_with_reads else 5)
