"""A drive: its line, length and time."""

import strawberry

from services.positions.routing import Drive


@strawberry.type(description="A drive from one place to another.")
class Route:
    encoded_polyline: str = strawberry.field(
        description="The line on the map, in Google's polyline format with precision 5."
    )
    distance_m: int = strawberry.field(description="The length in metres.")
    duration_s: int = strawberry.field(description="The driving time in seconds.")
    estimated: bool = strawberry.field(
        description="Whether this is the straight line with an estimated length and time, because the server "
        "knows no route."
    )


def to_route(drive: Drive) -> Route:
    """The GraphQL form of a drive."""
    return Route(
        encoded_polyline=drive.encoded_polyline,
        distance_m=round(drive.distance_m),
        duration_s=round(drive.duration_s),
        estimated=drive.is_estimated,
    )
