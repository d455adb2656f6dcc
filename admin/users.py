"""The list of users."""

from collections.abc import Sequence
from typing import Any

from markupsafe import escape
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.actions import row_action
from starlette_admin.exceptions import FormValidationError
from starlette_admin.fields import (
    BaseField,
    BooleanField,
    EnumField,
    ImageField,
    PasswordField,
    StringField,
    TextAreaField,
)
from starlette_admin.flash import flash
from starlette_admin.types import RequestAction

from admin.approvals import ACTIONS, ApprovalActions, is_offered, vehicle_text
from admin.list_view import ListView, in_dialogue, in_form, is_action, known_user_id, time_field
from admin.log_in import member_of
from models.values import Approval, Role, UserValue
from services.database.connections import Database
from services.staff.approvals import Approvals
from services.staff.list_query import StaffList
from services.staff.lists import UserRow
from services.staff.rating_list import received_by
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
    # A row of a trip has only the names of its users.
    photo: str | None = getattr(user, "photo", None)
    if not photo:
        return None
    url = request.url_for("media", name=photo).path
    return {"url": url, "filename": photo, "content_type": "image/webp"}


def _role(_: Request, user: Any) -> Role | None:
    # To the API a member of staff is a rider; the admin shows no role for staff.
    return None if getattr(user, "is_staff", False) else getattr(user, "role", None)


def _approval_fields() -> Sequence[BaseField]:
    return (
        EnumField("approval", enum=Approval, getter=_approval, exclude_from_create=True),
        StringField("approval_reason", label="Reason", exclude_from_create=True, exclude_from_list=True),
    )


def _photo_field() -> ImageField:
    field = ImageField("photo", getter=_photo, exclude_from_list=True, exclude_from_export=True)
    # The library's own validator decodes an upload without a limit; the use case checks it anyway.
    field.validators = []
    return field


def _approval(_: Request, user: Any) -> Approval | None:
    return user.approval if getattr(user, "role", None) is Role.DRIVER else None


class UserView(ApprovalActions, ListView[UserRow]):
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

    def __init__(
        self,
        staff_list: StaffList[UserRow],
        staff: Staff,
        approvals: Approvals,
        database: Database,
        *,
        needs_approval: bool,
    ) -> None:
        """``needs_approval``: whether drivers need the approval of staff."""
        self.approvals = approvals
        self._database = database
        self.row_actions = (
            "view",
            *(ACTIONS if needs_approval else ()),
            "deactivate",
            "reactivate",
            "reset-password",
            "export",
        )
        names = ("username", "first_name", "last_name", "role", "is_staff", "is_active", "created")
        self.searchable_fields = (*names, *(("approval",) if needs_approval else ()))
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True),
            StringField("username", label="User name", required=True, help_text="3 to 150 characters, no spaces."),
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
            EnumField("role", enum=Role, getter=_role, required=True, help_text="It never changes."),
            _photo_field(),
            *(_approval_fields() if needs_approval else ()),
            StringField(
                "vehicle",
                getter=lambda _, user: vehicle_text(getattr(user, "vehicle", None)),
                exclude_from_list=True,
                exclude_from_create=True,
            ),
            BooleanField("is_active", label="Active", exclude_from_create=True),
            BooleanField("is_staff", label="Staff", exclude_from_create=True),
            time_field("created", exclude_from_create=True),
            time_field("deleted", exclude_from_create=True, exclude_from_list=True),
            TextAreaField(
                "ratings",
                label="Newest ratings",
                getter=self._ratings,
                exclude_from_list=True,
                exclude_from_create=True,
                exclude_from_export=True,
            ),
        ]
        super().__init__(staff_list, staff)

    async def _ratings(self, request: Request, user: Any) -> str:
        """The newest ratings of the user."""
        if not is_action(request, RequestAction.DETAIL):
            return ""
        return "\n".join(
            f"{rating.created:%Y-%m-%d %H:%M} UTC  {'★' * rating.stars}  by {rating.author or 'a deleted user'}"
            f"{f': {rating.comment}' if rating.comment is not None else ''}"
            for rating in await received_by(self._database, user.id)
        )

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

    @row_action(
        name="deactivate",
        text="Deactivate",
        confirmation="End all sessions of this user and refuse new log-ins?",
        submit_btn_text="Deactivate",
        icon_class="fa fa-user-slash",
    )
    async def deactivate(self, request: Request, pk: Any) -> None:
        """End a user's sessions and refuse new log-ins."""

        async def work() -> None:
            await self._staff.deactivate(member_of(request), user_id=known_user_id(pk))

        await in_dialogue(work())
        flash(request, "The user was deactivated. Their sessions have ended.", "success")

    @row_action(
        name="reactivate",
        text="Reactivate",
        confirmation="Let this user log in again?",
        submit_btn_text="Reactivate",
        icon_class="fa fa-user-check",
    )
    async def reactivate(self, request: Request, pk: Any) -> None:
        """Let a user log in again."""

        async def work() -> None:
            await self._staff.reactivate(member_of(request), user_id=known_user_id(pk))

        await in_dialogue(work())
        flash(request, "The user may log in again.", "success")

    @row_action(
        name="export",
        text="Export everything",
        confirmation="Download everything that is stored about this user? The audit trail says that you did.",
        submit_btn_text="Download",
        icon_class="fa fa-file-zipper",
        custom_response=True,
    )
    async def export_everything(self, request: Request, pk: Any) -> Response:
        """Give all data of a user as a file."""

        async def work() -> bytes:
            return await self._staff.export_user(member_of(request), user_id=known_user_id(pk))

        return Response(
            await in_dialogue(work()),
            media_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="user-{known_user_id(pk)}.zip"'},
        )

    @row_action(
        name="reset-password",
        text="Send a password reset",
        confirmation="Send this user a letter with a link to choose a new password?",
        submit_btn_text="Send",
        icon_class="fa fa-envelope",
    )
    async def reset_password(self, request: Request, pk: Any) -> None:
        """Send a letter with a link that resets the password."""

        async def work() -> None:
            await self._staff.send_password_reset(member_of(request), user_id=known_user_id(pk))

        await in_dialogue(work())
        flash(request, "The letter is on its way.", "success")

    async def repr(self, obj: Any, request: Request) -> str:
        """The user's name."""
        return obj.username or "Deleted user"

    async def select2_result(self, obj: Any, request: Request) -> str:
        """A user in the selection list, as HTML."""
        return f"<span>{escape(await self.repr(obj, request))}</span>"
