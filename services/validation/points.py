"""Checks of coordinates from users."""

from models.geo import GeoPoint
from services.errors import BadInput

# About 100 m around 0, 0: open sea, and the value that a device without a fix reports.
_NO_POSITION_DEG = 0.001


def on_earth(point: GeoPoint, *field: str) -> GeoPoint:
    """Return the point if it is valid; ``field`` is its path in the input.

    Raises:
        BadInput: it is out of range or NaN, or is about 0, 0, which stands for no position.
    """
    if not -90 <= point.lat <= 90:
        raise BadInput("A latitude must be between -90 and 90.", field=(*field, "lat"))
    if not -180 <= point.lng <= 180:
        raise BadInput("A longitude must be between -180 and 180.", field=(*field, "lng"))
    if abs(point.lat) < _NO_POSITION_DEG and abs(point.lng) < _NO_POSITION_DEG:
        raise BadInput("0, 0 is not a position: the device does not know its position.", field=field)
    return point
