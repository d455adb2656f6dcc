"""The table of trips."""

from tortoise import fields
from tortoise.models import Model

from models.trip_life import CancelCode, TripStatus
from models.user import User


class Trip(Model):
    """One ride, from request to end.

    The first migration creates what Tortoise cannot express: the check constraints, the partial unique
    index that allows a driver one active trip, and the partial indexes of the open trips.

    ``pick_up_cell`` is the H3 cell of the pick-up, the key for finding open trips near a driver. It is None
    without coordinates, and in rows older than the column.

    ``given_back_by`` holds the ids of the drivers who gave the trip back, separated by spaces: they are
    read with the trip in the same row, so that an event can carry them.

    ``vehicle`` is the driver's at acceptance, a ``VehicleValue`` as JSON. ``wrong_pins`` counts the wrong tries of
    ``pick_up_pin`` since the last lock, which ends at ``pin_locked_until``. Only trips with a driver
    on the way have them.
    """

    id = fields.UUIDField(primary_key=True)
    created = fields.DatetimeField()
    updated = fields.DatetimeField()
    version = fields.IntField(default=1)
    status = fields.CharEnumField(TripStatus, max_length=12)
    pick_up_address = fields.CharField(max_length=255)
    drop_off_address = fields.CharField(max_length=255)
    pick_up_lat = fields.FloatField(null=True)
    pick_up_lng = fields.FloatField(null=True)
    pick_up_cell = fields.BigIntField(null=True)
    drop_off_lat = fields.FloatField(null=True)
    drop_off_lng = fields.FloatField(null=True)
    expires_at = fields.DatetimeField(null=True)
    cancel_reason = fields.CharField(max_length=500, null=True)
    cancel_code = fields.CharEnumField(CancelCode, max_length=20, null=True)
    vehicle = fields.TextField(null=True)
    arrived_at = fields.DatetimeField(null=True)
    pick_up_pin = fields.CharField(max_length=4, null=True)
    wrong_pins = fields.IntField(default=0)
    pin_locked_until = fields.DatetimeField(null=True)
    given_back_by = fields.TextField(default="")
    idempotency_key = fields.CharField(max_length=128, null=True)
    rider: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="trips_as_rider", on_delete=fields.RESTRICT
    )
    driver: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="trips_as_driver", on_delete=fields.RESTRICT, null=True
    )

    class Meta(Model.Meta):
        table = "trips"
        unique_together = (("rider", "idempotency_key"),)
