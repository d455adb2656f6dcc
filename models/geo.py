"""Positions on Earth and the distances between them. Pure."""

from math import asin, cos, radians, sin, sqrt

from models.frozen import frozen

# The mean radius of WGS 84: great circles are then right to within 0.6 %.
EARTH_RADIUS_M = 6_371_008.8


@frozen
class GeoPoint:
    """A position in degrees, WGS 84."""

    lat: float
    lng: float


def distance_m(one: GeoPoint, other: GeoPoint) -> float:
    """The great-circle distance in metres, also across the antimeridian and the poles.

    Source: the haversine formula, R. W. Sinnott, Sky and Telescope 68 (1984), p. 159
    """
    lat1, lat2 = radians(one.lat), radians(other.lat)
    across = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin(radians(other.lng - one.lng) / 2) ** 2
    # Rounding can bring antipodes above 1.
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(across)))
