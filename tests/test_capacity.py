"""The arithmetic of the page about capacity."""

import json
import random
from dataclasses import asdict, replace

from benchmarks.costs import BUSY, Costs, Load
from benchmarks.divisions import by_hash, divided, in_turn, share, woken
from benchmarks.places import radius_of_town_m, somewhere
from benchmarks.spent import Spent
from services.positions.cells import cell_of

COSTS = Costs(
    process=Spent(server_ms=10),
    socket=Spent(server_ms=0.01),
    arrival=Spent(server_ms=4),
    positions=[(100, Spent(server_ms=2, redis_ms=0.2)), (500, Spent(server_ms=1, redis_ms=0.1))],
    trip=Spent(server_ms=20, postgres_ms=6, wal_kb=5),
    woken=Spent(server_ms=1.5),
    asked=Spent(server_ms=0.01),
    delivery=Spent(server_ms=0.1, sent_kb=0.4),
    process_mb=150,
    socket_kb=40,
    redis_driver_kb=1,
)
CITY = Load(
    drivers=10_000,
    on_trip=2_000,
    positions_per_s=2_500,
    trips_per_s=10,
    arrivals_per_s=20,
    listening=1_000,
    reached=100,
)


def test_a_position_costs_less_the_more_a_process_gets_and_beyond_what_was_measured_the_same() -> None:
    assert [COSTS.position(rate).server_ms for rate in (1, 100, 300, 500, 9_000)] == [2, 2, 1.5, 1, 1]
    assert COSTS.position(300).redis_ms == 0.1 * 1.5


def test_costs_are_read_as_they_were_written() -> None:
    read = Costs.read(json.dumps(asdict(COSTS)))
    assert replace(read, positions=[*map(tuple, read.positions)]) == COSTS


def test_the_city_needs_the_smallest_number_of_processes_that_leaves_each_of_them_enough_of_its_core() -> None:
    number = CITY.processes(COSTS)
    assert CITY.total(COSTS, number).server_ms <= number * BUSY * 1000
    assert CITY.total(COSTS, number - 1).server_ms > (number - 1) * BUSY * 1000


def test_what_a_city_uses_is_the_sum_of_what_comes_in_a_second() -> None:
    each = {
        "processes": 4 * 10,
        "sockets": 12_000 * 0.01,
        "arrivals": 20 * 4,
        # 625 a second for each of four.
        "positions": 2_500 * 1,
        "trips": 10 * 20,
        "woken": 10 * 4 * 1.5,
        "asked": 10 * 2_000 * 0.01,
        "told": 10 * 200 * 0.1,
    }
    parts = sum(each.values())
    assert round(CITY.total(COSTS, 4).server_ms, 6) == parts
    # With locality three processes fewer hear of each request.
    assert round(replace(CITY, woken=1).total(COSTS, 4).server_ms, 6) == parts - 10 * 3 * 1.5


def test_a_divided_town_wakes_fewer_processes_than_a_hash_and_a_hash_fewer_than_all() -> None:
    rng, town_m = random.Random(1), radius_of_town_m(4_000, 4)
    people, requests, earlier = [[somewhere(rng, town_m) for _ in range(n)] for n in (4_000, 200, 20_000)]
    cells = divided(earlier, 20)
    by_division = [cells.get(cell_of(each), 0) for each in people]
    turn, hashed, division = [
        woken(people, where, requests, radius_m=1000)
        for where in (in_turn(people, 20), by_hash(people, 20), by_division)
    ]
    assert division < hashed < turn
    assert turn > 19
    # No part of the town is much larger than the others.
    assert share(by_division, 20) < 1.5
