"""What a city does, what one thing of each kind costs, and how many processes the city needs."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.spent import Spent

# A process that uses more of its core answers late.
BUSY = 0.6


@dataclass(frozen=True, slots=True)
class Costs:
    """What things cost.

    ``process`` and ``socket``: a second of an idle one. ``arrival``: a socket that is opened, gets a snapshot and
    closes. ``positions``: one of them, by how many a process gets in a second. ``trip``: a request and its three
    changes, far from everybody. ``woken``: what is added for each process that has a driver near; ``asked``: for
    each driver who listens to the cell, each time; ``delivery``: for each message to a driver.
    """

    process: Spent
    socket: Spent
    arrival: Spent
    positions: Sequence[tuple[float, Spent]]
    trip: Spent
    woken: Spent
    asked: Spent
    delivery: Spent
    process_mb: float
    socket_kb: float
    redis_driver_kb: float

    @classmethod
    def read(cls, text: str) -> "Costs":
        """Of the file that a measurement has written."""
        values: dict[str, Any] = json.loads(text)
        found: dict[str, Any] = {
            name: Spent(**each) if isinstance(each, dict) else each for name, each in values.items()
        }
        found["positions"] = [(rate, Spent(**each)) for rate, each in values["positions"]]
        return cls(**found)

    def position(self, per_s: float) -> Spent:
        """One, of a process that gets that many. Beyond what was measured it does not change."""
        below, *others = self.positions
        for above in others:
            if per_s < above[0]:
                share = max(0.0, (per_s - below[0]) / (above[0] - below[0]))
                return below[1] * (1 - share) + above[1] * share
            below = above
        return below[1]


@dataclass(frozen=True, slots=True)
class Load:
    """What a city does.

    ``on_trip``: of the drivers; a rider watches each. ``listening``: drivers who listen to the cell of a request;
    ``reached``: those of them who are near enough. ``woken``: processes that hear of a request; None: all.
    """

    drivers: int
    on_trip: int
    positions_per_s: float
    trips_per_s: float
    arrivals_per_s: float
    listening: float
    reached: float
    woken: float | None = None

    @property
    def sockets(self) -> int:
        """Of drivers, and of riders who are driven."""
        return self.drivers + self.on_trip

    def part(self, number: int) -> "Load":
        """What a part of the city does; as many listen to a request there."""
        return Load(
            self.drivers // number,
            max(1, self.on_trip // number),
            self.positions_per_s / number,
            self.trips_per_s / number,
            self.arrivals_per_s / number,
            self.listening,
            self.reached,
        )

    def parts(self, costs: Costs, processes: int) -> list[tuple[str, float, Spent]]:
        """What comes how often in a second, and what one of each costs."""
        woken = min(processes, self.listening, math.inf if self.woken is None else self.woken)
        return [
            ("processes that run", processes, costs.process),
            ("sockets that are open", self.sockets, costs.socket),
            ("sockets that come and go", self.arrivals_per_s, costs.arrival),
            ("positions", self.positions_per_s, costs.position(self.positions_per_s / processes)),
            ("trips", self.trips_per_s, costs.trip),
            ("processes woken by a request", self.trips_per_s * woken, costs.woken),
            # Each driver is asked and told that there is a request, and that it is gone.
            ("drivers who listen, asked", self.trips_per_s * self.listening * 2, costs.asked),
            ("deliveries to drivers", self.trips_per_s * self.reached * 2, costs.delivery),
        ]

    def total(self, costs: Costs, processes: int) -> Spent:
        """All of them, in a second."""
        return sum((each * rate for _, rate, each in self.parts(costs, processes)), Spent())

    def processes(self, costs: Costs) -> int:
        """How many are needed, so that each uses ``BUSY`` of a core; more processes are woken by each request."""
        number = 1
        while self.total(costs, number).server_ms / 1000 > number * BUSY and number < 10_000:
            number += 1
        return number
