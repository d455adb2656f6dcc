"""The buttons about an account: deactivate, reactivate, end sessions, reset the password, export."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette_admin.actions import row_action
from starlette_admin.exceptions import ActionFailed
from starlette_admin.flash import flash

from admin import dialogues
from admin.list_view import in_dialogue, known_user_id, to_uuid
from admin.log_in import member_of
from services.staff.staff import NoSuchSession, Staff


class AccountActions:
    """The buttons of a list of users. A view that has them names them in ``row_actions``."""

    _staff: Staff

    @row_action(
        name="deactivate",
        text="Deactivate",
        header="Deactivate this user?",
        confirmation="",
        modal_size="md",
        form=dialogues.deactivate,
        submit_btn_class="btn btn-danger",
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
        header="Reactivate this user?",
        confirmation="",
        modal_size="md",
        form=dialogues.reactivate,
        submit_btn_text="Reactivate",
        icon_class="fa fa-user-check",
    )
    async def reactivate(self, request: Request, pk: Any) -> None:
        """Let a user log in again."""

        async def work() -> None:
            await self._staff.reactivate(member_of(request), user_id=known_user_id(pk))

        await in_dialogue(work())
        flash(request, "The user may log in again.", "success")

    # Its buttons are beside the sessions.
    @row_action(
        name="end-sessions",
        text="End sessions",
        confirmation="",
        exclude_from_list=True,
        exclude_from_detail=True,
    )
    async def end_sessions(self, request: Request, pk: Any) -> None:
        """End one session of a user, or all."""
        session = (await request.form()).get("session")
        session_id = to_uuid(session) if session else None
        if session and session_id is None:
            raise ActionFailed(NoSuchSession.message)

        async def work() -> int:
            return await self._staff.end_sessions(
                member_of(request), user_id=known_user_id(pk), session_id=session_id
            )

        ended = await in_dialogue(work())
        flash(request, "The session has ended." if ended == 1 else f"{ended} sessions have ended.", "success")

    @row_action(
        name="export",
        text="Export everything",
        header="Export everything about this user?",
        confirmation="",
        modal_size="md",
        form=dialogues.export,
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
        header="Send a password reset?",
        confirmation="",
        modal_size="md",
        form=dialogues.reset_password,
        submit_btn_text="Send",
        icon_class="fa fa-envelope",
    )
    async def reset_password(self, request: Request, pk: Any) -> None:
        """Send a letter with a link that resets the password."""

        async def work() -> None:
            await self._staff.send_password_reset(member_of(request), user_id=known_user_id(pk))

        await in_dialogue(work())
        flash(request, "The letter is on its way.", "success")
