"""Lines of points as text: polylines of precision 5, as OSRM and Google write them.

Source: https://developers.google.com/maps/documentation/utilities/polylinealgorithm
"""

from collections.abc import Iterable

from models.geo import GeoPoint

_PRECISION = 1e5


def encode(points: Iterable[GeoPoint]) -> str:
    """The text of a line; coordinates are rounded to 0.00001 degrees, about a metre."""
    text: list[str] = []
    last = (0, 0)
    for point in points:
        now = (round(point.lat * _PRECISION), round(point.lng * _PRECISION))
        for new, old in zip(now, last, strict=True):
            value = (new - old) << 1
            value = ~value if value < 0 else value
            while value >= 0x20:
                text.append(chr((value & 0x1F | 0x20) + 63))
                value >>= 5
            text.append(chr(value + 63))
        last = now
    return "".join(text)


def decode(text: str) -> list[GeoPoint]:
    """The points of a line. Raises: ValueError if the text is not a polyline on Earth."""
    numbers: list[int] = []
    value = shift = 0
    for char in text:
        part = ord(char) - 63
        if not 0 <= part < 64 or shift > 30:
            raise ValueError("not a polyline")
        value |= (part & 0x1F) << shift
        shift += 5
        if part < 0x20:
            numbers.append(~(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    if shift or len(numbers) % 2:
        raise ValueError("a polyline ends within a point")
    points: list[GeoPoint] = []
    lat = lng = 0
    for north, east in zip(numbers[::2], numbers[1::2], strict=True):
        lat, lng = lat + north, lng + east
        points.append(GeoPoint(lat / _PRECISION, lng / _PRECISION))
    if any(abs(point.lat) > 90 or abs(point.lng) > 180 for point in points):
        raise ValueError("a polyline leaves the Earth")
    return points
