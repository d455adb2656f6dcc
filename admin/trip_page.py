"""The parts of a trip's page: people, the places, the history, ratings, and what staff did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette_admin.types import RequestAction

from admin.fields import SectionField
from admin.list_view import is_action
from admin.trip_map import Places
from models.geo import GeoPoint
from models.trip_life import is_driving
from models.values import TripChangeValue
from services.staff.lists import TripRow, UserRow
from services.staff.trip_details import TripDetails


@dataclass(frozen=True, slots=True)
class Party:
    """A rider or a driver of the trip, with a link."""

    role: str
    user: UserRow


class TripPage:
    """Reads the parts of the page."""

    def __init__(self, details: TripDetails) -> None:
        self._details = details

    def fields(self) -> list[SectionField]:
        """The parts in the order of the page."""
        return [
            SectionField(
                "places",
                label="Places",
                place="right",
                getter=self._places,
                detail_template="sections/places.html",
            ),
            SectionField(
                "people",
                label="People",
                place="right",
                getter=self._people,
                detail_template="sections/parties.html",
            ),
            SectionField("history", place="left", getter=self._changes, detail_template="sections/history.html"),
            SectionField(
                "ratings", place="right", getter=self._ratings, detail_template="sections/trip_ratings.html"
            ),
            SectionField(
                "actions",
                label="What staff did",
                place="right",
                getter=self._actions,
                detail_template="sections/actions.html",
            ),
        ]

    async def _people(self, request: Request, trip: TripRow) -> Sequence[Party]:
        if not is_action(request, RequestAction.DETAIL):
            return ()
        found = await self._details.people(trip.rider_id, trip.driver_id)
        parties = [("Rider", trip.rider_id), ("Driver", trip.driver_id)]
        return [Party(role, user) for role, user_id in parties if user_id and (user := found.get(user_id))]

    async def _places(self, request: Request, trip: TripRow) -> Places | None:
        if not is_action(request, RequestAction.DETAIL):
            return None
        pick_up, drop_off = (_point(trip, name) for name in ("pick_up", "drop_off"))
        under_way = is_driving(trip.status)
        car = await self._details.car(trip.driver_id, pick_up) if under_way else None
        return Places(pick_up, drop_off, await self._details.route(pick_up, drop_off), car, under_way)

    async def _changes(self, request: Request, trip: TripRow) -> Sequence[TripChangeValue]:
        return await self._details.changes(trip.id) if is_action(request, RequestAction.DETAIL) else ()

    async def _ratings(self, request: Request, trip: TripRow) -> Any:
        return await self._details.ratings(trip.id) if is_action(request, RequestAction.DETAIL) else ()

    async def _actions(self, request: Request, trip: TripRow) -> Any:
        return await self._details.actions(trip.id) if is_action(request, RequestAction.DETAIL) else ()


def _point(trip: TripRow, name: str) -> GeoPoint | None:
    lat, lng = getattr(trip, f"{name}_lat"), getattr(trip, f"{name}_lng")
    return GeoPoint(lat, lng) if lat is not None and lng is not None else None
