"""Positions as they come from outside."""

from models.geo import GeoPoint
from services.errors import BadInput

# About 100 m around 0, 0: open sea, and what a device reports that has no position.
_NO_POSITION_DEG = 0.001


def on_earth(point: GeoPoint, *field: str) -> GeoPoint:
    """The point itself; ``field`` is its path.

    Raises:
        BadInput: it is not on Earth (NaN is not), or is 0, 0, which stands for no position.
    """
    if not -90 <= point.lat <= 90:
        raise BadInput("A latitude lies between -90 and 90.", field=(*field, "lat"))
    if not -180 <= point.lng <= 180:
        raise BadInput("A longitude lies between -180 and 180.", field=(*field, "lng"))
    if abs(point.lat) < _NO_POSITION_DEG and abs(point.lng) < _NO_POSITION_DEG:
        raise BadInput("0, 0 is no position: the device does not know where it is.", field=field)
    return point
