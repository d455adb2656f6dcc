"""A position on Earth."""

import strawberry

from models.geo import GeoPoint as GeoPointValue


@strawberry.type(description="A position on Earth, WGS 84.")
class GeoPoint:
    lat: float = strawberry.field(description="The latitude in degrees, -90 to 90.")
    lng: float = strawberry.field(description="The longitude in degrees, -180 to 180.")


@strawberry.input(description="A position on Earth, WGS 84.")
class GeoPointInput:
    lat: float = strawberry.field(description="The latitude in degrees, -90 to 90.")
    lng: float = strawberry.field(description="The longitude in degrees, -180 to 180.")

    def value(self) -> GeoPointValue:
        """The plain value, not yet checked."""
        return GeoPointValue(self.lat, self.lng)


def to_geo_point(point: GeoPointValue) -> GeoPoint:
    """The GraphQL form of a position."""
    return GeoPoint(lat=point.lat, lng=point.lng)
