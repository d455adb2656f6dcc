"""Distances on a sphere, also across the antimeridian and the poles."""

from math import pi

import pytest

from models.geo import EARTH_RADIUS_M, GeoPoint, distance_m

HALF_WAY_ROUND = pi * EARTH_RADIUS_M
DEGREE = HALF_WAY_ROUND / 180


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        (GeoPoint(52.52, 13.405), GeoPoint(48.8566, 2.3522), 877_500),  # Berlin to Paris
        (GeoPoint(0, 0), GeoPoint(0, 1), DEGREE),
        (GeoPoint(60, 0), GeoPoint(60, 1), DEGREE / 2),
        (GeoPoint(0, 179.5), GeoPoint(0, -179.5), DEGREE),
        (GeoPoint(89.5, 0), GeoPoint(89.5, 180), DEGREE),
        (GeoPoint(90, 0), GeoPoint(90, 77), 0),
        (GeoPoint(0, 180), GeoPoint(0, -180), 0),
        (GeoPoint(90, 0), GeoPoint(-90, 0), HALF_WAY_ROUND),
    ],
)
def test_the_distance_is_that_of_the_great_circle(one: GeoPoint, other: GeoPoint, metres: float) -> None:
    assert distance_m(one, other) == pytest.approx(metres, rel=1e-3, abs=1e-6)
    assert distance_m(other, one) == pytest.approx(distance_m(one, other), abs=1e-6)


def test_positions_one_metre_apart_are_distinguished() -> None:
    here = GeoPoint(52.52, 13.405)
    assert distance_m(here, here) == 0
    assert distance_m(here, GeoPoint(52.52001, 13.405)) == pytest.approx(1.11, abs=0.01)


def test_the_distance_of_antipodes_is_half_the_circumference_despite_rounding() -> None:
    for lat in range(-90, 91, 3):
        for lng in range(-180, 1, 7):
            there = GeoPoint(-lat, lng + 180)
            assert distance_m(GeoPoint(lat, lng), there) == pytest.approx(HALF_WAY_ROUND, rel=1e-6)
