"""A driver's standing: what decides whether the driver may take trips. Pure."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from models.frozen import frozen
from models.values import Approval, VehicleValue


class Availability(StrEnum):
    """Whether a driver takes trips now. It is derived and never stored."""

    OFF_DUTY = "OFF_DUTY"
    AVAILABLE = "AVAILABLE"
    ON_TRIP = "ON_TRIP"


class PauseReason(StrEnum):
    """Why a driver gets no offers."""

    NOT_APPROVED = "NOT_APPROVED"
    OFF_DUTY = "OFF_DUTY"
    NO_VEHICLE = "NO_VEHICLE"
    ON_TRIP = "ON_TRIP"


@frozen
class Standing:
    """A driver's standing as one read found it, between two readings of the database's clock.

    What was committed before ``begun`` is in the read; what was written after ``as_of`` is not. ``trip_id`` is the
    driver's active trip.
    """

    on_duty: bool
    approval: Approval
    approval_reason: str | None
    vehicle: VehicleValue | None
    trip_id: UUID | None
    begun: datetime
    as_of: datetime

    @property
    def availability(self) -> Availability:
        """A trip under way counts before duty: a driver may go off duty during one."""
        if self.trip_id is not None:
            return Availability.ON_TRIP
        return Availability.AVAILABLE if self.on_duty else Availability.OFF_DUTY


@frozen
class DriverRules:
    """What this server requires of drivers besides being on duty."""

    needs_approval: bool = False
    needs_vehicle: bool = False

    def obstacle(self, *, on_duty: bool, approval: Approval, has_vehicle: bool) -> PauseReason | None:
        """Why a driver may not take trips, whatever trip is under way; None if they may."""
        if self.needs_approval and approval is not Approval.APPROVED:
            return PauseReason.NOT_APPROVED
        if not on_duty:
            return PauseReason.OFF_DUTY
        if self.needs_vehicle and not has_vehicle:
            return PauseReason.NO_VEHICLE
        return None

    def obstacle_of(self, standing: Standing) -> PauseReason | None:
        """The same of a standing."""
        return self.obstacle(
            on_duty=standing.on_duty, approval=standing.approval, has_vehicle=standing.vehicle is not None
        )


# Where neither approval nor a vehicle is required.
ON_DUTY_ONLY = DriverRules()
