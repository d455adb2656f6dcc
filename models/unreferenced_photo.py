"""The table of photos that may lie in the store without an account that has them."""

from tortoise import fields
from tortoise.models import Model


class UnreferencedPhoto(Model):
    """A photo that is about to be stored, or to be removed.

    The row is written before the photo, and deleted in the transaction that gives the photo to an account. It is
    written anew in the transaction that takes the photo from one. ``doomed``: no account can have it any more.
    """

    name = fields.CharField(max_length=100, primary_key=True)
    since = fields.DatetimeField()
    doomed = fields.BooleanField(default=False)

    class Meta(Model.Meta):
        table = "unreferenced_photos"
