"""The table of tokens that were sent by e-mail."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from models.user import User


class TokenPurpose(StrEnum):
    """What a token allows."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - a purpose, not a password


class EmailToken(Model):
    """A token in a link of a letter. The token itself is not stored, only its SHA-256 (hex).

    It is deleted when it is used, and by a newer one. It is valid until ``expires``, and while ``address`` is the
    address of the account.
    """

    token_hash = fields.CharField(max_length=64, primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="email_tokens", on_delete=fields.CASCADE
    )
    purpose = fields.CharEnumField(TokenPurpose, max_length=20)
    address = fields.CharField(max_length=254)
    expires = fields.DatetimeField()

    class Meta(Model.Meta):
        table = "email_tokens"
        unique_together = (("user", "purpose", "address"),)
