"""The words of the pages for the values of the models, and the colours of their badges."""

from collections.abc import Mapping
from typing import NamedTuple

from models.letter import LetterKind
from models.staff_action import StaffActionKind
from models.standing import Availability
from models.trip_life import CancelCode, ChangedBy, TripStatus
from models.values import Approval, Role
from models.webhook import DeliveryStatus
from services.staff.webhooks import EndpointState


class Badge(NamedTuple):
    """A word, and the class of its colour in ``templates/base.html``. The word alone says everything."""

    text: str
    colour: str = "grey"


STATUS: Mapping[TripStatus, Badge] = {
    TripStatus.REQUESTED: Badge("Waiting for a driver", "amber"),
    TripStatus.STARTED: Badge("Driver on the way", "blue"),
    TripStatus.IN_PROGRESS: Badge("Rider in the car", "violet"),
    TripStatus.COMPLETED: Badge("Completed", "green"),
    TripStatus.CANCELLED: Badge("Cancelled", "red"),
    TripStatus.EXPIRED: Badge("Expired", "grey"),
}
CODE: Mapping[CancelCode, Badge] = {
    CancelCode.CHANGED_PLANS: Badge("Plans have changed"),
    CancelCode.WRONG_ADDRESS: Badge("An address is wrong"),
    CancelCode.DRIVER_TOO_FAR: Badge("The driver is too far away"),
    CancelCode.NO_SHOW: Badge("The rider did not come", "amber"),
    CancelCode.SAFETY: Badge("For safety", "red"),
    CancelCode.ABANDONED: Badge("Nobody changed it for very long"),
    CancelCode.STAFF: Badge("Staff decided so", "blue"),
    CancelCode.OTHER: Badge("Another reason"),
}
APPROVAL: Mapping[Approval, Badge] = {
    Approval.WAITING: Badge("Waiting", "amber"),
    Approval.APPROVED: Badge("Approved", "green"),
    Approval.REFUSED: Badge("Refused", "red"),
}
ROLE: Mapping[Role, Badge] = {Role.RIDER: Badge("Rider", "blue"), Role.DRIVER: Badge("Driver", "violet")}
AVAILABILITY: Mapping[Availability, Badge] = {
    Availability.OFF_DUTY: Badge("Off duty", "grey"),
    Availability.AVAILABLE: Badge("Available", "green"),
    Availability.ON_TRIP: Badge("On a trip", "blue"),
}
ACCOUNT: Mapping[str, Badge] = {
    "active": Badge("Active", "green"),
    "deactivated": Badge("Deactivated", "red"),
    "deleted": Badge("Deleted", "grey"),
}
ACTION: Mapping[StaffActionKind, Badge] = {
    StaffActionKind.LOG_IN: Badge("Logged in"),
    StaffActionKind.ADD_USER: Badge("Added a user", "green"),
    StaffActionKind.DEACTIVATE_USER: Badge("Deactivated a user", "red"),
    StaffActionKind.REACTIVATE_USER: Badge("Reactivated a user", "green"),
    StaffActionKind.END_SESSIONS: Badge("Ended sessions", "amber"),
    StaffActionKind.REVOKE_STAFF: Badge("Took the rights of staff", "red"),
    StaffActionKind.SEND_PASSWORD_RESET: Badge("Sent a password reset", "amber"),
    StaffActionKind.SET_PASSWORD: Badge("Set a password", "amber"),
    StaffActionKind.APPROVE_DRIVER: Badge("Approved a driver", "green"),
    StaffActionKind.REFUSE_DRIVER: Badge("Refused a driver", "red"),
    StaffActionKind.REVOKE_APPROVAL: Badge("Revoked an approval", "red"),
    StaffActionKind.ADD_TRIP: Badge("Requested a trip", "green"),
    StaffActionKind.CANCEL_TRIP: Badge("Cancelled a trip", "red"),
    StaffActionKind.COMPLETE_TRIP: Badge("Completed a trip", "blue"),
    StaffActionKind.EXPORT: Badge("Exported data", "violet"),
    StaffActionKind.ADD_WEBHOOK: Badge("Added a webhook", "green"),
    StaffActionKind.ROTATE_WEBHOOK: Badge("Rotated a webhook's secret", "amber"),
    StaffActionKind.ENABLE_WEBHOOK: Badge("Enabled a webhook", "green"),
    StaffActionKind.DISABLE_WEBHOOK: Badge("Disabled a webhook", "red"),
    StaffActionKind.DELETE_WEBHOOK: Badge("Deleted a webhook", "red"),
    StaffActionKind.TEST_WEBHOOK: Badge("Sent a test event", "blue"),
    StaffActionKind.RESEND_WEBHOOK: Badge("Sent dead letters again", "blue"),
}
ENDPOINT: Mapping[EndpointState, Badge] = {
    EndpointState.ENABLED: Badge("Enabled", "green"),
    EndpointState.FAILING: Badge("Only failures lately", "amber"),
    EndpointState.DISABLED: Badge("Disabled", "grey"),
    EndpointState.GONE: Badge("Disabled: it answered 410", "red"),
    EndpointState.FAILED: Badge("Disabled: it failed for days", "red"),
}
DELIVERY: Mapping[DeliveryStatus, Badge] = {
    DeliveryStatus.WAITING: Badge("Waiting", "amber"),
    DeliveryStatus.DELIVERED: Badge("Delivered", "green"),
    DeliveryStatus.DEAD: Badge("Dead letter", "red"),
}
BY: Mapping[ChangedBy, str] = {
    ChangedBy.RIDER: "the rider",
    ChangedBy.DRIVER: "the driver",
    ChangedBy.STAFF: "staff",
    ChangedBy.SYSTEM: "the system",
}
LETTER: Mapping[LetterKind, str] = {
    LetterKind.VERIFY_EMAIL: "To confirm the address",
    LetterKind.RESET_PASSWORD: "To reset the password",
    LetterKind.PASSWORD_CHANGED: "The password was changed",
    LetterKind.EMAIL_CHANGED: "The address was changed",
}


def short_id(value: object) -> str:
    """The beginning of an id, as lists show it."""
    return str(value)[:8]
