"""The table of what staff did."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from models.trip import Trip
from models.user import User


class StaffActionKind(StrEnum):
    """What a member of staff did."""

    LOG_IN = "LOG_IN"
    ADD_USER = "ADD_USER"
    DEACTIVATE_USER = "DEACTIVATE_USER"
    REACTIVATE_USER = "REACTIVATE_USER"
    ADD_TRIP = "ADD_TRIP"
    CANCEL_TRIP = "CANCEL_TRIP"
    EXPORT = "EXPORT"


class StaffAction(Model):
    """One action of a member of staff, written in the transaction of what it did and never altered.

    ``staff_username`` is the name of then: the trail says who it was when the account is gone. ``detail`` is what
    the action's subject does not tell: a reason, or what was exported.
    """

    id = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    action = fields.CharEnumField(StaffActionKind, max_length=20)
    staff_username = fields.CharField(max_length=150)
    detail = fields.CharField(max_length=500, default="")
    staff: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="staff_actions", on_delete=fields.RESTRICT
    )
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="actions_of_staff", on_delete=fields.RESTRICT, null=True
    )
    trip: fields.ForeignKeyNullableRelation[Trip] = fields.ForeignKeyField(
        "models.Trip", related_name="actions_of_staff", on_delete=fields.RESTRICT, null=True
    )

    class Meta(Model.Meta):
        table = "staff_actions"
