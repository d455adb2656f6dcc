"""Approval of drivers: the buttons, and the list of drivers who wait."""

from collections.abc import Awaitable
from typing import Any

from starlette.requests import Request
from starlette_admin.actions import row_action
from starlette_admin.fields import ImageField, StringField
from starlette_admin.flash import flash
from starlette_admin.types import RowActionsDisplayType

from admin import dialogues
from admin.fields import PersonField
from admin.list_view import ListView, in_dialogue, known_user_id, time_field
from admin.log_in import member_of
from models.values import Approval, Role
from services.staff.approvals import Approvals
from services.staff.list_query import StaffList
from services.staff.lists import UserRow
from services.staff.staff import Staff

ACTIONS = ("approve", "refuse", "revoke")


def is_offered(name: str, user: UserRow) -> bool:
    """Whether a button about approval would change something."""
    if user.role is not Role.DRIVER or user.deleted is not None:
        return False
    match name:
        case "approve":
            return user.approval is not Approval.APPROVED
        case "refuse":
            return user.approval is Approval.WAITING
        case _:
            return user.approval is Approval.APPROVED


class ApprovalActions:
    """The buttons of a list of users. A view that has them names them in ``row_actions``."""

    approvals: Approvals

    @row_action(
        name="approve",
        text="Approve driver",
        header="Approve this driver?",
        confirmation="",
        submit_btn_text="Approve",
        icon_class="fa fa-check",
        modal_size="md",
        form=dialogues.approve,
    )
    async def approve(self, request: Request, pk: Any) -> None:
        """Let a driver take trips."""

        async def work() -> None:
            await self.approvals.approve(member_of(request), driver_id=known_user_id(pk))

        await in_dialogue(work())
        flash(request, "The driver was approved and gets offers now.", "success")

    @row_action(
        name="refuse",
        text="Refuse driver",
        header="Refuse this driver?",
        confirmation="",
        submit_btn_text="Refuse",
        icon_class="fa fa-xmark",
        modal_size="md",
        submit_btn_class="btn btn-danger",
        form=dialogues.refuse,
    )
    async def refuse(self, request: Request, pk: Any) -> None:
        """Refuse a driver who waits, with a reason."""
        await in_dialogue(self._refuse(request, pk, str((await request.form()).get("reason") or "")))
        flash(request, "The driver was refused.", "success")

    @row_action(
        name="revoke",
        text="Revoke approval",
        header="Revoke the approval of this driver?",
        confirmation="",
        submit_btn_text="Revoke",
        icon_class="fa fa-user-xmark",
        modal_size="md",
        submit_btn_class="btn btn-danger",
        form=dialogues.revoke,
    )
    async def revoke(self, request: Request, pk: Any) -> None:
        """Revoke an approval, with a reason."""
        await in_dialogue(self._refuse(request, pk, str((await request.form()).get("reason") or "")))
        flash(request, "The approval was revoked.", "success")

    def _refuse(self, request: Request, pk: Any, reason: str) -> Awaitable[None]:
        async def work() -> None:
            await self.approvals.refuse(member_of(request), driver_id=known_user_id(pk), reason=reason)

        return work()


def _photo(request: Request, user: Any) -> dict[str, str] | None:
    if user.photo is None:
        return None
    url = request.url_for("media", name=user.photo).path
    return {"url": url, "filename": f"Photo of {user.first_name} {user.last_name}", "content_type": "image/webp"}


class WaitingDriverView(ApprovalActions, ListView[UserRow]):
    """Drivers who wait for approval, those who have waited longest first."""

    key = "waiting-driver"
    menu_label = "Waiting drivers"
    display_name = "Waiting driver"
    icon = "fa fa-user-clock"
    note = "Those who have waited longest come first. They hear of the decision immediately."
    search_hint = "Name, or beginning of a plate"
    nothing = "Nobody waits for approval."
    row_actions_display_type = RowActionsDisplayType.INLINE_LINKS
    row_actions = ("approve", "refuse")
    searchable_fields = ("created",)
    sortable_fields = ("created", "first_name", "last_name")
    fields_default_sort = (("created", False),)

    def __init__(self, staff_list: StaffList[UserRow], staff: Staff, approvals: Approvals) -> None:
        self.approvals = approvals
        photo = ImageField("photo", getter=_photo, exclude_from_export=True)
        photo.validators = []
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True),
            photo,
            PersonField("user", label="User name", getter=lambda _, user: user),
            StringField("first_name"),
            StringField("last_name"),
            StringField(
                "vehicle",
                getter=lambda _, user: dialogues.vehicle_text(user.vehicle),
                list_template="fields/list/whole_text.html",
            ),
            time_field("created", label="Waiting since"),
        ]
        super().__init__(staff_list, staff)

    def can_view_detail(self, request: Request) -> bool:
        """The page of the user has all details."""
        return False

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: Any) -> bool:
        """Only actions that would change something are offered."""
        return is_offered(name, obj)
