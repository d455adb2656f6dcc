"""A car: where it is, and where it goes. Pure; its driver says how much time has passed."""

from random import Random

from simulation.city import City, heading_to, moved
from simulation.geo import GeoPoint, distance_m

_LEG_M = (200.0, 1500.0)
_TURN_DEG = 90.0


class Car:
    """Cruises about a city on straight legs, or drives straight to where it is sent, and waits there."""

    def __init__(self, city: City, rng: Random, *, speed_mps: float) -> None:
        self._city = city
        self._rng = rng
        self.speed_mps = speed_mps
        self.point = city.anywhere(rng)
        self.heading = rng.uniform(0, 360)
        self._is_cruising = True
        self._leg_end = self._next_leg()

    def cruise(self) -> None:
        """Drive about from now on."""
        if not self._is_cruising:
            self._is_cruising = True
            self._leg_end = self._next_leg()

    def head_for(self, destination: GeoPoint) -> float:
        """Drive there from now on; in how many seconds it arrives."""
        self._is_cruising = False
        self._leg_end = destination
        return distance_m(self.point, destination) / self.speed_mps

    def drive(self, seconds: float) -> None:
        """Move on by so much time."""
        left_m = self.speed_mps * seconds
        while left_m > 0:
            to_go_m = distance_m(self.point, self._leg_end)
            if to_go_m > left_m:
                self.heading = heading_to(self.point, self._leg_end)
                self.point = moved(self.point, heading=self.heading, by_m=left_m)
                return
            self.point = self._leg_end
            left_m -= to_go_m
            if not self._is_cruising:
                return
            self._leg_end = self._next_leg()

    def _next_leg(self) -> GeoPoint:
        heading = self.heading + self._rng.uniform(-_TURN_DEG, _TURN_DEG)
        length_m = min(self._rng.uniform(*_LEG_M), self._city.radius_m)
        end = self._city.leg(self._rng, self.point, heading=heading, length_m=length_m)
        self.heading = heading_to(self.point, end)
        return end
