from random import Random

import pytest

from simulation.car import Car
from simulation.city import City, moved
from simulation.geo import GeoPoint, distance_m

CITY = City(GeoPoint(52.3702, 4.8952), 2_000)


@pytest.fixture
def car() -> Car:
    return Car(CITY, Random(1), speed_mps=10)


def test_a_cruising_car_moves_at_its_speed_and_stays_in_the_city(car: Car) -> None:
    turned = set[int]()
    for _ in range(2_000):
        before = car.point
        car.drive(4)
        # The same or, where a leg has ended on the way, less.
        assert distance_m(before, car.point) <= 40.01
        assert CITY.contains(car.point)
        assert 0 <= car.heading <= 360
        turned.add(round(car.heading))
    assert len(turned) > 20


def test_a_car_that_was_not_updated_for_long_has_driven_many_legs(car: Car) -> None:
    before = car.point
    car.drive(3_600)
    assert car.point != before
    assert CITY.contains(car.point)


def test_a_car_with_a_destination_arrives_at_the_estimated_time_and_waits(car: Car) -> None:
    there = moved(car.point, heading=120, by_m=500)
    arrives_in_s = car.head_for(there)
    assert arrives_in_s == pytest.approx(50)
    car.drive(25)
    assert distance_m(car.point, there) == pytest.approx(250, abs=1)
    assert car.heading == pytest.approx(120, abs=0.1)
    car.drive(25.001)
    assert car.point == there
    car.drive(100)
    assert car.point == there


def test_a_car_cruises_on_from_its_destination(car: Car) -> None:
    there = moved(car.point, heading=120, by_m=500)
    car.head_for(there)
    car.drive(60)
    car.cruise()
    car.drive(10)
    assert 0 < distance_m(car.point, there) <= 100.01


def test_equal_seeds_give_equal_routes() -> None:
    one, other, different = (Car(CITY, Random(seed), speed_mps=10) for seed in (7, 7, 8))
    for car in (one, other, different):
        car.drive(1_000)
    assert one.point == other.point != different.point
