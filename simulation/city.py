"""The simulated city: a disc with straight routes. Pure."""

from dataclasses import dataclass
from math import asin, atan2, cos, degrees, radians, sin, sqrt
from random import Random

from simulation.geo import EARTH_RADIUS_M, GeoPoint, distance_m

# A straight leg from the border, as long as the radius, stays inside if its heading differs from that of the
# centre by at most this angle.
_INWARDS_DEG = 60.0
# Points on the border count as inside despite rounding.
_TOLERANCE_M = 0.01


def moved(start: GeoPoint, *, heading: float, by_m: float) -> GeoPoint:
    """The point ``by_m`` metres from ``start`` in the direction ``heading`` (degrees clockwise from north).

    Source: the direct problem on a sphere, E. Williams, Aviation Formulary, "Lat/lon given radial and distance"
    """
    angle, course = by_m / EARTH_RADIUS_M, radians(heading)
    lat, lng = radians(start.lat), radians(start.lng)
    end_lat = asin(sin(lat) * cos(angle) + cos(lat) * sin(angle) * cos(course))
    end_lng = lng + atan2(sin(course) * sin(angle) * cos(lat), cos(angle) - sin(lat) * sin(end_lat))
    return GeoPoint(degrees(end_lat), (degrees(end_lng) + 180) % 360 - 180)


def heading_to(start: GeoPoint, end: GeoPoint) -> float:
    """The direction from ``start`` to ``end``, in degrees clockwise from north: 0 to 360."""
    lat, end_lat, across = radians(start.lat), radians(end.lat), radians(end.lng - start.lng)
    east = sin(across) * cos(end_lat)
    north = cos(lat) * sin(end_lat) - sin(lat) * cos(end_lat) * cos(across)
    return degrees(atan2(east, north)) % 360


@dataclass(frozen=True, slots=True)
class City:
    """All within ``radius_m`` of a centre."""

    center: GeoPoint
    radius_m: float

    def contains(self, point: GeoPoint) -> bool:
        """Whether the point lies in the city."""
        return distance_m(self.center, point) <= self.radius_m + _TOLERANCE_M

    def anywhere(self, rng: Random) -> GeoPoint:
        """A random point, uniformly distributed over the area."""
        return moved(self.center, heading=rng.uniform(0, 360), by_m=self.radius_m * sqrt(rng.random()))

    def leg(self, rng: Random, start: GeoPoint, *, heading: float, length_m: float) -> GeoPoint:
        """The end of a straight leg. If it would leave the city, it goes in a random direction inwards instead."""
        end = moved(start, heading=heading, by_m=length_m)
        if self.contains(end):
            return end
        inwards = heading_to(start, self.center) + rng.uniform(-_INWARDS_DEG, _INWARDS_DEG)
        return moved(start, heading=inwards, by_m=min(length_m, self.radius_m))
