"""The table of sessions."""

from tortoise import fields
from tortoise.models import Model

from models.user import User


class Session(Model):
    """A log-in that has not ended. The token itself is not stored, only its SHA-256 (hex)."""

    id = fields.UUIDField(primary_key=True)
    token_hash = fields.CharField(max_length=64, unique=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="sessions", on_delete=fields.CASCADE
    )
    created = fields.DatetimeField(auto_now_add=True)
    used = fields.DatetimeField(auto_now_add=True)
    # When a member of staff first opened the admin in it; the audit trail has an entry of that.
    admin_opened = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        table = "sessions"
