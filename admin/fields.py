"""The fields of lists and details: badges, times with their zone, links to people and trips, short ids.

An export has the raw values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from starlette.requests import Request
from starlette_admin.fields import BaseField, BooleanField, DateTimeField, EnumField, HasOne, StringField
from starlette_admin.types import RequestAction

from admin import time_zones
from admin.words import ACCOUNT, Badge

NAMELESS = "Deleted user"


def _is_shown(request: Request) -> bool:
    """Whether the value is for a page, and for neither a form nor an export."""
    action: RequestAction = request.state.action
    return not action.is_form() and action is not RequestAction.EXPORT


@dataclass
class BadgeField(EnumField):
    """A value in words and colour."""

    badges: Mapping[Any, Badge] = field(default_factory=dict)
    list_template: str = "fields/badge.html"
    detail_template: str = "fields/badge.html"

    def __post_init__(self) -> None:
        self.choices = [(value.value, badge.text) for value, badge in self.badges.items()]
        super().__post_init__()

    async def serialize_value(self, request: Request, value: Any) -> Any:
        """The badge on a page; otherwise the raw value."""
        return self.badges[value] if _is_shown(request) else await super().serialize_value(request, value)


@dataclass
class MomentField(DateTimeField):
    """A time in the reader's zone, with the zone's name and its age."""

    list_template: str = "fields/time.html"
    detail_template: str = "fields/time.html"

    async def serialize_value(self, request: Request, value: datetime) -> Any:
        """The moment on a page; otherwise as the library does."""
        return time_zones.moment(value) if _is_shown(request) else await super().serialize_value(request, value)


@dataclass(frozen=True, slots=True)
class Person:
    """A user as a row has them: enough for a link."""

    id: UUID
    username: str
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Whoever did an action of staff. ``id`` is None for the command line, which has no account."""

    id: UUID | None
    username: str


@dataclass
class PersonField(HasOne):
    """A link to a user. ``exports``: what an export has."""

    key: str | None = "user"
    exports: Literal["id", "name"] = "id"
    list_template: str = "fields/person.html"
    detail_template: str = "fields/person.html"

    async def serialize_value(self, request: Request, value: Any) -> Any:
        """The name and the id on a page. Without it the library reads all fields of the user."""
        if _is_shown(request):
            full_name = getattr(value, "full_name", "")
            return {
                "pk": str(value.id) if value.id is not None else None,
                "name": full_name or value.username or NAMELESS,
                # Beside the name, because names are not unique.
                "username": value.username if full_name else "",
            }
        if self.exports == "name" and request.state.action is RequestAction.EXPORT:
            return value.username
        return await super().serialize_value(request, value)


@dataclass
class AccountField(BooleanField):
    """Whether an account is active, in words and colour."""

    list_template: str = "fields/badge.html"
    detail_template: str = "fields/badge.html"

    async def parse_obj(self, request: Request, obj: Any) -> Any:
        """The badge on a page; otherwise whether the account is active."""
        if not _is_shown(request):
            return await super().parse_obj(request, obj)
        return ACCOUNT["deleted" if obj.deleted is not None else "active" if obj.is_active else "deactivated"]

    async def serialize_value(self, request: Request, value: Any) -> Any:
        """As it was read."""
        return value if isinstance(value, Badge) else await super().serialize_value(request, value)


@dataclass
class TripField(StringField):
    """A link to a trip, by its id."""

    list_template: str = "fields/trip.html"
    detail_template: str = "fields/trip.html"


def id_field(**options: Any) -> StringField:
    """The id of a row: short in a list, whole in the details, and copied whole."""
    return StringField("id", label="Id", copy_to_clipboard=True, list_template="fields/short_id.html", **options)


@dataclass
class SectionField(BaseField):
    """A part of a page of its own, beside the details or below. Its template shows what ``getter`` reads."""

    place: Literal["left", "right", "below"] = "below"

    def __post_init__(self) -> None:
        self.exclude_from_list = self.exclude_from_create = self.exclude_from_export = True
        self.searchable = self.orderable = False
        super().__post_init__()
