"""Points on Earth for tests, with other formulas than the server's."""

from math import asin, atan2, cos, degrees, hypot, radians, sin

from models.geo import EARTH_RADIUS_M, GeoPoint


def destination(start: GeoPoint, bearing_deg: float, distance_m: float) -> GeoPoint:
    """The destination along a great circle."""
    lat, lng, bearing, angle = (
        radians(start.lat),
        radians(start.lng),
        radians(bearing_deg),
        distance_m / EARTH_RADIUS_M,
    )
    there = asin(sin(lat) * cos(angle) + cos(lat) * sin(angle) * cos(bearing))
    moved = lng + atan2(sin(bearing) * sin(angle) * cos(lat), cos(angle) - sin(lat) * sin(there))
    return GeoPoint(degrees(there), (degrees(moved) + 540) % 360 - 180)


def vector_distance_m(one: GeoPoint, other: GeoPoint) -> float:
    """The great-circle distance, by the angle between two vectors."""
    a, b = _vector(one), _vector(other)
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return EARTH_RADIUS_M * atan2(hypot(*cross), dot)


def _vector(point: GeoPoint) -> tuple[float, float, float]:
    lat, lng = radians(point.lat), radians(point.lng)
    return cos(lat) * cos(lng), cos(lat) * sin(lng), sin(lat)
