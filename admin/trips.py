"""The list of trips."""

from dataclasses import dataclass
from math import nan
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette_admin.actions import row_action
from starlette_admin.exceptions import FormValidationError
from starlette_admin.fields import (
    EnumField,
    FloatField,
    HasOne,
    IntegerField,
    StringField,
    TextAreaField,
)
from starlette_admin.flash import flash
from starlette_admin.types import RequestAction

from admin.approvals import vehicle_text
from admin.list_view import ListView, in_dialogue, in_form, is_action, time_field, to_uuid
from admin.log_in import member_of
from models.geo import GeoPoint
from models.trip_life import STAFF_CANCEL_CODES, CancelCode, TripStatus, has_ended, is_driving
from models.values import TripValue
from services.errors import BadInput
from services.staff.list_query import StaffList
from services.staff.lists import TripRow
from services.staff.staff import Staff
from services.trips.faults import TripNotFound
from services.trips.history import TripHistory

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


_OPTIONS = "".join(
    f"<option{' selected' if code is CancelCode.STAFF else ''}>{code.value}</option>"
    for code in CancelCode
    if code in STAFF_CANCEL_CODES
)
_CODES = f'<select id="code" name="code" class="form-select">{_OPTIONS}</select>'


@dataclass(frozen=True, slots=True)
class _Named:
    """A user as a row of a trip has them: enough for a link."""

    id: UUID
    username: str


def _rider(_: Request, trip: Any) -> _Named:
    return _Named(trip.rider_id, trip.rider)


def _driver(_: Request, trip: Any) -> _Named | None:
    return _Named(trip.driver_id, trip.driver) if trip.driver_id is not None else None


def _coordinate(_: Request, text: Any) -> float | None:
    """A number from a form; NaN, which no position accepts, if the text is not a number."""
    if not text:
        return None
    try:
        return float(str(text))
    except ValueError:
        return nan


def _coordinate_field(name: str, label: str) -> FloatField:
    return FloatField(name, label=label, exclude_from_list=True, parser={RequestAction.CREATE: _coordinate})


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

    def __init__(self, staff_list: StaffList[TripRow], staff: Staff, history: TripHistory) -> None:
        self._history = history
        self.fields = [
            StringField("id", label="Id", exclude_from_list=True),
            EnumField("status", enum=TripStatus, exclude_from_create=True),
            HasOne("rider", key="user", getter=_rider, required=True, help_text="Search for the user name."),
            HasOne("driver", key="user", getter=_driver, exclude_from_create=True),
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
            StringField("pick_up_address", label="Pick-up address", required=True, maxlength=255),
            StringField("drop_off_address", label="Drop-off address", required=True, maxlength=255),
            _coordinate_field("pick_up_lat", "Pick-up latitude"),
            _coordinate_field("pick_up_lng", "Pick-up longitude"),
            _coordinate_field("drop_off_lat", "Drop-off latitude"),
            _coordinate_field("drop_off_lng", "Drop-off longitude"),
            StringField("cancel_reason", exclude_from_create=True, exclude_from_list=True),
            EnumField("cancel_code", enum=CancelCode, exclude_from_create=True, exclude_from_list=True),
            StringField(
                "vehicle",
                getter=lambda _, trip: vehicle_text(trip.vehicle),
                exclude_from_create=True,
                exclude_from_list=True,
            ),
            time_field("arrived_at", exclude_from_create=True, exclude_from_list=True),
            time_field("created", exclude_from_create=True),
            time_field("updated", exclude_from_create=True),
            time_field("expires_at", exclude_from_create=True, exclude_from_list=True),
            IntegerField("version", exclude_from_create=True, exclude_from_list=True),
            TextAreaField(
                "history",
                getter=self._changes,
                exclude_from_list=True,
                exclude_from_create=True,
                exclude_from_export=True,
            ),
        ]
        super().__init__(staff_list, staff)

    async def _changes(self, request: Request, trip: Any) -> str:
        if not is_action(request, RequestAction.DETAIL):
            return ""
        return "\n".join(
            f"{change.version}  {change.at:%Y-%m-%d %H:%M:%S} UTC  {change.status.value}  by "
            f"{change.changed_by.value}{f' {change.user.username}' if change.user is not None else ''}"
            for change in await self._history.of(trip.id)
        )

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
        confirmation="Complete this trip for its driver? Its rider and its driver will see it immediately.",
        submit_btn_text="Complete the trip",
        icon_class="fa fa-flag-checkered",
        modal_size="md",
        form=(
            '<form><label class="form-label mt-3" for="complete-reason">Reason, for the audit trail</label>'
            '<textarea id="complete-reason" name="reason" class="form-control" maxlength="500" required>'
            "</textarea></form>"
        ),
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
        confirmation="Cancel this trip? Its rider and its driver will see the reason immediately.",
        submit_btn_text="Cancel the trip",
        icon_class="fa fa-ban",
        modal_size="md",
        form=(
            '<form><label class="form-label mt-3" for="reason">Reason</label>'
            '<textarea id="reason" name="reason" class="form-control" maxlength="500" required></textarea>'
            f'<label class="form-label mt-3" for="code">Code</label>{_CODES}</form>'
        ),
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
