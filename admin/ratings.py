"""The list of ratings, with the comments that only staff read."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette_admin.fields import EnumField, HasOne, StringField, TextAreaField

from admin.list_view import ListView, time_field, to_number
from services.staff.rating_list import RatingRow
from services.trips.ratings import MOST_STARS

_STARS = [(str(stars), "★" * stars) for stars in range(MOST_STARS, 0, -1)]


@dataclass(frozen=True, slots=True)
class _Named:
    """A user as a row of a rating has them: enough for a link."""

    id: UUID
    username: str


class RatingView(ListView[RatingRow]):
    """Ratings, newest first, read-only."""

    key = "rating"
    menu_label = "Ratings"
    display_name = "Rating"
    icon = "fa fa-star"
    searchable_fields = ("stars", "comment", "created")
    sortable_fields = ("created", "stars", "subject", "author", "comment")
    fields_default_sort = (("created", True),)

    def __init__(self, *args: Any) -> None:
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True),
            time_field("created"),
            EnumField("stars", choices=_STARS, getter=lambda _, rating: str(rating.stars)),
            HasOne(
                "subject",
                key="user",
                label="About",
                getter=lambda _, rating: _Named(rating.subject_id, rating.subject),
            ),
            HasOne(
                "author", key="user", label="By", getter=lambda _, rating: _Named(rating.author_id, rating.author)
            ),
            TextAreaField("comment"),
            StringField("trip_id", label="Trip's id", exclude_from_list=True),
            *(
                StringField(
                    f"{name}_name",
                    label=label,
                    getter=lambda _, rating, name=name: getattr(rating, name),
                    exclude_from_list=True,
                    exclude_from_detail=True,
                )
                for name, label in (("subject", "Name of the rated user"), ("author", "Author's name"))
            ),
        ]
        super().__init__(*args)

    def to_id(self, pk: Any) -> int | None:
        """The numeric id, or None."""
        return to_number(pk)

    async def repr(self, obj: Any, request: Request) -> str:
        """The stars and the time."""
        return f"{'★' * obj.stars} {obj.created:%Y-%m-%d %H:%M}"
