"""Webhooks: the endpoints of other systems, and what is, or was, sent to them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette_admin.actions import row_action
from starlette_admin.fields import EnumField, HasOne, IntegerField, StringField, TextAreaField
from starlette_admin.flash import flash

from admin.list_view import ListView, in_dialogue, in_form, time_field, to_number, to_uuid
from admin.log_in import member_of
from models.webhook import DeliveryStatus
from services.staff.list_query import StaffList
from services.staff.staff import Staff
from services.staff.webhooks import ENABLED, FAILING, STATES, DeliveryRow, EndpointRow, StaffWebhooks
from services.webhooks.deliveries import NoSuchDelivery
from services.webhooks.endpoints import Endpoint, NoSuchEndpoint
from services.webhooks.events import EVENT_TYPES, TEST_TYPE

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

    def __init__(self, staff_list: StaffList[EndpointRow], staff: Staff, webhooks: StaffWebhooks) -> None:
        self._webhooks = webhooks
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True, exclude_from_create=True),
            StringField(
                "url",
                label="Address",
                required=True,
                help_text="https, on a public host. Webhooks are sent to it as POST.",
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
            EnumField("state", choices=[(state, state) for state in STATES], exclude_from_create=True),
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
        is_enabled = obj.state in (ENABLED, FAILING)
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
        confirmation=f"Send an event of the type {TEST_TYPE} to this endpoint?",
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
        confirmation="Make a new secret for this endpoint? For a day, webhooks are signed with the new one and "
        "with the present one.",
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
        confirmation="Send nothing more to this endpoint? It will not hear of what happens meanwhile. What waits "
        "for it stays for a day.",
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
        confirmation="Send webhooks to this endpoint again?",
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
        confirmation="Send all dead letters of this endpoint again?",
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
        confirmation="Delete this endpoint, with all that waits for it and its dead letters?",
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


@dataclass(frozen=True, slots=True)
class _Linked:
    """An endpoint as a row of a delivery has it: enough for a link."""

    id: UUID
    url: str


class DeliveryView(ListView[DeliveryRow]):
    """What is, or was, sent to endpoints, the newest first."""

    key = "webhook-delivery"
    menu_label = "Webhook deliveries"
    display_name = "Webhook delivery"
    icon = "fa fa-envelope-open-text"
    note = (
        "Delivered ones are kept for three days, dead letters for thirty. Search finds ids of trips and endpoints."
    )
    row_actions = ("view", "resend")
    searchable_fields = ("created", "status", "event_type", "host", "last_answer")
    sortable_fields = ("created", "status", "event_type", "attempts", "attempted")
    fields_default_sort = (("created", True),)

    def __init__(self, staff_list: StaffList[DeliveryRow], staff: Staff, webhooks: StaffWebhooks) -> None:
        self._webhooks = webhooks
        self.fields = [
            StringField("id", label="Number", exclude_from_list=True),
            HasOne(
                "endpoint",
                key="webhook",
                label="Endpoint",
                getter=lambda _, delivery: _Linked(delivery.endpoint_id, delivery.host),
            ),
            StringField("host", exclude_from_list=True),
            EnumField("event_type", label="Type", choices=[(event, event) for event in (*EVENT_TYPES, TEST_TYPE)]),
            EnumField("status", enum=DeliveryStatus),
            IntegerField("attempts"),
            IntegerField("last_status", label="Last answer"),
            TextAreaField("last_answer", label="Its text", exclude_from_list=True),
            StringField("trip_id", label="Trip's id", exclude_from_list=True),
            IntegerField("version", label="Trip's version", exclude_from_list=True),
            time_field("created"),
            time_field("attempted", label="Last attempt"),
            time_field("due", label="Next attempt"),
        ]
        super().__init__(staff_list, staff)

    def to_id(self, pk: Any) -> int | None:
        """The numeric id, or None."""
        return to_number(pk)

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: Any) -> bool:
        """Only dead letters can be sent again."""
        return name != "resend" or obj.status is DeliveryStatus.DEAD

    @row_action(
        name="resend",
        text="Send again",
        confirmation="Send this webhook again?",
        submit_btn_text="Send",
        icon_class="fa fa-rotate-right",
    )
    async def resend(self, request: Request, pk: Any) -> None:
        """Send a dead letter again."""

        async def work() -> None:
            delivery_id = to_number(pk)
            if delivery_id is None:
                raise NoSuchDelivery
            await self._webhooks.send_again(member_of(request), delivery_id=delivery_id)

        await in_dialogue(work())
        flash(request, "The webhook is sent again.", "success")

    async def repr(self, obj: Any, request: Request) -> str:
        """The type and the host."""
        return f"{obj.event_type} → {obj.host}"
