"""What the guards of transitions tell a caller: whether they hold now, or in how many seconds."""

from datetime import datetime
from math import ceil

from models.trip_life import Guard
from models.values import TripValue
from services.positions.reporting import Positions
from services.trips.conditions import Periods
from services.trips.faults import TooEarly
from services.trips.pick_up_pins import PickUpPins


class Guards:
    """Checks guards that an UPDATE has refused, and asks for the positions, which no UPDATE knows."""

    def __init__(self, positions: Positions, pins: PickUpPins, periods: Periods) -> None:
        self._pins = pins
        self._positions = positions
        self._periods = periods

    async def check(self, guard: Guard, trip: TripValue, *, as_of: datetime, has_pin: bool) -> None:
        """Return if the guard holds for the trip; the UPDATE may be tried again then.

        ``as_of``: the database's time of the read of the trip. ``has_pin``: the caller has given a PIN.

        Raises:
            TooEarly: it does not, with the seconds until it may, if they are known.
            PinLocked, WrongPin: the PIN of the trip is locked, or the caller has given none.
        """
        match guard:
            case Guard.PIN:
                await self._pins.check(trip.id, is_given=has_pin)
            case Guard.WAITED:
                if trip.arrived_at is None:
                    raise TooEarly("Report your arrival at the pick-up first.")
                _check_age(trip.arrived_at, as_of, self._periods.no_show_wait_s, "Wait for the rider")
            case Guard.DRIVER_SILENT:
                await self._check_silence(trip, as_of)
            case Guard.IN_TIME | Guard.OVERDUE | Guard.ABANDONED:
                pass

    async def _check_silence(self, trip: TripValue, as_of: datetime) -> None:
        what = "Your driver was active a short while ago. Wait"
        _check_age(trip.updated, as_of, self._periods.silent_driver_s, what)
        assert trip.driver is not None, "a trip under way has a driver"
        left_s = await self._positions.silent_in_s(trip.driver.id, after_s=self._periods.silent_driver_s)
        if left_s is None:
            raise TooEarly("Whether your driver has reported a position is not known now. Try again in a minute.")
        if left_s > 0:
            raise _too_early(what, left_s)


def _check_age(since: datetime, as_of: datetime, period_s: int, what: str) -> None:
    left_s = period_s - (as_of - since).total_seconds()
    if left_s > 0:
        raise _too_early(what, left_s)


def _too_early(what: str, left_s: float) -> TooEarly:
    seconds = ceil(left_s)
    return TooEarly(f"{what} for {seconds} more second{'' if seconds == 1 else 's'}.", retry_after_s=seconds)
