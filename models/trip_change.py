"""The table of a trip's history."""

from tortoise import fields
from tortoise.models import Model

from models.trip import Trip
from models.trip_life import CancelCode, ChangedBy, TripStatus
from models.user import User


class TripChange(Model):
    """One change of a trip, written in the transaction that made it and never altered.

    ``version`` and ``status`` are those after the change. ``user`` made it; None means the system.
    ``is_arrival``: the driver reported arrival, and the status stayed. ``cancel_code`` and ``reason`` are those of
    a cancellation, or of giving the trip back.
    """

    id = fields.BigIntField(primary_key=True)
    trip: fields.ForeignKeyRelation[Trip] = fields.ForeignKeyField(
        "models.Trip", related_name="changes", on_delete=fields.CASCADE
    )
    version = fields.IntField()
    status = fields.CharEnumField(TripStatus, max_length=12)
    at = fields.DatetimeField()
    changed_by = fields.CharEnumField(ChangedBy, max_length=10)
    is_arrival = fields.BooleanField(default=False)
    cancel_code = fields.CharEnumField(CancelCode, max_length=20, null=True)
    reason = fields.CharField(max_length=500, null=True)
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="trip_changes", on_delete=fields.RESTRICT, null=True
    )

    class Meta(Model.Meta):
        table = "trip_changes"
        unique_together = (("trip", "version"),)
