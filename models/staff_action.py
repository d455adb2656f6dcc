"""The table of staff's actions, for the audit trail."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from models.trip import Trip
from models.user import User


class StaffActionKind(StrEnum):
    """The kind of an action."""

    LOG_IN = "LOG_IN"
    ADD_USER = "ADD_USER"
    DEACTIVATE_USER = "DEACTIVATE_USER"
    REACTIVATE_USER = "REACTIVATE_USER"
    END_SESSIONS = "END_SESSIONS"
    REVOKE_STAFF = "REVOKE_STAFF"
    SEND_PASSWORD_RESET = "SEND_PASSWORD_RESET"  # noqa: S105 - an action, not a password
    SET_PASSWORD = "SET_PASSWORD"  # noqa: S105 - an action, not a password
    APPROVE_DRIVER = "APPROVE_DRIVER"
    REFUSE_DRIVER = "REFUSE_DRIVER"
    REVOKE_APPROVAL = "REVOKE_APPROVAL"
    ADD_TRIP = "ADD_TRIP"
    CANCEL_TRIP = "CANCEL_TRIP"
    COMPLETE_TRIP = "COMPLETE_TRIP"
    EXPORT = "EXPORT"
    ADD_WEBHOOK = "ADD_WEBHOOK"
    ROTATE_WEBHOOK = "ROTATE_WEBHOOK"
    ENABLE_WEBHOOK = "ENABLE_WEBHOOK"
    DISABLE_WEBHOOK = "DISABLE_WEBHOOK"
    DELETE_WEBHOOK = "DELETE_WEBHOOK"
    TEST_WEBHOOK = "TEST_WEBHOOK"
    RESEND_WEBHOOK = "RESEND_WEBHOOK"


class StaffAction(Model):
    """One action of a member of staff, written in the transaction of the action and never altered.

    ``staff_username`` is the user name at that time: the trail still names the person after the account is
    deleted. An action of the command line has no ``staff``: its author is a user of the operating system, and is
    marked as such in ``staff_username``. ``detail`` is a reason, or says what was exported.
    """

    id = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    action = fields.CharEnumField(StaffActionKind, max_length=20)
    staff_username = fields.CharField(max_length=150)
    detail = fields.CharField(max_length=500, default="")
    staff: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="staff_actions", on_delete=fields.RESTRICT, null=True
    )
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="actions_of_staff", on_delete=fields.RESTRICT, null=True
    )
    trip: fields.ForeignKeyNullableRelation[Trip] = fields.ForeignKeyField(
        "models.Trip", related_name="actions_of_staff", on_delete=fields.RESTRICT, null=True
    )

    class Meta(Model.Meta):
        table = "staff_actions"
