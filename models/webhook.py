"""The tables of webhooks: who hears of trips, and what is, or was, sent to them."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from models.trip import Trip


class DisabledBy(StrEnum):
    """Why nothing is sent to an endpoint."""

    STAFF = "STAFF"
    # The receiver answered 410.
    GONE = "GONE"
    # Nothing but failures for days.
    FAILURES = "FAILURES"


class DeliveryStatus(StrEnum):
    """What has become of a webhook for one endpoint."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class WebhookEndpoint(Model):
    """An address of another system that hears of changes of trips.

    It hears of changes from ``begins`` on. ``event_types`` are separated by spaces; empty: all. ``former_secret``
    signs too, until ``former_until``. ``failing_since``: the first failure since the last success. The receiver
    asked to be left alone until ``quiet_until``.
    """

    id = fields.UUIDField(primary_key=True)
    url = fields.CharField(max_length=2048)
    description = fields.CharField(max_length=200, default="")
    event_types = fields.CharField(max_length=500, default="")
    secret = fields.CharField(max_length=100)
    former_secret = fields.CharField(max_length=100, null=True)
    former_until = fields.DatetimeField(null=True)
    created = fields.DatetimeField()
    begins = fields.DatetimeField()
    disabled = fields.DatetimeField(null=True)
    disabled_by = fields.CharEnumField(DisabledBy, max_length=10, null=True)
    failing_since = fields.DatetimeField(null=True)
    quiet_until = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        table = "webhook_endpoints"


class WebhookDelivery(Model):
    """A change of a trip that an endpoint hears of, or a test event, which has no trip.

    It has no payload: that is made of the trip's history for each attempt. ``due`` is when a process may take it
    up (again). ``queued`` is when it was written, or staff sent it again: the attempts end a day later.
    ``last_answer`` is the beginning of what the receiver answered, or why there was no answer.
    """

    id = fields.BigIntField(primary_key=True)
    endpoint: fields.ForeignKeyRelation[WebhookEndpoint] = fields.ForeignKeyField(
        "models.WebhookEndpoint", related_name="deliveries", on_delete=fields.CASCADE
    )
    trip: fields.ForeignKeyNullableRelation[Trip] = fields.ForeignKeyField(
        "models.Trip", related_name="webhook_deliveries", on_delete=fields.CASCADE, null=True
    )
    version = fields.IntField(null=True)
    event_type = fields.CharField(max_length=40)
    status = fields.CharEnumField(DeliveryStatus, max_length=10)
    created = fields.DatetimeField()
    queued = fields.DatetimeField()
    due = fields.DatetimeField()
    attempts = fields.IntField(default=0)
    attempted = fields.DatetimeField(null=True)
    ended = fields.DatetimeField(null=True)
    last_status = fields.IntField(null=True)
    last_answer = fields.CharField(max_length=500, default="")

    class Meta(Model.Meta):
        table = "webhook_deliveries"
        unique_together = (("trip", "version", "endpoint"),)
