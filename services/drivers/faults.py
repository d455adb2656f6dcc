"""The faults of drivers who may not take trips now."""

from models.standing import PauseReason
from services.errors import ErrorCode, UserFault


class OffDuty(UserFault):
    """The driver is off duty. Trying again helps once they are on duty."""

    code = ErrorCode.OFF_DUTY
    retryable = True


class DriverNotApproved(UserFault):
    """Staff have not approved the driver, or no longer do. Trying again helps once they do."""

    code = ErrorCode.DRIVER_NOT_APPROVED
    retryable = True


class VehicleRequired(UserFault):
    """This server requires a driver's vehicle."""

    code = ErrorCode.VEHICLE_REQUIRED


def fault_of(obstacle: PauseReason) -> UserFault:
    """The fault of accepting a trip with this obstacle."""
    match obstacle:
        case PauseReason.NOT_APPROVED:
            return DriverNotApproved("Staff have not approved you as a driver.")
        case PauseReason.NO_VEHICLE:
            return VehicleRequired("Describe your vehicle first.")
        case _:
            return OffDuty("You are off duty.")
