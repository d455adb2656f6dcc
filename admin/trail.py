"""The list of staff actions."""

from typing import Any

from starlette.requests import Request
from starlette_admin.fields import StringField

from admin import time_zones, words
from admin.fields import Author, BadgeField, Person, PersonField, TripField
from admin.list_view import ListView, time_field, to_number
from services.staff.lists import ActionRow


class TrailView(ListView[ActionRow]):
    """The audit trail of staff actions, read-only."""

    key = "staff-action"
    menu_label = "Staff actions"
    display_name = "Staff action"
    icon = "fa fa-clipboard-list"
    searchable_fields = ("at", "action", "staff", "detail")
    sortable_fields = ("at", "action", "staff", "user", "detail")
    fields_default_sort = (("at", True),)

    search_hint = "Staff, detail, or id of a user or trip"
    nothing = "No action of staff in this period."

    def __init__(self, *args: Any) -> None:
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True),
            time_field("at"),
            PersonField("staff", exports="name", getter=lambda _, action: Author(action.staff_id, action.staff)),
            BadgeField("action", badges=words.ACTION),
            PersonField("user", label="User", exports="name", getter=_user),
            StringField("user_id", label="User's id", exclude_from_list=True, copy_to_clipboard=True),
            TripField("trip_id", label="Trip's id"),
            StringField("detail", list_template="fields/list/whole_text.html"),
        ]
        super().__init__(*args)

    def to_id(self, pk: Any) -> int | None:
        """The numeric id, or None."""
        return to_number(pk)

    async def repr(self, obj: Any, request: Request) -> str:
        """The action and its time."""
        return f"{words.ACTION[obj.action].text}, {time_zones.text(obj.at)}"


def _user(_: Request, action: Any) -> Person | None:
    return Person(action.user_id, action.user) if action.user_id is not None else None
