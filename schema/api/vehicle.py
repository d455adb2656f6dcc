"""A vehicle: its fields, as they are shown and as they are given."""

import strawberry

from models.values import VehicleValue
from services.drivers import vehicles


@strawberry.type(description="The vehicle of a driver.")
class Vehicle:
    make: str = strawberry.field(description="Who makes it, such as Toyota.")
    model: str = strawberry.field(description="The model, such as Corolla.")
    color: str = strawberry.field(description="The colour, in the driver's words.")
    license_plate: str = strawberry.field(description="The text of the licence plate.")
    seats: int = strawberry.field(description="The number of seats for passengers.")


@strawberry.input(description="The vehicle of a driver.")
class VehicleInput:
    make: str = strawberry.field(description=f"Who makes it, 1 to {vehicles.MAX_MAKE_CHARS} characters.")
    model: str = strawberry.field(description=f"The model, 1 to {vehicles.MAX_MODEL_CHARS} characters.")
    color: str = strawberry.field(description=f"The colour, 1 to {vehicles.MAX_COLOR_CHARS} characters.")
    license_plate: str = strawberry.field(
        description=f"The text of the licence plate, 1 to {vehicles.MAX_PLATE_CHARS} characters."
    )
    seats: int = strawberry.field(description=f"The number of seats for passengers, 1 to {vehicles.MAX_SEATS}.")

    def value(self) -> VehicleValue:
        """The vehicle as it was given, not checked yet."""
        return VehicleValue(self.make, self.model, self.color, self.license_plate, self.seats)


def to_vehicle(vehicle: VehicleValue | None) -> Vehicle | None:
    """A vehicle as it is shown."""
    if vehicle is None:
        return None
    return Vehicle(
        make=vehicle.make,
        model=vehicle.model,
        color=vehicle.color,
        license_plate=vehicle.license_plate,
        seats=vehicle.seats,
    )
