"""The GraphQL types of accounts and trips, mapped from the services' plain values."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.snapshots import GeoPoint as GeoPointValue
from models.snapshots import TripSnapshot, UserSnapshot
from models.visibility import Audience
from schema import cursors
from schema.enums import Role, TripStatus, WithdrawReason
from schema.errors import UserError
from services.live import messages
from services.photos import url_path


@strawberry.interface(description="Whatever can be fetched again by its id.")
class Node:
    id: strawberry.ID = strawberry.field(description="A UUID: unique among all types, and hard to guess.")


@strawberry.type(description="A rider or a driver.")
class User(Node):
    username: str | None = strawberry.field(
        description="The name to log in with. Shown to the user and to the other party of a trip; null elsewhere."
    )
    first_name: str = strawberry.field(description="The given name.")
    last_name: str = strawberry.field(description="The family name.")
    role: Role = strawberry.field(description="What the account is for.")
    photo: str | None = strawberry.field(description="The URL path of the photo on this server.")


def to_user(user: UserSnapshot, *, with_username: bool) -> User:
    """The GraphQL form of a user; ``with_username``: the viewer is that user or the other party of a trip."""
    return User(
        id=strawberry.ID(str(user.id)),
        username=user.username if with_username else None,
        first_name=user.first_name,
        last_name=user.last_name,
        role=user.role,
        photo=url_path(user.photo) if user.photo is not None else None,
    )


@strawberry.type(description="A position on Earth, WGS 84.")
class GeoPoint:
    lat: float = strawberry.field(description="The latitude in degrees, -90 to 90.")
    lng: float = strawberry.field(description="The longitude in degrees, -180 to 180.")


@strawberry.type(description="One ride, from request to end.")
class Trip(Node):
    created: datetime = strawberry.field(description="When it was requested.")
    updated: datetime = strawberry.field(description="When it last changed.")
    version: int = strawberry.field(description="Counts the changes, from 1. A newer state has a greater version.")
    status: TripStatus = strawberry.field(description="Where it is in its life.")
    pick_up_address: str = strawberry.field(description="Where the rider waits.")
    drop_off_address: str = strawberry.field(description="Where the rider wants to go.")
    pick_up: GeoPoint | None = strawberry.field(description="The position of the pick-up, if it was given.")
    drop_off: GeoPoint | None = strawberry.field(description="The position of the drop-off, if it was given.")
    expires_at: datetime | None = strawberry.field(
        description="When the request lapses without a driver; null once it does not wait for one."
    )
    cancel_reason: str | None = strawberry.field(description="What was said at cancelling.")
    rider: User = strawberry.field(description="Who requested it.")
    driver: User | None = strawberry.field(description="Who accepted it.")


def to_trip(trip: TripSnapshot, audience: Audience) -> Trip:
    """The GraphQL form of a trip, as ``audience`` sees it."""
    with_usernames = audience is Audience.PARTY
    return Trip(
        id=strawberry.ID(str(trip.id)),
        created=trip.created,
        updated=trip.updated,
        version=trip.version,
        status=trip.status,
        pick_up_address=trip.pick_up_address,
        drop_off_address=trip.drop_off_address,
        pick_up=_to_point(trip.pick_up),
        drop_off=_to_point(trip.drop_off),
        expires_at=trip.expires_at,
        cancel_reason=trip.cancel_reason,
        rider=to_user(trip.rider, with_username=with_usernames),
        driver=to_user(trip.driver, with_username=with_usernames) if trip.driver is not None else None,
    )


def _to_point(point: GeoPointValue | None) -> GeoPoint | None:
    return GeoPoint(lat=point.lat, lng=point.lng) if point is not None else None


@strawberry.type(description="Where a page begins and ends (GraphQL Cursor Connections Specification).")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there are more behind the last.")
    has_previous_page: bool = strawberry.field(description="Whether this page began behind a cursor.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last; give it as `after`.")


@strawberry.type(description="A trip with its place in the list.")
class TripEdge:
    cursor: str = strawberry.field(description="Marks the place; stays valid when trips are added.")
    node: Trip = strawberry.field(description="The trip.")


@strawberry.type(description="A page of trips.")
class TripConnection:
    nodes: list[Trip] = strawberry.field(description="The trips alone.")
    page_info: PageInfo = strawberry.field(description="Where the page begins and ends.")
    page: strawberry.Private[tuple[TripSnapshot, ...]]

    @strawberry.field(description="The trips with their cursors.")
    def edges(self) -> list[TripEdge]:
        return [
            TripEdge(cursor=cursors.encode(trip), node=node)
            for trip, node in zip(self.page, self.nodes, strict=True)
        ]


@strawberry.type(description="All active trips of the caller's, and up to 20 that ended in the last 24 hours.")
class MyTripsSnapshot:
    trips: list[Trip] = strawberry.field(description="The trips, newest first. They replace what was known.")


@strawberry.type(description="A trip of the caller's is new or has changed.")
class TripChanged:
    trip: Trip = strawberry.field(description="The trip as it is now.")


@strawberry.type(description="The open requests.")
class PoolSnapshot:
    offers: list[Trip] = strawberry.field(
        description="At most 200, the newest first. They replace what was known."
    )
    truncated: bool = strawberry.field(description="Whether there are more than are listed.")


@strawberry.type(description="A trip waits for a driver.")
class TripOffered:
    trip: Trip = strawberry.field(description="The trip that can be accepted.")


@strawberry.type(description="An offer has gone.")
class TripWithdrawn:
    trip_id: strawberry.ID = strawberry.field(description="Which trip.")
    version: int = strawberry.field(description="The trip's version at which it went.")
    reason: WithdrawReason = strawberry.field(description="Why.")


MyTripsEvent = Annotated[
    MyTripsSnapshot | TripChanged,
    strawberry.union("MyTripsEvent", description="What `myTripsUpdated` sends: the snapshot first."),
]
PoolEvent = Annotated[
    PoolSnapshot | TripOffered | TripWithdrawn,
    strawberry.union("PoolEvent", description="What `driverPool` sends: the snapshot first."),
]

SubscriptionEvent = Trip | MyTripsSnapshot | TripChanged | PoolSnapshot | TripOffered | TripWithdrawn


def to_event(content: messages.Content) -> SubscriptionEvent:
    """The GraphQL form of what a subscription sends."""
    match content:
        case messages.TripState(trip, audience):
            return to_trip(trip, audience)
        case messages.MyTripsSnapshot(trips):
            return MyTripsSnapshot(trips=[to_trip(trip, Audience.PARTY) for trip in trips])
        case messages.TripChanged(trip):
            return TripChanged(trip=to_trip(trip, Audience.PARTY))
        case messages.PoolSnapshot(offers, truncated):
            return PoolSnapshot(offers=[to_trip(trip, Audience.POOL) for trip in offers], truncated=truncated)
        case messages.TripOffered(trip):
            return TripOffered(trip=to_trip(trip, Audience.POOL))
        case messages.TripWithdrawn(trip_id, version, reason):
            return TripWithdrawn(trip_id=strawberry.ID(str(trip_id)), version=version, reason=reason)


@strawberry.type(description="The answer to `signUp` and `logIn`.")
class AuthPayload:
    user: User | None = strawberry.field(default=None, description="Who is logged in now; null if it failed.")
    token: str | None = strawberry.field(
        default=None,
        description="The session's token, for `Authorization: Bearer`; only if `issueToken` asked for it.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")


@strawberry.type(description="The answer to `logOut`.")
class LogOutPayload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")


@strawberry.type(description="The answer to a change of a trip.")
class TripPayload:
    trip: Trip | None = strawberry.field(default=None, description="The trip after the change; null if it failed.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")
