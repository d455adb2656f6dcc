"""The GraphQL types of accounts and trips, mapped from the services' plain values."""

from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid5

import strawberry

from models.geo import GeoPoint as GeoPointValue
from models.values import (Location, TripSnapshot, UserSnapshot)
from models.trip_life import is_driving, is_on_the_way
from models.visibility import Audience, is_on_trip
from schema.api import cursors
from schema.api.context import (Context, SharedContext)
from schema.api.enums import (ChangedBy, Role, TripStatus, WithdrawReason)
from schema.api.errors import UserError
from services.positions.freshness import Freshness
from services.live import messages
from services.photos.photos import url_path
from services.positions.routing import eta_s

Info = strawberry.Info[Context | SharedContext, None]


@strawberry.interface(description="Whatever can be fetched again by its id.")
class Node:
    id: strawberry.ID = strawberry.field(description="A UUID: unique among all types, and hard to guess.")


@strawberry.type(description="A rider or a driver.")
class User(Node):
    username: str | None = strawberry.field(
        description="The name to log in with. Shown to the user and to the other party of a trip; null elsewhere, "
        "and once the account was deleted."
    )
    first_name: str = strawberry.field(description="The given name.")
    last_name: str = strawberry.field(description="The family name.")
    role: Role = strawberry.field(description="What the account is for.")
    photo: str | None = strawberry.field(description="The URL path of the photo on this server.")


def to_user(user: UserSnapshot, *, with_username: bool) -> User:
    """The GraphQL form of a user; ``with_username``: the viewer is that user or the other party of a trip."""
    return User(
        id=strawberry.ID(str(user.id)),
        # That of a deleted account is empty.
        username=(user.username or None) if with_username else None,
        first_name=user.first_name,
        last_name=user.last_name,
        role=user.role,
        photo=url_path(user.photo) if user.photo is not None else None,
    )


@strawberry.type(description="A position on Earth, WGS 84.")
class GeoPoint:
    lat: float = strawberry.field(description="The latitude in degrees, -90 to 90.")
    lng: float = strawberry.field(description="The longitude in degrees, -180 to 180.")


@strawberry.type(description="Where the driver of a trip is. One object a trip, which moves.")
class DriverLocation:
    id: strawberry.ID = strawberry.field(description="Made from the trip's id: the same for every position.")
    point: GeoPoint = strawberry.field(description="The position.")
    heading: float | None = strawberry.field(
        description="Where the car goes, in degrees from north, clockwise; null if it was not told."
    )
    recorded_at: datetime = strawberry.field(description="When the position was measured.")
    is_stale: bool = strawberry.field(
        description="Whether no newer one has come for a while (a minute, unless the operator says otherwise): "
        "the car may be elsewhere."
    )
    is_gone: bool = strawberry.field(
        description="Whether the server has forgotten the position, since no newer one has come for long: do not "
        "show the car there any more. Only the subscription says so; a query answers null instead."
    )


def to_driver_location(trip_id: UUID, location: Location, freshness: Freshness) -> DriverLocation:
    """The GraphQL form of the position of a trip's driver."""
    return DriverLocation(
        id=strawberry.ID(str(uuid5(trip_id, "driver location"))),
        point=GeoPoint(lat=location.point.lat, lng=location.point.lng),
        heading=location.heading,
        recorded_at=location.recorded_at,
        is_stale=freshness is not Freshness.LIVE,
        is_gone=freshness is Freshness.GONE,
    )


@strawberry.type(description="One change of a trip.")
class HistoryEntry:
    version: int = strawberry.field(description="The version that it led to.")
    status: TripStatus = strawberry.field(description="The status that it led to.")
    at: datetime = strawberry.field(description="When it was made.")
    changed_by: ChangedBy = strawberry.field(description="As what it was made.")
    user: User | None = strawberry.field(description="Who made it; null if time or staff did.")


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
    snapshot: strawberry.Private[TripSnapshot]
    audience: strawberry.Private[Audience]

    @strawberry.field(
        description="Where the driver is, while the trip is under way; null before and after, and while no "
        "position is known. For the trip's rider and driver."
    )
    async def driver_location(self, info: Info) -> DriverLocation | None:
        location, freshness = await self._location(info)
        return to_driver_location(self.snapshot.id, location, freshness) if location is not None else None

    @strawberry.field(
        description="An estimate of the seconds until the driver is at the pick-up; null unless a driver is on "
        "the way and both positions are known, if the driver's is stale, and beyond four hours. For the trip's "
        "rider and driver."
    )
    async def pick_up_eta(self, info: Info) -> int | None:
        trip = self.snapshot
        if trip.pick_up is None or not is_on_the_way(trip.status):
            return None
        location, freshness = await self._location(info)
        if location is None or freshness is not Freshness.LIVE:
            return None
        return await eta_s(info.context.services.router, location.point, trip.pick_up)

    @strawberry.field(
        description="Who changed what, and when, up to this version; the first change first. For the trip's rider "
        "and driver; null for everybody else."
    )
    async def history(self, info: Info) -> list[HistoryEntry] | None:
        trip = self.snapshot
        if self.audience is not Audience.PARTY:
            return None
        parties = {trip.rider.id, trip.driver.id if trip.driver is not None else None}
        return [
            HistoryEntry(
                version=change.version,
                status=change.status,
                at=change.at,
                changed_by=change.changed_by,
                # The names of staff are not for users.
                user=(
                    to_user(change.user, with_username=change.user.id in parties)
                    if change.user is not None and change.changed_by is not ChangedBy.STAFF
                    else None
                ),
            )
            for change in await info.context.services.history.of(trip.id)
            if change.version <= trip.version
        ]

    async def _location(self, info: Info) -> tuple[Location | None, Freshness]:
        """The driver's position, as far as the trip shows it."""
        trip, locations = self.snapshot, info.context.services.locations
        if self.audience is not Audience.PARTY or trip.driver is None or not is_driving(trip.status):
            return None, Freshness.GONE
        location = await locations.last(trip.driver.id)
        if location is None or not is_on_trip(location, trip):
            return None, Freshness.GONE
        freshness = locations.lifetime.freshness(location)
        # Another process's clock may have let it go already, or not yet.
        return (location if freshness is not Freshness.GONE else None), freshness


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
        snapshot=trip,
        audience=audience,
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
        description="At most 200, the nearest first, or without an area the newest. They replace what was known."
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

SubscriptionEvent = (
    Trip | MyTripsSnapshot | TripChanged | PoolSnapshot | TripOffered | TripWithdrawn | DriverLocation
)


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
        case messages.DriverAt(trip_id, location, freshness):
            return to_driver_location(trip_id, location, freshness)


@strawberry.type(description="The answer to `signUp`, `logIn` and `changePassword`.")
class AuthPayload:
    user: User | None = strawberry.field(default=None, description="Who is logged in now; null if it failed.")
    token: str | None = strawberry.field(
        default=None,
        description="The session's token, for `Authorization: Bearer`; only if `issueToken` asked for it, or the "
        "password was changed with such a token.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")


@strawberry.type(description="The answer to `logOut`.")
class LogOutPayload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")


@strawberry.type(description="The answer to `updateMe`.")
class UserPayload:
    user: User | None = strawberry.field(default=None, description="The user after the change; null if it failed.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")


@strawberry.type(description="The answer to `deleteMe`.")
class DeleteMePayload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")


@strawberry.type(description="The answer to `reportLocation`.")
class LocationPayload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")


@strawberry.type(description="The answer to a change of a trip.")
class TripPayload:
    trip: Trip | None = strawberry.field(default=None, description="The trip after the change; null if it failed.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="What to show the user.")
