"""The list of what is, or was, sent to endpoints of webhooks."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette_admin.actions import row_action
from starlette_admin.fields import EnumField, HasOne, IntegerField, StringField, TextAreaField
from starlette_admin.flash import flash
from starlette_admin.types import RowActionsDisplayType

from admin import dialogues, words
from admin.fields import BadgeField, TripField
from admin.list_view import ListView, in_dialogue, time_field, to_number
from admin.log_in import member_of
from models.webhook import DeliveryStatus
from services.staff.list_query import StaffList
from services.staff.staff import Staff
from services.staff.webhooks import DeliveryRow, StaffWebhooks
from services.webhooks.deliveries import NoSuchDelivery
from services.webhooks.events import EVENT_TYPES, TEST_TYPE


@dataclass(frozen=True, slots=True)
class _Linked:
    """An endpoint as a row of a delivery has it: enough for a link."""

    id: UUID
    url: str


def _last_answer(_: Request, delivery: Any) -> str | None:
    """The status; without one, why there was no answer."""
    return str(delivery.last_status) if delivery.last_status is not None else delivery.last_answer or None


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
    row_actions_display_type = RowActionsDisplayType.KEBAB
    search_hint = "Host, answer, or id of a trip or an endpoint"
    nothing = "Nothing was sent in this period."
    shortcuts = (
        ("Waiting", f"status__in={DeliveryStatus.WAITING}"),
        ("Dead letters", f"status__in={DeliveryStatus.DEAD}"),
    )
    hidden_at_first = frozenset({"attempted"})
    hidden_if_unknown = frozenset({"trip_id", "version", "attempted", "last_status", "last_answer", "due"})

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
            BadgeField("status", badges=words.DELIVERY),
            IntegerField("attempts"),
            StringField("last_status", label="Last answer", getter=_last_answer),
            TextAreaField("last_answer", label="Its text", exclude_from_list=True),
            TripField("trip_id", label="Trip"),
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
        header="Send this webhook again?",
        confirmation="",
        modal_size="md",
        form=dialogues.resend,
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
