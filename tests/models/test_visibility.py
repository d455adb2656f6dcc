"""Who sees a trip, and which fields."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from models.geo import GeoPoint
from models.trip_life import TripStatus
from models.values import Location, Role, TripValue, UserValue
from models.visibility import Actor, Audience, audience_of, is_on_trip, may_see
from tests.support.trips import NOW, trip_value


def actor(role: Role) -> Actor:
    return Actor(UserValue(uuid4(), f"{role.lower()}@example.com", "First", "Last", role, None), uuid4())


RIDER, OTHER_RIDER = actor(Role.RIDER), actor(Role.RIDER)
DRIVER, OTHER_DRIVER, GAVE_BACK = actor(Role.DRIVER), actor(Role.DRIVER), actor(Role.DRIVER)


def trip(status: TripStatus, *, driver: Actor | None = None, point: GeoPoint | None = None) -> TripValue:
    return trip_value(
        RIDER.user,
        status,
        drop_off_address="Ünter den Linden",
        pick_up=point,
        given_back_by=frozenset({GAVE_BACK.id}),
        driver=driver.user if driver is not None else None,
    )


@pytest.mark.parametrize("status", list(TripStatus))
def test_the_parties_see_their_trip_in_every_status(status: TripStatus) -> None:
    assert audience_of(RIDER, trip(status, driver=DRIVER)) is Audience.RIDER
    assert audience_of(DRIVER, trip(status, driver=DRIVER)) is Audience.DRIVER


@pytest.mark.attack("access")
@pytest.mark.parametrize("status", list(TripStatus))
def test_other_riders_never_see_it(status: TripStatus) -> None:
    assert audience_of(OTHER_RIDER, trip(status)) is None
    assert not may_see(OTHER_RIDER, trip(status))


@pytest.mark.attack("access")
@pytest.mark.parametrize("status", list(TripStatus))
def test_other_drivers_see_it_as_the_pool_does_and_only_while_it_is_open(status: TripStatus) -> None:
    expected = Audience.POOL if status is TripStatus.REQUESTED else None

    assert audience_of(OTHER_DRIVER, trip(status)) is expected
    assert may_see(OTHER_DRIVER, trip(status)) == (expected is not None)


@pytest.mark.attack("access")
@pytest.mark.parametrize("status", list(TripStatus))
def test_a_driver_who_gave_it_back_never_sees_it_again(status: TripStatus) -> None:
    assert audience_of(GAVE_BACK, trip(status)) is None


def test_a_driver_who_gave_it_back_and_accepted_it_again_nevertheless_sees_it() -> None:
    assert audience_of(GAVE_BACK, trip(TripStatus.STARTED, driver=GAVE_BACK)) is Audience.DRIVER


@pytest.mark.parametrize(
    "snapshot",
    [
        trip(TripStatus.REQUESTED, point=GeoPoint(52.1, -0.25)),
        trip(TripStatus.COMPLETED, driver=DRIVER),
    ],
)
def test_a_trip_survives_encoding_and_decoding(snapshot: TripValue) -> None:
    assert TripValue.from_json(snapshot.to_json()) == snapshot


BEFORE, AFTER = NOW - timedelta(microseconds=1), NOW + timedelta(microseconds=1)


def position(of: TripValue | None, as_of: datetime, driver: Actor = DRIVER) -> Location:
    """The driver's position, with that trip as the active one."""
    return Location(driver.id, of.id if of is not None else None, GeoPoint(1, 2), None, NOW, as_of=as_of)


@pytest.mark.parametrize("status", list(TripStatus))
def test_a_position_is_shown_while_its_driver_drives_the_trip(status: TripStatus) -> None:
    shown = status in (TripStatus.STARTED, TripStatus.IN_PROGRESS)
    this = trip(status, driver=DRIVER)
    assert is_on_trip(position(this, AFTER), this) == shown
    assert is_on_trip(position(None, BEFORE), this) == shown
    assert not is_on_trip(position(this, AFTER), replace(this, driver=None))


def test_a_position_older_than_the_trips_last_change_is_shown_and_a_newer_one_only_if_it_belongs_to_the_trip() -> (
    None
):
    this, other = trip(TripStatus.STARTED, driver=DRIVER), trip(TripStatus.COMPLETED, driver=DRIVER)
    for stamp in (None, other):
        assert is_on_trip(position(stamp, BEFORE), this)
        assert is_on_trip(position(stamp, NOW), this)
        assert not is_on_trip(position(stamp, AFTER), this)


@pytest.mark.attack("access")
def test_another_drivers_position_is_not_shown_with_any_stamp() -> None:
    this = trip(TripStatus.STARTED, driver=DRIVER)
    assert not is_on_trip(position(this, BEFORE, OTHER_DRIVER), this)


def test_a_position_survives_the_bus() -> None:
    for given in (
        position(None, NOW),
        replace(position(trip(TripStatus.STARTED, driver=DRIVER), AFTER), heading=359.9),
    ):
        assert Location.from_json(given.to_json()) == given
