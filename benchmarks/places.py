"""Places in a town that is a disc."""

import math
import random

from models.geo import GeoPoint

CENTER = GeoPoint(52.37, 4.89)
_METRES_A_DEGREE = 111_195


def radius_of_town_m(people: int, per_km2: float) -> float:
    """The radius of a disc with that many people."""
    return math.sqrt(people / per_km2 / math.pi) * 1000


def somewhere(rng: random.Random, radius_m: float) -> GeoPoint:
    """A random place within that distance of the centre."""
    distance, turn = radius_m * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    return moved(CENTER, distance * math.cos(turn), distance * math.sin(turn))


def moved(point: GeoPoint, north_m: float, east_m: float) -> GeoPoint:
    """Another place."""
    lat = point.lat + north_m / _METRES_A_DEGREE
    lng = point.lng + east_m / _METRES_A_DEGREE / math.cos(math.radians(lat))
    return GeoPoint(round(lat, 7), round(lng, 7))
