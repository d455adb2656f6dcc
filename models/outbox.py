"""The table of committed changes that may not have been published yet."""

from tortoise import fields
from tortoise.models import Model


class OutboxEntry(Model):
    """A change to announce, written in the transaction of the change and deleted once it was published.

    A row names what changed, not the new state: the sweep reads the state at the time of the sweep.
    ``version`` is the trip's after the change; servers of the version before leave it out.
    ``former_driver_id`` is the driver that the change took off the trip; ``for_pool`` says whether
    the change is also published to drivers in the pool. ``driver_id`` is a driver who may be offered trips now, or
    no longer. Exactly one of ``trip_id``, ``session_id`` and ``driver_id`` is set. Until
    ``claimed_until`` the sweep of one process publishes the change, and the others leave it alone.
    """

    id = fields.BigIntField(primary_key=True)
    trip_id = fields.UUIDField(null=True)
    version = fields.IntField(null=True)
    former_driver_id = fields.UUIDField(null=True)
    for_pool = fields.BooleanField(default=False)
    session_id = fields.UUIDField(null=True)
    driver_id = fields.UUIDField(null=True)
    created = fields.DatetimeField()
    claimed_until = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        table = "outbox"
