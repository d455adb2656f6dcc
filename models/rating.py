"""The table of ratings."""

from tortoise import fields
from tortoise.models import Model

from models.trip import Trip
from models.user import User


class Rating(Model):
    """What one party of a completed trip thinks of the other: 1 to 5 stars, and a comment for staff."""

    id = fields.BigIntField(primary_key=True)
    trip: fields.ForeignKeyRelation[Trip] = fields.ForeignKeyField(
        "models.Trip", related_name="ratings", on_delete=fields.CASCADE
    )
    author: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="ratings_given", on_delete=fields.RESTRICT
    )
    subject: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="ratings_received", on_delete=fields.RESTRICT
    )
    stars = fields.SmallIntField()
    comment = fields.CharField(max_length=1000, null=True)
    created = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "ratings"
        unique_together = (("trip", "author"),)
