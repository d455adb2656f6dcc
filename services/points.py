"""Positions as they come from outside."""

from models.geo import GeoPoint
from services.errors import BadInput


def on_earth(point: GeoPoint, *field: str) -> GeoPoint:
    """The point itself; ``field`` is its path. Raises: BadInput when it is not on Earth (NaN is not)."""
    if not -90 <= point.lat <= 90:
        raise BadInput("A latitude lies between -90 and 90.", field=(*field, "lat"))
    if not -180 <= point.lng <= 180:
        raise BadInput("A longitude lies between -180 and 180.", field=(*field, "lng"))
    return point
