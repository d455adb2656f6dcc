"""The use case of describing the vehicle, and the rules for its fields."""

from uuid import UUID

from models.values import Role, VehicleValue
from models.visibility import Actor
from services.database.connections import Source
from services.drivers.standing_changes import StandingChanges
from services.errors import BadInput
from services.limits.throttle import PerUser
from services.trips.faults import NotADriver
from services.validation import texts

MAX_MAKE_CHARS = 50
MAX_MODEL_CHARS = 50
MAX_COLOR_CHARS = 30
MAX_PLATE_CHARS = 20
MAX_SEATS = 50


def checked_vehicle(vehicle: VehicleValue, *path: str) -> VehicleValue:
    """A vehicle in the form that is stored. ``path``: of the input field that it is in.

    Raises:
        BadInput: a text is empty (also if nothing of it can be seen), too long, or hides something; or there are
            too few or too many seats.
    """
    if not 1 <= vehicle.seats <= MAX_SEATS:
        raise BadInput(f"A vehicle has 1 to {MAX_SEATS} seats.", field=(*path, "seats"))
    return VehicleValue(
        make=_text(vehicle.make, "A make", MAX_MAKE_CHARS, *path, "make"),
        model=_text(vehicle.model, "A model", MAX_MODEL_CHARS, *path, "model"),
        color=_text(vehicle.color, "A colour", MAX_COLOR_CHARS, *path, "color"),
        license_plate=_text(vehicle.license_plate, "A licence plate", MAX_PLATE_CHARS, *path, "licensePlate"),
        seats=vehicle.seats,
    )


def _text(text: str, what: str, max_chars: int, *field: str) -> str:
    text = texts.trimmed(text)
    if not 1 <= len(text) <= max_chars:
        raise BadInput(f"{what} has 1 to {max_chars} characters.", field=field)
    if texts.hides_something(text):
        raise BadInput(f"{what} must not have control characters or invisible characters.", field=field)
    return text


async def erase_copies(source: Source, driver_id: UUID) -> None:
    """Erase the vehicle of a driver from the driver's trips. This is no change of the trips, as with names."""
    await source.fetch("UPDATE trips SET vehicle = NULL WHERE driver_id = $1 AND vehicle IS NOT NULL", driver_id)


class Vehicles:
    """The vehicles of drivers. A trip keeps the one that its driver had at acceptance."""

    def __init__(self, changes: StandingChanges, changing: PerUser) -> None:
        """``changing``: how often a user may change anything of their own."""
        self._changes = changes
        self._changing = changing

    async def set(self, actor: Actor, vehicle: VehicleValue | None) -> None:
        """Describe the calling driver's vehicle, or remove it. Repeating it changes and announces nothing.

        Trips under way keep the vehicle that they have. If this server requires a vehicle, the same holds without
        one as off duty: see ``Duty.set``.

        Raises:
            NotADriver: the caller is a rider.
            RateLimited: the caller changes things too often.
            BadInput: see ``checked_vehicle``.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.DRIVER:
            raise NotADriver("Only drivers have a vehicle.")
        await self._changing.count(actor)
        checked = checked_vehicle(vehicle) if vehicle is not None else None
        await self._changes.make(
            actor,
            assignment="vehicle = NULLIF($2, '')",
            condition="COALESCE(vehicle, '') <> $2",
            value=checked.to_json() if checked is not None else "",
        )
