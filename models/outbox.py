"""The table of what was committed and is not yet known to have been published."""

from tortoise import fields
from tortoise.models import Model


class OutboxEntry(Model):
    """A change to announce, written in the transaction of the change and deleted once it was published.

    It names what changed, never its state: whoever sweeps a left-over announces the state of then.
    ``former_driver_id`` is the driver that the change took off the trip; ``for_pool`` says whether
    drivers in the pool hear of it. Exactly one of ``trip_id`` and ``session_id`` is set.
    """

    id = fields.BigIntField(primary_key=True)
    trip_id = fields.UUIDField(null=True)
    former_driver_id = fields.UUIDField(null=True)
    for_pool = fields.BooleanField(default=False)
    session_id = fields.UUIDField(null=True)
    created = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "outbox"
