"""The table of photos that may be in the store although no account refers to them."""

from tortoise import fields
from tortoise.models import Model


class UnreferencedPhoto(Model):
    """A photo that is about to be stored, or to be removed.

    The row is written before the photo, and deleted in the transaction that gives the photo to an account. It is
    written again in the transaction that takes the photo from an account. ``doomed``: no account can get it again.
    """

    name = fields.CharField(max_length=100, primary_key=True)
    since = fields.DatetimeField()
    doomed = fields.BooleanField(default=False)

    class Meta(Model.Meta):
        table = "unreferenced_photos"
