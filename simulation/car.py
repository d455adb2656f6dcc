"""The position and the destination of a car. Pure: the caller says how much time has passed."""

from random import Random

from simulation.city import City, heading_to, moved
from simulation.geo import GeoPoint, distance_m

_LEG_M = (200.0, 1500.0)
_TURN_DEG = 90.0


class Car:
    """Drives along random straight legs in a city, or straight to a destination, where it waits."""

    def __init__(self, city: City, rng: Random, *, speed_mps: float) -> None:
        self._city = city
        self._rng = rng
        self.speed_mps = speed_mps
        self.point = city.anywhere(rng)
        self.heading = rng.uniform(0, 360)
        self._is_cruising = True
        self._leg_end = self._next_leg()

    def cruise(self) -> None:
        """Drive along random legs from now on."""
        if not self._is_cruising:
            self._is_cruising = True
            self._leg_end = self._next_leg()

    def head_for(self, destination: GeoPoint) -> float:
        """Drive to the destination from now on; returns the seconds until the arrival."""
        self._is_cruising = False
        self._leg_end = destination
        return distance_m(self.point, destination) / self.speed_mps

    def drive(self, seconds: float) -> None:
        """Move as far as the car drives in ``seconds``."""
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
