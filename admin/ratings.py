"""The list of ratings, with the comments that only staff read."""

from typing import Any

from starlette.requests import Request
from starlette_admin.fields import EnumField, StringField, TextAreaField

from admin import time_zones
from admin.fields import NAMELESS, Person, PersonField, TripField
from admin.list_view import ListView, time_field, to_number
from services.staff.rating_list import RatingRow
from services.trips.ratings import MOST_STARS

_STARS = [(str(stars), "★" * stars) for stars in range(MOST_STARS, 0, -1)]


class RatingView(ListView[RatingRow]):
    """Ratings, newest first, read-only."""

    key = "rating"
    menu_label = "Ratings"
    display_name = "Rating"
    icon = "fa fa-star"
    searchable_fields = ("stars", "comment", "created")
    sortable_fields = ("created", "stars", "subject", "author", "comment")
    fields_default_sort = (("created", True),)
    search_hint = "User name, words of a comment, or id"
    nothing = "No rating in this period."
    shortcuts = (("One or two stars", "stars__in=1,2"),)

    def __init__(self, *args: Any) -> None:
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True),
            time_field("created"),
            EnumField("stars", choices=_STARS, getter=lambda _, rating: str(rating.stars)),
            PersonField(
                "subject", label="About", getter=lambda _, rating: Person(rating.subject_id, rating.subject)
            ),
            PersonField("author", label="By", getter=lambda _, rating: Person(rating.author_id, rating.author)),
            TextAreaField("comment", list_template="fields/list/whole_text.html"),
            TripField("trip_id", label="Trip's id"),
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
        """The stars, whom they are about, and the time."""
        return f"{'★' * obj.stars} about {obj.subject or NAMELESS}, {time_zones.text(obj.created)}"
