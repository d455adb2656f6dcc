"""The map on the pages about a trip. A page that has it gets a policy that allows it; no other page does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from models.geo import GeoPoint
from services.positions.freshness import Freshness
from services.positions.routing import Drive
from services.staff.trip_details import Car

# The request's state has the files of its page's map under this name.
MAP_STATE = "opened_map"


class MapFiles(Protocol):
    """The files of the map, and what a page with it must allow."""

    @property
    def script(self) -> str:
        """The path of the script, a module."""
        ...

    @property
    def styles(self) -> Sequence[str]:
        """The paths of the style sheets."""
        ...

    @property
    def style_url(self) -> str | None:
        """The style of real tiles; None: the made-up city."""
        ...

    @property
    def connect_src(self) -> str:
        """The sources that it asks, for the page's policy."""
        ...


def opener(files: Callable[[], MapFiles | None]) -> Callable[[Request], MapFiles | None]:
    """A function for templates: the files of the map; None without a build of the pages.

    It notes in the request that its page has the map.
    """

    def open_map(request: Request) -> MapFiles | None:
        found = files()
        setattr(request.state, MAP_STATE, found)
        return found

    return open_map


@dataclass(frozen=True, slots=True)
class Places:
    """Where a trip begins and ends, the route between, and where the car is."""

    pick_up: GeoPoint | None
    drop_off: GeoPoint | None
    route: Drive | None
    car: Car | None
    is_driving: bool

    @property
    def on_map(self) -> Mapping[str, Any] | None:
        """What web/src/admin/shownTrip.ts draws: the car only if its position is fresh. None: there is nothing."""
        car = self.car if self.car is not None and self.car.freshness is Freshness.LIVE else None
        if self.pick_up is None and self.drop_off is None and car is None:
            return None
        return {
            "pickUp": _point(self.pick_up),
            "dropOff": _point(self.drop_off),
            "route": (
                {"encodedPolyline": self.route.encoded_polyline, "isEstimated": self.route.is_estimated}
                if self.route is not None
                else None
            ),
            "car": (
                {"lat": car.location.point.lat, "lng": car.location.point.lng, "heading": car.location.heading}
                if car is not None
                else None
            ),
        }


def _point(point: GeoPoint | None) -> Mapping[str, float] | None:
    return {"lat": point.lat, "lng": point.lng} if point is not None else None
