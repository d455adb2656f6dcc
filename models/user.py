"""The table of accounts."""

from tortoise import fields
from tortoise.models import Model

from models.values import Approval, Role


class User(Model):
    """An account of a rider or a driver; the role never changes.

    ``username_key`` is the form under which the name is unique (case and Unicode form folded).
    ``username_skeleton`` is equal for names that look alike; older accounts may lack it. ``photo`` is a name in
    the photo store. ``deleted`` is when the account was deleted: the row stays, because trips refer to it, but its
    personal data is erased. ``email`` is the address for letters; ``email_verified_at`` is when its owner used the
    link in a letter to it.

    For drivers: ``on_duty`` is their last choice; ``approval`` is staff's last decision, with ``approval_reason``;
    ``vehicle`` is a ``VehicleValue`` as JSON. ``rating_sum`` is the sum of the stars of ``rating_count`` ratings.
    """

    id = fields.UUIDField(primary_key=True)
    username = fields.CharField(max_length=150)
    username_key = fields.CharField(max_length=450, unique=True)
    username_skeleton = fields.CharField(max_length=64, null=True)
    password_hash = fields.CharField(max_length=255)
    first_name = fields.CharField(max_length=150)
    last_name = fields.CharField(max_length=150)
    email = fields.CharField(max_length=254, null=True)
    email_verified_at = fields.DatetimeField(null=True)
    role = fields.CharEnumField(Role, max_length=10)
    photo = fields.CharField(max_length=100, null=True)
    is_staff = fields.BooleanField(default=False)
    is_active = fields.BooleanField(default=True)
    created = fields.DatetimeField(auto_now_add=True)
    deleted = fields.DatetimeField(null=True)
    on_duty = fields.BooleanField(default=True)
    approval = fields.CharEnumField(Approval, max_length=10, default=Approval.APPROVED)
    approval_reason = fields.CharField(max_length=500, null=True)
    vehicle = fields.TextField(null=True)
    rating_sum = fields.IntField(default=0)
    rating_count = fields.IntField(default=0)

    class Meta(Model.Meta):
        table = "users"
