"""The list of users."""

from collections.abc import Sequence
from typing import Any

from markupsafe import escape
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette_admin.exceptions import FormValidationError
from starlette_admin.fields import BaseField, BooleanField, ImageField, PasswordField, StringField
from starlette_admin.types import RowActionsDisplayType

from admin import dialogues, words
from admin.account_actions import AccountActions
from admin.approvals import ACTIONS, ApprovalActions, is_offered
from admin.fields import AccountField, BadgeField, id_field
from admin.list_view import ListView, in_form, time_field
from admin.log_in import member_of
from admin.person_page import PersonPage
from models.values import Approval, Role, UserValue
from services.staff.approvals import Approvals
from services.staff.list_query import StaffList
from services.staff.lists import UserRow
from services.staff.staff import Staff

_NAMES = {
    "username": "username",
    "password1": "password",
    "firstName": "first_name",
    "lastName": "last_name",
    "photo": "photo",
    "": "username",
}


def _photo(request: Request, user: Any) -> dict[str, str] | None:
    if not user.photo:
        return None
    url = request.url_for("media", name=user.photo).path
    return {"url": url, "filename": f"Photo of {user.first_name} {user.last_name}", "content_type": "image/webp"}


def _role(_: Request, user: Any) -> Role | None:
    # To the API a member of staff is a rider; the admin shows no role for staff.
    return None if user.is_staff else user.role


def _approval(_: Request, user: Any) -> Approval | None:
    return user.approval if user.role is Role.DRIVER else None


def _approval_fields() -> Sequence[BaseField]:
    return (
        BadgeField("approval", badges=words.APPROVAL, getter=_approval, exclude_from_create=True),
        StringField("approval_reason", label="Reason", exclude_from_create=True, exclude_from_list=True),
    )


def _photo_field() -> ImageField:
    field = ImageField("photo", getter=_photo, exclude_from_list=True, exclude_from_export=True)
    # The library's own validator decodes an upload without a limit; the use case checks it anyway.
    field.validators = []
    return field


class UserView(ApprovalActions, AccountActions, ListView[UserRow]):
    """Users: list, add, deactivate and reactivate them, and approve drivers where staff do that.

    Only the users themselves can change their names and passwords; nobody can change a role.
    """

    key = "user"
    menu_label = "Users"
    display_name = "User"
    icon = "fa fa-users"
    sortable_fields = (
        "username",
        "first_name",
        "last_name",
        "role",
        "is_staff",
        "is_active",
        "created",
        "deleted",
    )
    fields_default_sort = (("created", True),)
    search_hint = "Name, plate, or id"
    nothing = "No user in this period."
    hidden_if_unknown = frozenset({"photo", "approval", "approval_reason", "vehicle", "deleted", "trip_under_way"})
    row_actions_display_type = RowActionsDisplayType.KEBAB
    shortcuts = (
        ("Drivers", f"role__in={Role.DRIVER}"),
        ("Staff", "is_staff__is_true"),
        ("Deactivated", "is_active__is_false"),
    )

    def __init__(
        self,
        staff_list: StaffList[UserRow],
        staff: Staff,
        approvals: Approvals,
        page: PersonPage,
        *,
        needs_approval: bool,
    ) -> None:
        """``needs_approval``: whether drivers need the approval of staff."""
        self.approvals = approvals
        self.row_actions = (
            "view",
            *(ACTIONS if needs_approval else ()),
            "deactivate",
            "reactivate",
            "reset-password",
            "end-sessions",
            "export",
        )
        names = ("username", "first_name", "last_name", "role", "is_staff", "is_active", "created")
        self.searchable_fields = (*names, *(("approval",) if needs_approval else ()))
        self.fields = [
            id_field(exclude_from_list=True),
            StringField(
                "username",
                label="User name",
                required=True,
                help_text="3 to 150 characters, no spaces.",
                list_template="fields/username.html",
                detail_template="fields/username.html",
            ),
            PasswordField(
                "password",
                required=True,
                help_text="Hard to guess; the user should change it.",
                exclude_from_list=True,
                exclude_from_detail=True,
                exclude_from_export=True,
            ),
            StringField("first_name", required=True),
            StringField("last_name", required=True),
            BadgeField("role", badges=words.ROLE, getter=_role, required=True, help_text="It never changes."),
            _photo_field(),
            *(_approval_fields() if needs_approval else ()),
            StringField(
                "vehicle",
                getter=lambda _, user: dialogues.vehicle_text(user.vehicle),
                exclude_from_list=True,
                exclude_from_create=True,
            ),
            AccountField("is_active", label="Active", exclude_from_create=True),
            BooleanField("is_staff", label="Staff", exclude_from_create=True),
            time_field("created", exclude_from_create=True),
            time_field("deleted", exclude_from_create=True, exclude_from_list=True),
            *page.standing_fields(),
            *page.sections(),
        ]
        super().__init__(staff_list, staff)

    def can_create(self, request: Request) -> bool:
        """Staff can add a user."""
        return True

    async def create(self, request: Request, data: dict[str, Any]) -> UserValue:
        """Add a user, with the rules of a sign-up."""
        upload, _ = data["photo"]
        photo: bytes | None = None
        if isinstance(upload, UploadFile):
            photo = await upload.read()
            await upload.close()
        try:
            role = Role(data["role"])
        except ValueError:
            raise FormValidationError({"role": "Choose one."}) from None
        adding = self._staff.add_user(
            member_of(request),
            username=data["username"],
            password=data["password"],
            first_name=data["first_name"],
            last_name=data["last_name"],
            role=role,
            photo=photo,
        )
        return await in_form(adding, _NAMES)

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: Any) -> bool:
        """Only actions that would change something are offered."""
        if name in ACTIONS:
            return is_offered(name, obj)
        if name == "deactivate":
            return obj.is_active
        if name == "reset-password":
            return obj.is_active
        if name == "reactivate":
            return not obj.is_active and obj.deleted is None
        return True

    def heading(self, obj: Any) -> str:
        """The names of the person."""
        return f"{obj.first_name} {obj.last_name}".strip()

    async def repr(self, obj: Any, request: Request) -> str:
        """The user's name."""
        return obj.username or "Deleted user"

    async def select2_result(self, obj: Any, request: Request) -> str:
        """A user in the selection list, as HTML."""
        return f"<span>{escape(await self.repr(obj, request))}</span>"
