"""The table of letters (e-mails) to send, and of those that were sent within the last hour."""

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from models.user import User


class LetterKind(StrEnum):
    """What a letter is for."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - a kind, not a password
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - a kind, not a password
    EMAIL_CHANGED = "EMAIL_CHANGED"


class Letter(Model):
    """A letter, written in the transaction of what it is about.

    It has no text: the text contains a token and is made when the letter is sent. A request for a reset has only
    ``username_key``, as somebody typed it; the process that sends the letter looks for the account. All other
    letters have ``user`` and ``address``, unique for each kind: an account gets the same letter once an hour.
    ``due`` is when a process may take it up (again). ``sent`` rows are deleted after an hour.
    """

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharEnumField(LetterKind, max_length=20)
    username_key = fields.CharField(max_length=450, null=True)
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="letters", on_delete=fields.CASCADE, null=True
    )
    address = fields.CharField(max_length=254, null=True)
    created = fields.DatetimeField()
    due = fields.DatetimeField()
    attempts = fields.IntField(default=0)
    sent = fields.DatetimeField(null=True)

    class Meta(Model.Meta):
        table = "letters"
