"""The tables of Web Push: the devices that want messages, and the messages."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from models.session import Session
from models.trip import Trip


class PushAudience(StrEnum):
    """Why a person hears of a trip."""

    # A driver who may take it.
    POOL = "POOL"
    RIDER = "RIDER"
    DRIVER = "DRIVER"


class PushSubscription(Model):
    """A browser on a device that receives messages for the user of a session; it ends with the session.

    ``endpoint`` is the address of its push service, unique by ``endpoint_hash`` (SHA-256, hex). ``p256dh`` and
    ``auth`` are the keys for messages to it, in base64url. ``failing_since``: the first failure after the last
    success.
    """

    id = fields.BigIntField(primary_key=True)
    session: fields.ForeignKeyRelation[Session] = fields.ForeignKeyField(
        "models.Session", related_name="push_subscriptions", on_delete=fields.CASCADE
    )
    endpoint = fields.CharField(max_length=2048)
    endpoint_hash = fields.CharField(max_length=64, unique=True)
    p256dh = fields.CharField(max_length=100)
    auth = fields.CharField(max_length=40)
    created = fields.DatetimeField()
    failing_since = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        table = "push_subscriptions"


class PushChange(Model):
    """A published change of a trip, until a process has found who gets a message about it.

    ``due`` is when a process may take it up (again).
    """

    id = fields.BigIntField(primary_key=True)
    trip_id = fields.UUIDField()
    created = fields.DatetimeField()
    due = fields.DatetimeField()
    attempts = fields.IntField(default=0)

    class Meta(Model.Meta):
        table = "push_changes"


class PushMessage(Model):
    """What one device is told about one trip; a newer version replaces it.

    It has no text: that is made when it is sent, of the trip as it is then. ``due`` is when a process may take it
    up (again), ``settled`` when nothing was left to send. ``told`` is the last text that was sent.
    """

    id = fields.BigIntField(primary_key=True)
    subscription: fields.ForeignKeyRelation[PushSubscription] = fields.ForeignKeyField(
        "models.PushSubscription", related_name="messages", on_delete=fields.CASCADE
    )
    trip: fields.ForeignKeyRelation[Trip] = fields.ForeignKeyField(
        "models.Trip", related_name="push_messages", on_delete=fields.CASCADE
    )
    audience = fields.CharEnumField(PushAudience, max_length=10)
    version = fields.IntField()
    created = fields.DatetimeField()
    due = fields.DatetimeField()
    attempts = fields.IntField(default=0)
    settled = fields.DatetimeField(null=True)
    told = fields.CharField(max_length=20, null=True)

    class Meta(Model.Meta):
        table = "push_messages"
        unique_together = (("subscription", "trip"),)
