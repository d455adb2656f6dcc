"""The list of trips."""

from math import nan
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette_admin.actions import row_action
from starlette_admin.exceptions import FormValidationError
from starlette_admin.fields import FloatField, IntegerField, StringField
from starlette_admin.flash import flash
from starlette_admin.types import RequestAction, RowActionsDisplayType

from admin import dialogues, words
from admin.fields import BadgeField, Person, PersonField, id_field
from admin.list_view import ListView, in_dialogue, in_form, time_field, to_uuid
from admin.log_in import member_of
from admin.trip_page import TripPage
from models.geo import GeoPoint
from models.trip_life import DRIVING, OPEN, CancelCode, has_ended, is_driving
from models.values import TripValue
from services.errors import BadInput
from services.staff.list_query import StaffList
from services.staff.lists import TripRow
from services.staff.staff import Staff
from services.trips.faults import TripNotFound

_NAMES = {
    "pickUpAddress": "pick_up_address",
    "dropOffAddress": "drop_off_address",
    "pickUp.lat": "pick_up_lat",
    "pickUp.lng": "pick_up_lng",
    "pickUp": "pick_up_lat",
    "dropOff.lat": "drop_off_lat",
    "dropOff.lng": "drop_off_lng",
    "dropOff": "drop_off_lat",
    "": "rider",
}


def _rider(_: Request, trip: Any) -> Person:
    return Person(trip.rider_id, trip.rider, trip.rider_full_name)


def _driver(_: Request, trip: Any) -> Person | None:
    return Person(trip.driver_id, trip.driver, trip.driver_full_name) if trip.driver_id is not None else None


def _coordinate(_: Request, text: Any) -> float | None:
    """A number from a form; NaN, which no position accepts, if the text is not a number."""
    if not text:
        return None
    try:
        return float(str(text))
    except ValueError:
        return nan


def _coordinate_field(name: str, label: str) -> FloatField:
    # The page has them beside the map.
    return FloatField(
        name,
        label=label,
        exclude_from_list=True,
        exclude_from_detail=True,
        parser={RequestAction.CREATE: _coordinate},
    )


class TripView(ListView[TripRow]):
    """Trips: list them, request one for a rider, cancel one.

    Staff can change nothing else of a trip.
    """

    key = "trip"
    menu_label = "Trips"
    display_name = "Trip"
    icon = "fa fa-car"
    row_actions = ("view", "complete", "cancel")
    searchable_fields = (
        "status",
        "pick_up_address",
        "drop_off_address",
        "cancel_reason",
        "cancel_code",
        "created",
        "updated",
    )
    sortable_fields = (
        "status",
        "rider",
        "driver",
        "version",
        "pick_up_address",
        "drop_off_address",
        "created",
        "updated",
    )
    fields_default_sort = (("created", True),)
    search_hint = "User name, address, plate, or id"
    nothing = "No trip in this period."
    shortcuts = (
        ("Waiting for a driver", f"status__in={','.join(sorted(OPEN))}"),
        ("Under way", f"status__in={','.join(sorted(DRIVING))}"),
        ("Rider did not come", f"cancel_code__in={CancelCode.NO_SHOW}"),
        ("For safety", f"cancel_code__in={CancelCode.SAFETY}"),
    )
    # The list has the drop-off below the pick-up.
    hidden_at_first = frozenset({"drop_off_address", "cancel_code", "updated"})
    hidden_if_unknown = frozenset({"cancel_reason", "cancel_code", "vehicle", "arrived_at", "expires_at"})
    row_actions_display_type = RowActionsDisplayType.KEBAB
    create_template = "trip_create.html"

    def __init__(self, staff_list: StaffList[TripRow], staff: Staff, page: TripPage) -> None:
        self.fields = [
            id_field(),
            BadgeField("status", badges=words.STATUS, exclude_from_create=True),
            PersonField("rider", getter=_rider, required=True, help_text="Search for the user name."),
            PersonField("driver", getter=_driver, exclude_from_create=True),
            StringField(
                "rider_name",
                label="Rider's name",
                getter=lambda _, trip: trip.rider,
                exclude_from_list=True,
                exclude_from_detail=True,
                exclude_from_create=True,
            ),
            StringField(
                "driver_name",
                label="Driver's name",
                getter=lambda _, trip: trip.driver,
                exclude_from_list=True,
                exclude_from_detail=True,
                exclude_from_create=True,
            ),
            StringField(
                "pick_up_address",
                label="Pick-up address",
                required=True,
                maxlength=255,
                list_template="fields/list/places.html",
            ),
            StringField("drop_off_address", label="Drop-off address", required=True, maxlength=255),
            _coordinate_field("pick_up_lat", "Pick-up latitude"),
            _coordinate_field("pick_up_lng", "Pick-up longitude"),
            _coordinate_field("drop_off_lat", "Drop-off latitude"),
            _coordinate_field("drop_off_lng", "Drop-off longitude"),
            StringField("cancel_reason", exclude_from_create=True, exclude_from_list=True),
            BadgeField("cancel_code", badges=words.CODE, exclude_from_create=True),
            StringField(
                "vehicle",
                getter=lambda _, trip: dialogues.vehicle_text(trip.vehicle),
                exclude_from_create=True,
                exclude_from_list=True,
            ),
            time_field("arrived_at", exclude_from_create=True, exclude_from_list=True),
            time_field("created", exclude_from_create=True),
            time_field("updated", exclude_from_create=True),
            time_field("expires_at", exclude_from_create=True, exclude_from_list=True),
            IntegerField("version", exclude_from_create=True, exclude_from_list=True),
            *page.fields(),
        ]
        super().__init__(staff_list, staff)

    def can_create(self, request: Request) -> bool:
        """Staff can request a trip for a rider."""
        return True

    async def create(self, request: Request, data: dict[str, Any]) -> TripValue:
        """Request a trip for a rider."""
        rider_id = to_uuid(data["rider"])
        if rider_id is None:
            raise FormValidationError({"rider": "Choose a rider."})
        adding = self._staff.add_trip(
            member_of(request),
            rider_id=rider_id,
            pick_up_address=data["pick_up_address"],
            drop_off_address=data["drop_off_address"],
            pick_up=_both(data, "pick_up"),
            drop_off=_both(data, "drop_off"),
        )
        return await in_form(adding, _NAMES)

    async def is_row_action_allowed_for_obj(self, request: Request, name: str, obj: Any) -> bool:
        """A trip that has ended cannot be cancelled."""
        if name == "complete":
            return is_driving(obj.status)
        return name != "cancel" or not has_ended(obj.status)

    @row_action(
        name="complete",
        text="Complete trip",
        header="Complete this trip for its driver?",
        confirmation="",
        submit_btn_text="Complete the trip",
        icon_class="fa fa-flag-checkered",
        modal_size="md",
        form=dialogues.complete,
    )
    async def complete(self, request: Request, pk: Any) -> None:
        """Complete a trip, with a reason for the trail."""
        reason = str((await request.form()).get("reason") or "")

        async def work() -> None:
            await self._staff.complete_trip(member_of(request), trip_id=_trip_id(pk), reason=reason)

        await in_dialogue(work())
        flash(request, "The trip was completed.", "success")

    @row_action(
        name="cancel",
        text="Cancel trip",
        header="Cancel this trip?",
        confirmation="",
        submit_btn_text="Cancel the trip",
        icon_class="fa fa-ban",
        modal_size="md",
        submit_btn_class="btn btn-danger",
        form=dialogues.cancel,
    )
    async def cancel(self, request: Request, pk: Any) -> None:
        """Cancel a trip, with a reason and a code."""
        form = await request.form()
        reason, code = str(form.get("reason") or ""), str(form.get("code") or CancelCode.STAFF.value)

        async def work() -> None:
            await self._staff.cancel_trip(
                member_of(request), trip_id=_trip_id(pk), reason=reason, cancel_code=_code(code)
            )

        await in_dialogue(work())
        flash(request, "The trip was cancelled.", "success")

    async def repr(self, obj: Any, request: Request) -> str:
        """The addresses of the trip."""
        return f"{obj.pick_up_address} → {obj.drop_off_address}"


def _trip_id(pk: Any) -> UUID:
    """The id of a row. Raises: TripNotFound."""
    trip_id = to_uuid(pk)
    if trip_id is None:
        raise TripNotFound("There is no such trip.")
    return trip_id


def _code(text: str) -> CancelCode:
    """The code of a form. Raises: BadInput."""
    try:
        return CancelCode(text)
    except ValueError:
        raise BadInput("There is no such code.") from None


def _both(data: dict[str, Any], name: str) -> GeoPoint | None:
    """The point of two fields. Raises: FormValidationError if one of them is missing."""
    lat, lng = data[f"{name}_lat"], data[f"{name}_lng"]
    if lat is None and lng is None:
        return None
    if lat is None or lng is None:
        missing = "lat" if lat is None else "lng"
        raise FormValidationError({f"{name}_{missing}": "A position needs both a latitude and a longitude."})
    return GeoPoint(lat, lng)
