"""What mutations take."""

from datetime import datetime

import strawberry
from strawberry import UNSET
from strawberry.file_uploads import Upload

from models.geo import GeoPoint
from schema.api.enums import (Role, TripStatus)


@strawberry.input(description="A position on Earth, WGS 84.")
class GeoPointInput:
    lat: float = strawberry.field(description="The latitude in degrees, -90 to 90.")
    lng: float = strawberry.field(description="The longitude in degrees, -180 to 180.")

    def value(self) -> GeoPoint:
        """The plain value."""
        return GeoPoint(self.lat, self.lng)


@strawberry.input(description="An area: all within a radius of a position.")
class NearInput:
    point: GeoPointInput = strawberry.field(description="The middle of the area.")
    radius_m: float | None = strawberry.field(
        default=None,
        description="The radius in metres, 1 to 50000; without it the one within which trips are offered.",
    )


@strawberry.input(description="Where the calling driver is.")
class LocationInput:
    point: GeoPointInput = strawberry.field(description="The position.")
    heading: float | None = strawberry.field(
        default=None, description="Where the car goes, in degrees from north, clockwise: 0 to 360."
    )
    recorded_at: datetime = strawberry.field(
        description="When the position was measured. One that is older than the last is STALE_LOCATION. Up to a "
        "minute ahead of the server's clock counts as now."
    )


@strawberry.input(description="A new account.")
class SignUpInput:
    username: str = strawberry.field(
        description="3 to 150 characters without spaces, each word in one script; unique without regard to case "
        "and Unicode form."
    )
    password1: str = strawberry.field(description="The password: hard to guess, at most 128 characters.")
    password2: str = strawberry.field(description="The same again.")
    first_name: str = strawberry.field(description="The given name, 1 to 150 characters.")
    last_name: str = strawberry.field(description="The family name, 1 to 150 characters.")
    role: Role = strawberry.field(description="What the account is for. It never changes.")
    photo: Upload | None = strawberry.field(
        default=None,
        description="A JPEG, PNG or WebP file, by the GraphQL multipart request specification.",
    )


@strawberry.input(description="A new password in place of the current one.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The password until now.")
    password1: str = strawberry.field(description="The new password: hard to guess, at most 128 characters.")
    password2: str = strawberry.field(description="The same again.")


@strawberry.input(description="What to change of the caller's account. What is left out stays as it is.")
class UpdateMeInput:
    first_name: str | None = strawberry.field(default=UNSET, description="The given name, 1 to 150 characters.")
    last_name: str | None = strawberry.field(default=UNSET, description="The family name, 1 to 150 characters.")
    photo: Upload | None = strawberry.field(
        default=UNSET,
        description="A JPEG, PNG or WebP file, by the GraphQL multipart request specification; null removes the "
        "photo.",
    )


@strawberry.input(description="A trip to request.")
class CreateTripInput:
    pick_up_address: str = strawberry.field(description="Where the rider waits, 1 to 255 characters.")
    drop_off_address: str = strawberry.field(description="Where the rider wants to go, 1 to 255 characters.")
    pick_up: GeoPointInput | None = strawberry.field(default=None, description="The position of the pick-up.")
    drop_off: GeoPointInput | None = strawberry.field(default=None, description="The position of the drop-off.")
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="The rider's own key, kept for 24 hours: the same request asked again makes no second trip.",
    )


@strawberry.input(description="A change of a trip's status.")
class UpdateTripInput:
    id: strawberry.ID = strawberry.field(description="Which trip.")
    status: TripStatus = strawberry.field(
        description="Where it should go. Drivers: STARTED accepts, IN_PROGRESS picks up, COMPLETED arrives, "
        "REQUESTED gives back. Riders: CANCELLED."
    )
    if_version: int | None = strawberry.field(
        default=None, description="Change it only at this version, else VERSION_CONFLICT."
    )
    reason: str | None = strawberry.field(default=None, description="Why it is cancelled, at most 500 characters.")
