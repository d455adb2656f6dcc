from math import pi
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.city import City, heading_to, moved
from simulation.geo import EARTH_RADIUS_M, GeoPoint, distance_m

AMSTERDAM = GeoPoint(52.3702, 4.8952)
CENTERS = st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
RANDOM = st.randoms(use_true_random=False)


@pytest.mark.parametrize(
    ("heading", "end"),
    [
        (0, GeoPoint(1, 0)),
        (90, GeoPoint(0, 1)),
        (180, GeoPoint(-1, 0)),
        (270, GeoPoint(0, -1)),
    ],
)
def test_moving_one_degree_from_the_equator_ends_at_the_expected_point(heading: float, end: GeoPoint) -> None:
    start = GeoPoint(0, 0)
    reached = moved(start, heading=heading, by_m=EARTH_RADIUS_M * pi / 180)
    assert distance_m(reached, end) < 0.001
    assert heading_to(start, end) == pytest.approx(heading)


@given(CENTERS, st.floats(0, 360), st.floats(0, 100_000))
def test_a_move_has_the_requested_length(start: GeoPoint, heading: float, length_m: float) -> None:
    end = moved(start, heading=heading, by_m=length_m)
    assert -90 <= end.lat <= 90
    assert -180 <= end.lng <= 180
    assert distance_m(start, end) == pytest.approx(length_m, abs=0.01)


@given(st.floats(-80, 80), st.floats(-180, 180), st.floats(1, 359), st.floats(100, 100_000))
def test_following_the_heading_leads_to_the_destination(
    lat: float, lng: float, heading: float, length_m: float
) -> None:
    start = GeoPoint(lat, lng)
    end = moved(start, heading=heading, by_m=length_m)
    assert heading_to(start, end) == pytest.approx(heading, abs=0.01)


@given(CENTERS, st.floats(100, 50_000), RANDOM)
def test_any_place_lies_in_the_city(center: GeoPoint, radius_m: float, rng: Random) -> None:
    city = City(center, radius_m)
    assert city.contains(city.anywhere(rng))
    assert not city.contains(moved(center, heading=rng.uniform(0, 360), by_m=radius_m + 1))


def test_random_places_are_uniformly_distributed() -> None:
    city, rng = City(AMSTERDAM, 5_000), Random(1)
    inner = sum(distance_m(AMSTERDAM, city.anywhere(rng)) < 2_500 for _ in range(4_000))
    assert inner / 4_000 == pytest.approx(1 / 4, abs=0.03)


@given(CENTERS, st.floats(100, 50_000), st.floats(0, 1), RANDOM)
def test_a_leg_never_leaves_the_city(center: GeoPoint, radius_m: float, share: float, rng: Random) -> None:
    city = City(center, radius_m)
    start = city.anywhere(rng)
    length_m = share * radius_m
    end = city.leg(rng, start, heading=rng.uniform(0, 360), length_m=length_m)
    assert city.contains(end)
    assert distance_m(start, end) == pytest.approx(length_m, abs=0.01)


def test_a_leg_that_stays_inside_is_straight() -> None:
    city = City(AMSTERDAM, 5_000)
    end = city.leg(Random(1), AMSTERDAM, heading=30, length_m=4_000)
    assert heading_to(AMSTERDAM, end) == pytest.approx(30)


def test_at_the_border_a_leg_turns_back_inwards() -> None:
    city = City(AMSTERDAM, 5_000)
    border = moved(AMSTERDAM, heading=30, by_m=5_000)
    end = city.leg(Random(1), border, heading=30, length_m=1_000)
    assert abs((heading_to(border, end) - 210 + 180) % 360 - 180) <= 61
