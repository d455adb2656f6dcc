"""The parts of a person's page: the state of the account, trips, sessions, ratings, letters, what staff did."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette_admin.fields import BaseField, StringField
from starlette_admin.types import RequestAction

from admin import words
from admin.fields import BadgeField, SectionField, TripField
from admin.list_view import is_action, to_number
from services.staff.lists import UserRow
from services.staff.person import People, Standing

_MAX_PAGE = 1000
_ONLY_DETAIL: dict[str, Any] = {
    "exclude_from_list": True,
    "exclude_from_create": True,
    "exclude_from_export": True,
}


class PersonPage:
    """Reads the parts of the page."""

    def __init__(self, people: People) -> None:
        self._people = people

    def standing_fields(self) -> list[BaseField]:
        """Rows of the table of details: what changes of an account."""
        return [
            BadgeField(
                "availability",
                badges=words.AVAILABILITY,
                getter=self._of_standing(lambda standing: standing.availability),
                **_ONLY_DETAIL,
            ),
            TripField(
                "trip_under_way", getter=self._of_standing(lambda standing: standing.trip_id), **_ONLY_DETAIL
            ),
            StringField("rating", getter=self._of_standing(_rating), **_ONLY_DETAIL),
            StringField("email", label="E-mail", getter=self._of_standing(_email), **_ONLY_DETAIL),
        ]

    def sections(self) -> list[SectionField]:
        """The parts in the order of the page."""
        people = self._people
        return [
            SectionField(
                "sessions",
                place="right",
                getter=_of_user(people.sessions),
                detail_template="sections/sessions.html",
            ),
            SectionField(
                "letters", place="right", getter=_of_user(people.letters), detail_template="sections/letters.html"
            ),
            SectionField(
                "actions",
                label="What staff did",
                place="right",
                getter=_of_user(people.actions),
                detail_template="sections/actions.html",
            ),
            SectionField("trips", getter=self._trips, detail_template="sections/trips.html"),
            SectionField(
                "ratings",
                label="Newest ratings",
                getter=_of_user(people.ratings),
                detail_template="sections/ratings.html",
            ),
        ]

    def _of_standing(self, part: Callable[[Standing], Any]) -> Callable[[Request, UserRow], Awaitable[Any]]:
        async def getter(request: Request, user: UserRow) -> Any:
            if not is_action(request, RequestAction.DETAIL):
                return None
            # One read for all rows of the table.
            if not hasattr(request.state, "standing"):
                request.state.standing = await self._people.standing(user.id, user.role)
            standing: Standing | None = request.state.standing
            return part(standing) if standing is not None else None

        return getter

    async def _trips(self, request: Request, user: UserRow) -> Any:
        if not is_action(request, RequestAction.DETAIL):
            return None
        page = to_number(request.query_params.get("trips", "1")) or 1
        return await self._people.trips(user.id, user.role, page=min(page, _MAX_PAGE))


def _of_user(read: Callable[[Any], Awaitable[Any]]) -> Callable[[Request, UserRow], Awaitable[Any]]:
    async def getter(request: Request, user: UserRow) -> Any:
        return await read(user.id) if is_action(request, RequestAction.DETAIL) else None

    return getter


def _rating(standing: Standing) -> str | None:
    if standing.rating is None:
        return None
    return f"{standing.rating:.1f} of 5, by {standing.ratings} rating{'' if standing.ratings == 1 else 's'}"


def _email(standing: Standing) -> str | None:
    if standing.email is None:
        return None
    return f"{standing.email} ({'verified' if standing.email_verified_at is not None else 'not verified'})"
