"""The PIN that a rider tells the driver at the pick-up, so that the right rider is in the right car."""

import secrets
from collections.abc import Sequence
from math import ceil
from uuid import UUID

from models.trip_life import ON_THE_WAY
from models.values import TripValue
from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import moment, uuid
from services.errors import ErrorCode, UserFault, UserFaults
from services.runtime.data_loader import DataLoader
from services.trips import rows as trip_rows
from services.trips.checks import PIN_CHARS
from services.trips.conditions import has_status

MAX_WRONG = 5
LOCK_S = 60

# What a trip of another driver, or of none, must not keep.
FORGET = "pick_up_pin = NULL, wrong_pins = 0, pin_locked_until = NULL"
_IS_UNLOCKED = "(pin_locked_until IS NULL OR pin_locked_until <= {now})"


class WrongPin(UserFault):
    """This is not the PIN that the trip's rider was shown, or the driver has not given any."""

    code = ErrorCode.WRONG_PIN


class PinLocked(UserFault):
    """There were too many wrong PINs. Until the lock ends, the right one is refused too."""

    code = ErrorCode.PIN_LOCKED
    retryable = True


def new_pin() -> str:
    """A PIN that nobody can predict."""
    return f"{secrets.randbelow(10**PIN_CHARS):0{PIN_CHARS}d}"


def fits(pin: str) -> str:
    """SQL for "this is the trip's PIN, and it is not locked". ``pin``: an SQL value."""
    return f"(pick_up_pin = {pin} AND {_IS_UNLOCKED})"


class PickUpPins:
    """The PINs of trips whose driver is on the way. They are in the rows of the trips alone: no event has them.

    One UPDATE decides each try. A wrong PIN is counted by an UPDATE of its own, which comes first; the right one
    begins the ride by an UPDATE that matches only an unlocked trip. So at most ``MAX_WRONG`` of any number of
    simultaneous tries are compared with the PIN before the trip is locked.
    """

    def __init__(self, database: Database, sessions: Sessions, *, required: bool) -> None:
        self._database = database
        self._sessions = sessions
        self.required = required
        self._pins = DataLoader(self._find)

    async def of(self, trip: TripValue) -> str | None:
        """The PIN of a trip while its driver is on the way; None if it has none.

        The caller must have checked that it is for the trip's rider. Concurrent calls share one statement.
        """
        if not self.required or trip.driver is None:
            return None
        # Another driver's PIN belongs to a later version of the trip.
        driver_id, pin = await self._pins.get(trip.id) or (None, None)
        return pin if driver_id == trip.driver.id else None

    async def count_if_wrong(self, actor: Actor, trip_id: UUID, pin: str, *, if_version: int | None) -> None:
        """Count a wrong try of the trip's driver.

        Returns if the PIN is right, or if nothing is compared: the trip is locked, or has no PIN, or is not at
        ``if_version``, or the caller is not its driver on the way.

        Raises:
            WrongPin: it is wrong.
            UserFaults: it is wrong, and the trip is locked from now on.
        """
        caller = self._sessions.live_sql("$4") + self._sessions.session_lock_sql
        args: list[object] = [trip_id, actor.id, pin, actor.session_id]
        conditions = [
            "id = $1",
            has_status(ON_THE_WAY),
            "driver_id = $2",
            "pick_up_pin <> $3",
            _IS_UNLOCKED,
            trip_rows.CALLED,
        ]
        if if_version is not None:
            args.append(if_version)
            conditions.append("version = $5")
        lock_end = self._database.sql.ago(-LOCK_S)
        # `version` and `updated` stay: a wrong PIN is no change of the trip, and nobody is told of it.
        counted = await self._database.fetch(
            f"WITH caller AS ({caller}) UPDATE trips SET wrong_pins = (wrong_pins + 1) % {MAX_WRONG}, "
            f"pin_locked_until = CASE WHEN wrong_pins + 1 = {MAX_WRONG} THEN {lock_end} END "
            f"WHERE {' AND '.join(conditions)} RETURNING wrong_pins",
            *args,
        )
        if not counted:
            return
        wrong = WrongPin("This is not the rider's PIN.", field=("pin",))
        raise wrong if counted[0]["wrong_pins"] else UserFaults([wrong, _locked(LOCK_S)])

    async def check(self, trip_id: UUID, *, is_given: bool) -> None:
        """Find out why a trip was not started. Returns if it may be tried again now.

        ``is_given``: the caller gave a PIN.

        Raises:
            PinLocked: the trip is locked, with the seconds until it no longer is.
            WrongPin: the trip has a PIN, and the caller gave none.
        """
        rows = await self._database.fetch(
            "SELECT pick_up_pin, pin_locked_until, {now} AS now FROM trips WHERE id = $1", trip_id
        )
        if not rows or rows[0]["pick_up_pin"] is None:
            return
        until = rows[0]["pin_locked_until"]
        left_s = (moment(until) - moment(rows[0]["now"])).total_seconds() if until is not None else 0
        if left_s > 0:
            raise _locked(ceil(left_s))
        if not is_given:
            raise WrongPin("Ask the rider for the PIN.", field=("pin",))

    async def _find(self, trip_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, str]]:
        rows = await self._database.fetch(
            f"SELECT id, driver_id, pick_up_pin FROM trips WHERE {self._database.sql.among('id', 1)} "
            f"AND {has_status(ON_THE_WAY)} AND pick_up_pin IS NOT NULL",
            list(trip_ids),
        )
        return {uuid(row["id"]): (uuid(row["driver_id"]), row["pick_up_pin"]) for row in rows}


def _locked(left_s: int) -> PinLocked:
    return PinLocked(
        f"There were {MAX_WRONG} wrong PINs. The next try is possible in {left_s} s.",
        field=("pin",),
        retry_after_s=left_s,
    )
