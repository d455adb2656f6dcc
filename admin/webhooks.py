"""The list of endpoints of webhooks: other systems that hear of trips."""

from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette_admin.actions import row_action
from starlette_admin.fields import EnumField, IntegerField, StringField
from starlette_admin.flash import flash
from starlette_admin.types import RowActionsDisplayType

from admin import dialogues, words
from admin.fields import BadgeField
from admin.list_view import ListView, in_dialogue, in_form, time_field, to_uuid
from admin.log_in import member_of
from services.staff.list_query import StaffList
from services.staff.staff import Staff
from services.staff.webhooks import EndpointRow, StaffWebhooks
from services.webhooks.endpoints import Endpoint, NoSuchEndpoint
from services.webhooks.events import EVENT_TYPES

_NAMES = {"url": "url", "description": "description", "eventTypes": "event_types", "": "url"}


def _show_secret(request: Request, secret: str) -> None:
    # The cookie of the next page has it: signed, for this browser alone, and deleted by that page.
    flash(request, f"The secret, which is shown only now: {secret}", "warning")


def _endpoint_id(pk: Any) -> UUID:
    """The id of a row. Raises: NoSuchEndpoint."""
    endpoint_id = to_uuid(pk)
    if endpoint_id is None:
        raise NoSuchEndpoint
    return endpoint_id


class EndpointView(ListView[EndpointRow]):
    """Endpoints: add, test, disable, enable and delete them, and rotate their secrets."""

    key = "webhook"
    menu_label = "Webhooks"
    display_name = "Webhook endpoint"
    icon = "fa fa-tower-broadcast"
    note = "Other systems that hear of every change of a trip. The documentation says how they verify it."
    row_actions = ("view", "test", "rotate", "disable", "enable", "resend", "delete-endpoint")
    searchable_fields = ("created", "url", "description", "state")
    sortable_fields = ("created", "url", "description", "state")
    fields_default_sort = (("created", True),)
    row_actions_display_type = RowActionsDisplayType.KEBAB
    search_hint = "Address, description, or id"
    nothing = "No other system hears of trips."
    hidden_if_unknown = frozenset({"failing_since"})

    def __init__(self, staff_list: StaffList[EndpointRow], staff: Staff, webhooks: StaffWebhooks) -> None:
        self._webhooks = webhooks
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True, exclude_from_create=True),
            StringField(
                "url",
                label="Address",
                required=True,
                help_text="https, on a public host. Webhooks are sent to it as POST.",
                list_template="fields/list/whole_text.html",
            ),
            StringField("description", help_text="Who listens, for your colleagues."),
            EnumField(
                "event_types",
                label="Hears of",
                choices=[(event, event) for event in EVENT_TYPES],
                multiple=True,
                # The library's other control has no label for screen readers.
                select2=False,
                help_text="Nothing chosen: all.",
                exclude_from_list=True,
                exclude_from_detail=True,
                exclude_from_export=True,
            ),
            StringField(
                "types",
                label="Hears of",
                # A row of a delivery has less of its endpoint.
                getter=lambda _, endpoint: getattr(endpoint, "event_types", None),
                exclude_from_create=True,
            ),
            BadgeField("state", badges=words.ENDPOINT, exclude_from_create=True),
            IntegerField("waiting", exclude_from_create=True),
            IntegerField("dead", label="Dead letters", exclude_from_create=True),
            time_field("created", exclude_from_create=True),
            time_field("begins", label="Hears of changes since", exclude_from_create=True, exclude_from_list=True),
            time_field(
                "failing_since", label="Only failures since", exclude_from_create=True, exclude_from_list=True
            ),
        ]
        super().__init__(staff_list, staff)

    def can_create(self, request: Request) -> bool:
        """Staff can add an endpoint."""
        return True

    async def create(self, request: Request, data: dict[str, Any]) -> Endpoint:
        """Add an endpoint, and show its secret."""
        chosen = data.get("event_types") or []
        adding = self._webhooks.add(
            member_of(request),
            url=data["url"] or "",
            description=data["description"] or "",
            event_types=chosen if isinstance(chosen, list) else [chosen],
        )
        endpoint, secret = await in_form(adding, _NAMES)
        _show_secret(request, secret)
        return endpoint

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: Any) -> bool:
        """Only actions that would change something are offered."""
        is_enabled = obj.state.is_enabled
        match name:
            case "test" | "disable":
                return is_enabled
            case "enable":
                return not is_enabled
            case "resend":
                return obj.dead > 0
            case _:
                return True

    @row_action(
        name="test",
        text="Send a test event",
        header="Send a test event?",
        confirmation="",
        modal_size="md",
        form=dialogues.send_test,
        submit_btn_text="Send",
        icon_class="fa fa-paper-plane",
    )
    async def test(self, request: Request, pk: Any) -> None:
        """Send a test event."""

        async def work() -> None:
            await self._webhooks.test(member_of(request), endpoint_id=_endpoint_id(pk))

        await in_dialogue(work())
        flash(request, "The test event is on its way. The list of deliveries shows the answer.", "success")

    @row_action(
        name="rotate",
        text="Rotate the secret",
        header="Rotate the secret of this endpoint?",
        confirmation="",
        modal_size="md",
        form=dialogues.rotate,
        submit_btn_text="Rotate",
        icon_class="fa fa-key",
    )
    async def rotate(self, request: Request, pk: Any) -> None:
        """Give an endpoint another secret, and show it."""

        async def work() -> str:
            return await self._webhooks.rotate(member_of(request), endpoint_id=_endpoint_id(pk))

        _show_secret(request, await in_dialogue(work()))

    @row_action(
        name="disable",
        text="Disable",
        header="Disable this endpoint?",
        confirmation="",
        modal_size="md",
        form=dialogues.disable_endpoint,
        submit_btn_class="btn btn-danger",
        submit_btn_text="Disable",
        icon_class="fa fa-pause",
    )
    async def disable(self, request: Request, pk: Any) -> None:
        """Send nothing more to an endpoint."""

        async def work() -> None:
            await self._webhooks.disable(member_of(request), endpoint_id=_endpoint_id(pk))

        await in_dialogue(work())
        flash(request, "The endpoint is disabled.", "success")

    @row_action(
        name="enable",
        text="Enable",
        header="Enable this endpoint?",
        confirmation="",
        modal_size="md",
        form=dialogues.enable_endpoint,
        submit_btn_text="Enable",
        icon_class="fa fa-play",
    )
    async def enable(self, request: Request, pk: Any) -> None:
        """Send to an endpoint again."""

        async def work() -> None:
            await self._webhooks.enable(member_of(request), endpoint_id=_endpoint_id(pk))

        await in_dialogue(work())
        flash(request, "The endpoint is enabled.", "success")

    @row_action(
        name="resend",
        text="Send all dead letters again",
        header="Send all dead letters again?",
        confirmation="",
        modal_size="md",
        form=dialogues.resend_all,
        submit_btn_text="Send",
        icon_class="fa fa-rotate-right",
    )
    async def resend(self, request: Request, pk: Any) -> None:
        """Send all dead letters of an endpoint again."""

        async def work() -> int:
            return await self._webhooks.send_all_again(member_of(request), endpoint_id=_endpoint_id(pk))

        number = await in_dialogue(work())
        flash(request, f"Dead letters that are sent again: {number}.", "success")

    @row_action(
        name="delete-endpoint",
        text="Delete",
        header="Delete this endpoint?",
        confirmation="",
        modal_size="md",
        form=dialogues.delete_endpoint,
        submit_btn_class="btn btn-danger",
        submit_btn_text="Delete",
        icon_class="fa fa-trash",
    )
    async def delete_endpoint(self, request: Request, pk: Any) -> None:
        """Delete an endpoint."""

        async def work() -> None:
            await self._webhooks.delete(member_of(request), endpoint_id=_endpoint_id(pk))

        await in_dialogue(work())
        flash(request, "The endpoint was deleted.", "success")

    async def repr(self, obj: Any, request: Request) -> str:
        """The address."""
        return obj.url
