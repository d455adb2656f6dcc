"""The list of staff actions."""

from typing import Any

from starlette.requests import Request
from starlette_admin.fields import EnumField, StringField

from admin.list_view import ListView, time_field, to_number
from models.staff_action import StaffActionKind
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

    def __init__(self, *args: Any) -> None:
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True),
            time_field("at"),
            StringField("staff"),
            EnumField("action", enum=StaffActionKind),
            StringField("user", label="User"),
            StringField("user_id", label="User's id", exclude_from_list=True),
            StringField("trip_id", label="Trip's id", exclude_from_list=True),
            StringField("detail"),
        ]
        super().__init__(*args)

    def to_id(self, pk: Any) -> int | None:
        """The numeric id, or None."""
        return to_number(pk)

    async def repr(self, obj: Any, request: Request) -> str:
        """The action and its time."""
        return f"{obj.action.value} {obj.at:%Y-%m-%d %H:%M}"
