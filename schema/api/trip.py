"""A trip: its fields, the mutations that request and change it, and its subscription.

Longer than 300 lines because all of it is here, each with its description.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models.trip_life import is_completed, is_driving, is_on_the_way
from models.values import TripValue
from models.visibility import Actor, Audience, audience_of
from schema.api.cancel_code import CancelCode
from schema.api.context import Info, SharedInfo
from schema.api.driver_location import DriverLocation, shown_location, to_driver_location
from schema.api.feed_stream import follow
from schema.api.geo_point import GeoPoint, GeoPointInput, to_geo_point
from schema.api.ids import Node, to_uuid
from schema.api.route import Route, to_route
from schema.api.trip_history import HistoryEntry, shown_history
from schema.api.trip_status import TripStatus
from schema.api.user import User, to_user
from schema.api.user_errors import UserError, mutation
from schema.api.vehicle import Vehicle, to_vehicle
from services.live import messages
from services.live.feeds import TripFeed
from services.positions.freshness import Freshness
from services.positions.routing import plausible_s


@strawberry.type(description="One ride, from request to end.")
class Trip(Node):
    value: strawberry.Private[TripValue]
    audience: strawberry.Private[Audience]

    @strawberry.field(description="When the trip was requested.")
    def created(self) -> datetime:
        return self.value.created

    @strawberry.field(description="When the trip last changed.")
    def updated(self) -> datetime:
        return self.value.updated

    @strawberry.field(description="Counts the changes of the trip, from 1. A newer state has a greater version.")
    def version(self) -> int:
        return self.value.version

    @strawberry.field(description="The state of the trip.")
    def status(self) -> TripStatus:
        return self.value.status

    @strawberry.field(description="Where the rider waits.")
    def pick_up_address(self) -> str:
        return self.value.pick_up_address

    @strawberry.field(description="Where the rider wants to go.")
    def drop_off_address(self) -> str:
        return self.value.drop_off_address

    @strawberry.field(description="The position of the pick-up, if it was given.")
    def pick_up(self) -> GeoPoint | None:
        return to_geo_point(self.value.pick_up) if self.value.pick_up is not None else None

    @strawberry.field(description="The position of the drop-off, if it was given.")
    def drop_off(self) -> GeoPoint | None:
        return to_geo_point(self.value.drop_off) if self.value.drop_off is not None else None

    @strawberry.field(
        description="When the request expires if no driver accepts it; null when the trip no longer waits for a "
        "driver."
    )
    def expires_at(self) -> datetime | None:
        return self.value.expires_at

    @strawberry.field(description="The reason that was given with the cancellation.")
    def cancel_reason(self) -> str | None:
        return self.value.cancel_reason

    @strawberry.field(description="Why the trip was cancelled. For the trip's rider and driver.")
    def cancel_code(self) -> CancelCode | None:
        return self.value.cancel_code if self.audience.is_party else None

    @strawberry.field(
        description="When the driver reported arrival at the pick-up. For the trip's rider and driver."
    )
    def arrived_at(self) -> datetime | None:
        return self.value.arrived_at if self.audience.is_party else None

    @strawberry.field(
        description="The driver's vehicle, as it was when the driver accepted the trip; null before. For the "
        "trip's rider and driver."
    )
    def vehicle(self) -> Vehicle | None:
        return to_vehicle(self.value.vehicle) if self.audience.is_party else None

    @strawberry.field(description="The rider who requested the trip.")
    def rider(self) -> User:
        return to_user(self.value.rider, to_party=self.audience.is_party)

    @strawberry.field(description="The driver who accepted the trip.")
    def driver(self) -> User | None:
        driver = self.value.driver
        return to_user(driver, to_party=self.audience.is_party) if driver is not None else None

    @strawberry.field(
        description="The driver's position while the trip is under way; null before and after, and while no "
        "position is known. For the trip's rider and driver."
    )
    async def driver_location(self, info: SharedInfo) -> DriverLocation | None:
        location, freshness = await shown_location(info, self.value, self.audience)
        return to_driver_location(self.value.id, location, freshness) if location is not None else None

    @strawberry.field(
        description="When the driver may cancel the trip because the rider has not come (NO_SHOW); null unless "
        "the driver waits at the pick-up. For the trip's rider and driver."
    )
    def no_show_at(self, info: SharedInfo) -> datetime | None:
        return info.context.services.arrivals.no_show_at(self.value) if self.audience.is_party else None

    @strawberry.field(
        description="An estimate of the seconds until the driver reaches the pick-up. Null if no driver is on the "
        "way, a position is unknown, the driver's position is stale, or the estimate exceeds four hours. For the "
        "trip's rider and driver."
    )
    async def pick_up_eta(self, info: SharedInfo) -> int | None:
        trip = self.value
        if trip.pick_up is None or not is_on_the_way(trip.status):
            return None
        location, freshness = await shown_location(info, trip, self.audience)
        if location is None or freshness is not Freshness.LIVE:
            return None
        return plausible_s(await info.context.services.trip_drives.to_pick_up_s(trip, location.point))

    @strawberry.field(
        description="An estimate of the seconds until the rider reaches the drop-off. Null unless a driver is on "
        "the way or the ride has begun, and where `pickUpEta` would be null. For the trip's rider and driver."
    )
    async def drop_off_eta(self, info: SharedInfo) -> int | None:
        trip, drives = self.value, info.context.services.trip_drives
        if trip.pick_up is None or trip.drop_off is None or not is_driving(trip.status):
            return None
        location, freshness = await shown_location(info, trip, self.audience)
        if location is None or freshness is not Freshness.LIVE:
            return None
        if not is_on_the_way(trip.status):
            return plausible_s(await drives.to_drop_off_s(trip, location.point))
        coming_s, route = await drives.to_pick_up_s(trip, location.point), await drives.route(trip)
        return plausible_s(coming_s + route.duration_s if coming_s is not None and route is not None else None)

    @strawberry.field(
        description="The route from the pick-up to the drop-off while a driver is on the way or the ride has "
        "begun; null otherwise, and without both positions. For the trip's rider and driver."
    )
    async def route(self, info: SharedInfo) -> Route | None:
        if not is_driving(self.value.status) or not self.audience.is_party:
            return None
        drive = await info.context.services.trip_drives.route(self.value)
        return to_route(drive) if drive is not None else None

    @strawberry.field(
        description="Four digits that the rider tells the driver at the pick-up. Null if no driver is on the way, "
        "or this server asks for no PIN. For the trip's rider alone."
    )
    async def pick_up_pin(self, info: SharedInfo) -> str | None:
        if self.audience is not Audience.RIDER or not is_on_the_way(self.value.status):
            return None
        return await info.context.services.pick_up_pins.of(self.value)

    @strawberry.field(
        description="The changes up to this version, oldest first. For the trip's rider and driver; null for "
        "everybody else."
    )
    async def history(self, info: SharedInfo) -> list[HistoryEntry] | None:
        return await shown_history(info, self.value, self.audience)

    @strawberry.field(
        description="The stars that the caller has given for this trip; null before. For the trip's rider and "
        "driver, each their own."
    )
    async def my_rating(self, info: SharedInfo) -> int | None:
        trip = self.value
        if not is_completed(trip.status) or trip.driver is None or not self.audience.is_party:
            return None
        author = trip.rider if self.audience is Audience.RIDER else trip.driver
        return await info.context.services.ratings.given_for(trip.id, author.id)


@strawberry.input(description="A trip to request.")
class CreateTripInput:
    pick_up_address: str = strawberry.field(description="Where the rider waits, 1 to 255 characters.")
    drop_off_address: str = strawberry.field(description="Where the rider wants to go, 1 to 255 characters.")
    pick_up: GeoPointInput | None = strawberry.field(default=None, description="The position of the pick-up.")
    drop_off: GeoPointInput | None = strawberry.field(default=None, description="The position of the drop-off.")
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="A key that the rider's client chooses, kept for 24 hours: if the request is repeated with "
        "it, no second trip is created.",
    )


@strawberry.input(description="A change of a trip's status.")
class UpdateTripInput:
    id: strawberry.ID = strawberry.field(description="The id of the trip.")
    status: TripStatus = strawberry.field(
        description="The new status. Drivers: STARTED accepts, IN_PROGRESS picks up, COMPLETED arrives, REQUESTED "
        "gives back, CANCELLED if the rider did not come. Riders: CANCELLED."
    )
    if_version: int | None = strawberry.field(
        default=None, description="Make the change only if the trip has this version; otherwise VERSION_CONFLICT."
    )
    reason: str | None = strawberry.field(
        default=None,
        description="The reason for cancelling the trip or giving it back, at most 500 characters.",
    )
    cancel_code: CancelCode | None = strawberry.field(
        default=None,
        description="Why the trip is cancelled or given back. Riders cancel, and drivers give back, with "
        "CHANGED_PLANS, WRONG_ADDRESS, DRIVER_TOO_FAR, SAFETY or OTHER. Drivers cancel with NO_SHOW, which is the "
        "default.",
    )
    pin: str | None = strawberry.field(
        default=None,
        description="The four digits of `Trip.pickUpPin`, which the rider tells the driver. Only with "
        "IN_PROGRESS. A server that asks for no PIN ignores it.",
    )


@strawberry.type(description="The answer to a change of a trip.")
class TripPayload:
    trip: Trip | None = strawberry.field(default=None, description="The trip after the change; null if it failed.")
    errors: list[UserError] = strawberry.field(
        default_factory=list, description="What went wrong; empty if it succeeded."
    )


def to_trip(trip: TripValue, audience: Audience) -> Trip:
    """The trip as ``audience`` sees it."""
    return Trip(id=strawberry.ID(str(trip.id)), value=trip, audience=audience)


async def find_trip(info: Info, actor: Actor, trip_id: UUID) -> Trip | None:
    """The trip, if ``actor`` may see it."""
    trip = await info.context.services.trips.find(actor, trip_id=trip_id)
    audience = audience_of(actor, trip) if trip is not None else None
    return to_trip(trip, audience) if trip is not None and audience is not None else None


@strawberry.field(description="A trip that the caller may see; null for every other id.")
async def trip(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the object.")]
) -> Trip | None:
    return await find_trip(info, info.context.actor, to_uuid(id, "id"))


@mutation(description="Request a trip. For riders.")
async def create_trip(
    info: Info, input: Annotated[CreateTripInput, strawberry.argument(description="The trip.")]
) -> TripPayload:
    trip = await info.context.services.trips.request(
        info.context.actor,
        pick_up_address=input.pick_up_address,
        drop_off_address=input.drop_off_address,
        pick_up=input.pick_up.value() if input.pick_up is not None else None,
        drop_off=input.drop_off.value() if input.drop_off is not None else None,
        idempotency_key=input.idempotency_key,
    )
    return TripPayload(trip=to_trip(trip, Audience.RIDER))


@mutation(
    description="Change the status of a trip. Of several simultaneous callers exactly one succeeds; if the same "
    "caller repeats a change, it succeeds again."
)
async def update_trip(
    info: Info, input: Annotated[UpdateTripInput, strawberry.argument(description="The change.")]
) -> TripPayload:
    actor = info.context.actor
    trip = await info.context.services.trips.update(
        actor,
        trip_id=to_uuid(input.id, "id"),
        status=input.status,
        if_version=input.if_version,
        reason=input.reason,
        cancel_code=input.cancel_code,
        pin=input.pin,
    )
    # A driver who gave the trip back may repeat the mutation. The answer then has only what the pool sees: no user
    # name, and no later history.
    return TripPayload(trip=to_trip(trip, audience_of(actor, trip) or Audience.POOL))


@strawberry.subscription(
    description="A trip: its current state, then each change. Completes when the trip has ended."
)
async def trip_updated(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the trip.")]
) -> AsyncGenerator[Trip, None]:
    services = info.context.services
    feed = TripFeed(info.context.actor, services.topics, to_uuid(id, "id"), rules=services.driver_rules)
    return await follow(feed, _to_event, info)


def _to_event(content: messages.TripState) -> Trip:
    return to_trip(content.trip, content.audience)
