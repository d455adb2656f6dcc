"""A user as others see one, and the caller: the query `me`."""

from datetime import datetime

import strawberry

from models.standing import Availability, Standing
from models.values import Approval, Role, UserValue
from schema.api.context import Info, SharedInfo
from schema.api.enums import describe
from schema.api.ids import Node
from schema.api.vehicle import Vehicle, to_vehicle

# Photos are served under this path.
PHOTO_FOLDER = "/media"

describe(
    Role,
    "The kind of an account. It never changes.",
    {"RIDER": "Requests trips.", "DRIVER": "Receives requests and accepts them."},
)

describe(
    Availability,
    "Whether a driver takes trips now.",
    {
        "OFF_DUTY": "Off duty: no offers, and no positions.",
        "AVAILABLE": "On duty, without an active trip. The server may require more before there are offers: see "
        "`approval` and `vehicle`.",
        "ON_TRIP": "On a trip, on duty or not.",
    },
)

describe(
    Approval,
    "Whether staff allow a driver to take trips.",
    {
        "WAITING": "Staff have not decided yet.",
        "APPROVED": "The driver may take trips.",
        "REFUSED": "Staff have refused the driver, or no longer approve of them.",
    },
)


@strawberry.type(description="What the other parties of a user's trips think of the user.")
class Rating:
    average: float = strawberry.field(description="The mean of the stars, 1 to 5, rounded to a tenth.")
    count: int = strawberry.field(description="The number of ratings.")


@strawberry.type(description="A rider or a driver.")
class User(Node):
    value: strawberry.Private[UserValue]
    # Whether the viewer is that user, or the other party of a trip.
    to_party: strawberry.Private[bool]
    is_caller: strawberry.Private[bool]

    @strawberry.field(
        description="The name for logging in. Only the user and the other party of a trip see it; null for "
        "everybody else, and after the account was deleted."
    )
    def username(self) -> str | None:
        # A deleted account has an empty one.
        return (self.value.username or None) if self.to_party else None

    @strawberry.field(description="The given name.")
    def first_name(self) -> str:
        return self.value.first_name

    @strawberry.field(description="The family name.")
    def last_name(self) -> str:
        return self.value.last_name

    @strawberry.field(description="The kind of the account.")
    def role(self) -> Role:
        return self.value.role

    @strawberry.field(description="The URL path of the photo on this server.")
    def photo(self) -> str | None:
        return f"{PHOTO_FOLDER}/{self.value.photo}" if self.value.photo is not None else None

    @strawberry.field(
        description="The user's rating; null as long as there is none. Only the user and the other party of a "
        "trip see it."
    )
    async def rating(self, info: SharedInfo) -> Rating | None:
        if not self.to_party:
            return None
        found = await info.context.services.ratings.received_by(self.value.id)
        return Rating(average=found.average, count=found.count) if found is not None else None

    @strawberry.field(
        description="Whether the driver takes trips now. Only the driver sees it, by `me` and in answers about "
        "the own account; it is null for everybody else, and within trips."
    )
    async def availability(self, info: SharedInfo) -> Availability | None:
        standing = await self._standing(info)
        return standing.availability if standing is not None else None

    @strawberry.field(
        description="Whether staff allow the driver to take trips; null where this server does not ask them. Only "
        "the driver sees it, as with `availability`. When it changes, `driverPool` sends a new snapshot."
    )
    async def approval(self, info: SharedInfo) -> Approval | None:
        standing = await self._standing_if_approved(info)
        return standing.approval if standing is not None else None

    @strawberry.field(
        description="Why staff have refused the driver, in their words. Only the driver sees it, as with "
        "`availability`."
    )
    async def approval_reason(self, info: SharedInfo) -> str | None:
        standing = await self._standing_if_approved(info)
        return standing.approval_reason if standing is not None else None

    @strawberry.field(
        description="The driver's vehicle; null without one. Only the driver sees it, as with `availability`; the "
        "other party of a trip sees `Trip.vehicle`."
    )
    async def vehicle(self, info: SharedInfo) -> Vehicle | None:
        standing = await self._standing(info)
        return to_vehicle(standing.vehicle) if standing is not None else None

    async def _standing_if_approved(self, info: SharedInfo) -> Standing | None:
        """The standing, on a server where staff approve drivers."""
        return await self._standing(info) if info.context.services.driver_rules.needs_approval else None

    @strawberry.field(
        description="The address for letters. Only the user sees it, by `me` and in answers about the own "
        "account; it is null for everybody else, and within trips."
    )
    async def email(self, info: SharedInfo) -> str | None:
        return (await info.context.services.emails.of(self.value.id)).address if self.is_caller else None

    @strawberry.field(
        description="When the address was confirmed by the link in a letter; null if it was not, or there is "
        "none. Only the user sees it, as `email`."
    )
    async def email_verified_at(self, info: SharedInfo) -> datetime | None:
        return (await info.context.services.emails.of(self.value.id)).verified_at if self.is_caller else None

    async def _standing(self, info: SharedInfo) -> Standing | None:
        """The caller's own standing as a driver. All fields that ask for it share one statement."""
        if not self.is_caller or self.value.role is not Role.DRIVER:
            return None
        return await info.context.services.standings.of(self.value.id)


def own_user(user: UserValue) -> User:
    """The caller, who sees everything of the own account."""
    return to_user(user, to_party=True, is_caller=True)


def to_user(user: UserValue, *, to_party: bool, is_caller: bool = False) -> User:
    """``to_party``: the viewer is that user, or the other party of a trip. They see the user name and rating."""
    return User(id=strawberry.ID(str(user.id)), value=user, to_party=to_party, is_caller=is_caller)


@strawberry.field(description="The caller; null without a session.")
async def me(info: Info) -> User | None:
    caller = info.context.caller
    return own_user(caller.user) if caller is not None else None
