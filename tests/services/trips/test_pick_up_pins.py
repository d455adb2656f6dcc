"""The PIN at the pick-up: who gets it, who needs it, and how often it may be guessed."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from application.application import Application
from application.settings import Settings
from models.trip_life import TripStatus
from models.values import TripValue
from models.visibility import Actor
from services.errors import BadInput, SessionEnded, UserFault, UserFaults
from services.events.bus import Bus
from services.staff.staff import StaffMember
from services.trips.announcements import read_message
from services.trips.faults import IllegalTransition, TripNotFound, VersionConflict
from services.trips.pick_up_pins import LOCK_S, MAX_WRONG, PinLocked, WrongPin
from tests.services.trips.test_trips_pages import statements
from tests.support.attacks import Attack
from tests.support.database_rows import add_driver, add_rider, add_trip, noted_trips, set_staff, trip_row
from tests.support.waiting import until

REQUESTED, STARTED, IN_PROGRESS = TripStatus.REQUESTED, TripStatus.STARTED, TripStatus.IN_PROGRESS
GUESSES = 60


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"pick_up_pin": True})


@dataclass
class Ride:
    """A trip that was accepted; what is noted of it stays noted."""

    app: Application
    rider: Actor
    driver: Actor
    accepted: TripValue

    async def pin(self) -> str:
        pin = await self.app.services.pick_up_pins.of(self.accepted)
        assert pin is not None
        return pin

    async def wrong(self, nth: int = 1) -> str:
        return f"{(int(await self.pin()) + nth) % 10_000:04d}"

    async def update(self, actor: Actor, status: TripStatus, **more: object) -> TripValue:
        return await self.app.services.trips.update(actor, trip_id=self.accepted.id, status=status, **more)  # pyright: ignore

    async def start(self, pin: str | None, **more: object) -> TripValue:
        return await self.update(self.driver, IN_PROGRESS, pin=pin, **more)

    async def guess_wrong(self, times: int) -> None:
        for nth in range(times):
            with pytest.raises((WrongPin, UserFaults)):
                await self.start(await self.wrong(1 + nth))

    async def lock_ends_in(self, seconds: int) -> None:
        await self.app.database.fetch(
            f"UPDATE trips SET pin_locked_until = {self.app.database.sql.ago(-seconds)} WHERE id = $1",
            self.accepted.id,
        )

    async def row(self) -> dict[str, object]:
        return await trip_row(self.app.database, self.accepted.id)


async def begin(app: Application) -> Ride:
    rider, driver = await add_rider(app.database), await add_driver(app.database)
    trip_id = await add_trip(app.database, rider)
    accepted = await app.services.trips.update(driver, trip_id=trip_id, status=STARTED)
    await app.database.fetch("DELETE FROM outbox")
    return Ride(app, rider, driver, accepted)


@pytest.fixture
async def ride(application: Application) -> Ride:
    await application.outbox.stop()
    await application.periodic_jobs.stop()
    return await begin(application)


async def test_the_ride_begins_with_the_riders_pin_and_the_same_start_succeeds_again(ride: Ride) -> None:
    pin = await ride.pin()
    assert len(pin) == 4
    assert pin.isdigit()

    started = await ride.start(pin)

    assert (started.status, started.version) == (IN_PROGRESS, 3)
    assert await ride.start(pin) == started
    assert await noted_trips(ride.app.database) == [(started.id, False, None)]
    assert await ride.app.services.pick_up_pins.of(ride.accepted) is None
    assert (await ride.row())["pick_up_pin"] is None


async def test_without_a_pin_the_driver_is_asked_for_it_and_nothing_is_counted(ride: Ride) -> None:
    for _ in range(MAX_WRONG + 1):
        with pytest.raises(WrongPin, match="Ask the rider") as refusal:
            await ride.start(None)
        assert refusal.value.field == ("pin",)
    assert (await ride.row())["wrong_pins"] == 0

    await ride.start(await ride.pin())


async def test_the_fifth_wrong_pin_locks_the_trip_for_a_minute_and_the_right_one_too(ride: Ride) -> None:
    before = await ride.row()
    await ride.guess_wrong(MAX_WRONG - 1)
    with pytest.raises(UserFaults) as last:
        await ride.start(await ride.wrong())
    wrong, locked = last.value.faults
    assert (type(wrong), type(locked), locked.retry_after_s) == (WrongPin, PinLocked, LOCK_S)

    for pin in (await ride.pin(), await ride.wrong(), None):
        with pytest.raises(PinLocked) as refusal:
            await ride.start(pin)
        assert refusal.value.retry_after_s in (LOCK_S - 1, LOCK_S)
        assert refusal.value.retryable
    # No change of the trip: nobody is told, and a rider whose driver is silent does not wait longer.
    assert {**await ride.row(), "pin_locked_until": None} == before
    assert await noted_trips(ride.app.database) == []

    await ride.lock_ends_in(0)
    await ride.guess_wrong(MAX_WRONG - 1)
    assert (await ride.start(await ride.pin())).status is IN_PROGRESS


@pytest.mark.attack("access")
async def test_of_many_guesses_at_once_five_are_compared_before_the_trip_is_locked(
    ride: Ride, attempts: Attack
) -> None:
    async def outcome(pin: str) -> tuple[str, ...]:
        attempts.add()
        try:
            await ride.start(pin)
        except UserFault as fault:
            return (type(fault).__name__,)
        except UserFaults as faults:
            return tuple(type(fault).__name__ for fault in faults.faults)
        return ("started",)

    guesses = [await ride.wrong(1 + nth) for nth in range(GUESSES)] + [await ride.pin()]

    outcomes = Counter(await asyncio.gather(*(outcome(pin) for pin in guesses)))

    # The right one comes last, after the lock.
    assert outcomes == {
        ("WrongPin",): MAX_WRONG - 1,
        ("WrongPin", "PinLocked"): 1,
        ("PinLocked",): GUESSES + 1 - MAX_WRONG,
    }
    assert (await ride.row())["status"] == "STARTED"


@pytest.mark.attack("access")
async def test_the_right_pin_among_many_guesses_is_one_of_at_most_five(ride: Ride, attempts: Attack) -> None:
    for place in range(0, 2 * MAX_WRONG, 2):
        each = await begin(ride.app)
        guesses = [await each.wrong(1 + nth) for nth in range(2 * MAX_WRONG)]
        guesses.insert(place, await each.pin())
        attempts.add(len(guesses))

        outcomes = await asyncio.gather(*(each.start(pin) for pin in guesses), return_exceptions=True)

        compared = sum(isinstance(outcome, WrongPin | UserFaults) for outcome in outcomes)
        is_started = (await each.row())["status"] == "IN_PROGRESS"
        assert compared <= (MAX_WRONG - 1 if is_started else MAX_WRONG)
        # Whoever guesses after the start repeats a change that was made.
        started = [outcome for outcome in outcomes if isinstance(outcome, TripValue)]
        assert all(outcome.version == 3 for outcome in started)
        assert bool(started) == is_started


async def test_of_many_starts_with_the_right_pin_all_succeed_and_one_is_announced(ride: Ride) -> None:
    pin = await ride.pin()

    answers = await asyncio.gather(*(ride.start(pin) for _ in range(8)))

    assert all(answer == answers[0] for answer in answers)
    assert await noted_trips(ride.app.database) == [(ride.accepted.id, False, None)]


async def test_the_next_driver_has_another_pin_and_a_clean_counter(
    ride: Ride, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ride.guess_wrong(MAX_WRONG)
    old = await ride.pin()
    await ride.update(ride.driver, REQUESTED)
    assert await ride.app.services.pick_up_pins.of(ride.accepted) is None
    second = await add_driver(ride.app.database)
    monkeypatch.setattr("secrets.randbelow", lambda _: (int(old) + 7) % 10_000)

    accepted = await ride.update(second, STARTED)

    again = Ride(ride.app, ride.rider, second, accepted)
    assert await again.pin() == f"{(int(old) + 7) % 10_000:04d}"
    assert await ride.app.services.pick_up_pins.of(ride.accepted) is None, "an old event shows no new PIN"
    await again.guess_wrong(MAX_WRONG - 1)
    await again.start(await again.pin())


async def test_a_counter_that_a_server_without_pins_has_left_is_not_the_next_drivers(ride: Ride) -> None:
    await ride.update(ride.driver, REQUESTED)
    await ride.app.database.fetch(
        f"UPDATE trips SET wrong_pins = 4, pin_locked_until = {ride.app.database.sql.ago(-60)}"
    )
    second = await add_driver(ride.app.database)
    again = Ride(ride.app, ride.rider, second, await ride.update(second, STARTED))

    await again.guess_wrong(1)
    assert (await again.start(await again.pin())).status is IN_PROGRESS


@pytest.mark.parametrize("status", [TripStatus.COMPLETED, TripStatus.CANCELLED])
async def test_no_pin_is_kept_when_a_trip_ends_before_the_ride(ride: Ride, status: TripStatus) -> None:
    member = await add_rider(ride.app.database)
    await set_staff(ride.app.database, member.id)
    end = ride.app.staff.complete_trip if status is TripStatus.COMPLETED else ride.app.staff.cancel_trip
    # Staff need no PIN.
    await end(StaffMember(member), trip_id=ride.accepted.id, reason="A lost phone")

    row = await ride.row()
    assert (row["status"], row["pick_up_pin"]) == (status, None)


async def test_only_the_trips_driver_tries_and_only_on_the_way(ride: Ride) -> None:
    wrong = await ride.wrong()
    with pytest.raises(TripNotFound):
        await ride.update(await add_driver(ride.app.database), IN_PROGRESS, pin=wrong)
    with pytest.raises(VersionConflict):
        await ride.start(wrong, if_version=1)
    await ride.app.services.sessions.end(ride.driver)
    with pytest.raises(SessionEnded):
        await ride.start(wrong)
    assert (await ride.row())["wrong_pins"] == 0


async def test_a_pin_that_cannot_be_one_is_bad_input_and_does_not_count(ride: Ride) -> None:
    for pin in ("", "123", "12345", "12a4", "١٢٣٤", " 123", "+123"):
        with pytest.raises(BadInput) as refusal:
            await ride.start(pin)
        assert refusal.value.field == ("pin",)
    with pytest.raises(BadInput):
        await ride.update(ride.driver, REQUESTED, pin=await ride.pin())
    assert (await ride.row())["wrong_pins"] == 0


@pytest.mark.attack("access")
async def test_no_message_between_servers_and_no_history_has_the_pin(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    publish = Bus.publish

    async def spy(self: Bus, events: Sequence[tuple[Sequence[str], Any]]) -> bool:
        sent.extend(bytes(message) for _, message in events)
        return await publish(self, events)

    monkeypatch.setattr(Bus, "publish", spy)
    ride = await begin(application)
    pin = await ride.pin()
    await application.services.arrivals.report(ride.driver, trip_id=ride.accepted.id)
    with pytest.raises(WrongPin):
        await ride.start(await ride.wrong())
    started = await ride.start(pin)

    await until(lambda: any(read_message(message)[0] == started for message in sent))
    assert len(sent) == 3
    texts = [b"".join(sent), repr(await application.services.history.of(started.id)).encode()]
    assert all(b"pin" not in text and b'"%s"' % pin.encode() not in text for text in texts)


async def test_a_start_with_a_pin_is_one_statement_more_and_an_acceptance_none(ride: Ride) -> None:
    one = 1 if ride.app.database.sql.writes_with_reads else 4
    pin, other = await ride.pin(), await add_trip(ride.app.database, ride.rider)
    with statements() as seen:
        await ride.start(pin)
    assert len(seen) == one + 1
    second = await add_driver(ride.app.database)
    with statements() as seen:
        await ride.app.services.trips.update(second, trip_id=other, status=STARTED)
    assert len(seen) == one


class TestWithoutTheSetting:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"pick_up_pin": False})

    async def test_a_trip_has_no_pin_and_one_that_is_given_is_ignored(self, application: Application) -> None:
        ride = await begin(application)

        with statements() as seen:
            assert await application.services.pick_up_pins.of(ride.accepted) is None
        assert seen == []
        assert (await ride.row())["pick_up_pin"] is None
        assert (await ride.start("0000")).status is IN_PROGRESS

    async def test_a_pin_from_before_the_setting_was_changed_stops_nobody(self, application: Application) -> None:
        ride = await begin(application)
        await application.database.fetch("UPDATE trips SET pick_up_pin = '1234'")

        assert (await ride.start(None)).status is IN_PROGRESS
        with pytest.raises(IllegalTransition):
            await ride.update(ride.driver, STARTED)
