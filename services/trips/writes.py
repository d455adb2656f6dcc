"""The SQL that changes a trip: one statement decides, and also writes the history and the note.

Longer than 300 lines because each statement is built beside what runs it.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from models.frozen import frozen
from models.trip_life import (
    ACTIVE,
    FIRST,
    ON_THE_WAY,
    OPEN,
    CancelCode,
    ChangedBy,
    Guard,
    Party,
    Transition,
    changed_by,
    default_cancel_code,
    is_driving,
    is_on_the_way,
    is_open,
    keeps_reason,
    tells_reason,
)
from models.values import TripValue
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.drivers.acceptance import VEHICLE, Acceptance
from services.errors import SessionEnded
from services.events.outbox import OutboxTransaction, note_sql
from services.trips import history as trip_history
from services.trips import rows as trip_rows
from services.trips.announcements import TripAnnouncements
from services.trips.checks import Journey
from services.trips.columns import trip_of
from services.trips.conditions import Periods, guard_sql, has_not_given_back, has_status, listed
from services.trips.new_trip import REQUESTED, requested
from services.trips.pick_up_pins import FORGET, fits, new_pin


@frozen
class Write:
    """A statement that writes one trip, and facts about the change."""

    sql: str
    args: Sequence[object]
    changed_by: ChangedBy
    user_id: UUID | None
    # The session of the write, if any: the statement then contains ``trip_rows.CALLED``.
    session_id: UUID | None
    for_pool: bool
    former_driver_id: UUID | None = None
    # Whether the change begins or ends a driver's drive, and the driver, if known beforehand.
    begins_drive: bool = False
    ends_drive: bool = False
    driver_id: UUID | None = None
    # For the history.
    is_arrival: bool = False
    cancel_code: CancelCode | None = None
    reason: str | None = None


class TripWrites:
    """Builds the statements that write trips, and runs them in a transaction of the outbox."""

    def __init__(
        self,
        database: Database,
        announcements: TripAnnouncements,
        *,
        sessions: Sessions,
        acceptance: Acceptance,
        drive_ended: Callable[[UUID], Awaitable[None]],
        request_ttl_s: int,
        open_trips_per_rider: int | None,
        periods: Periods,
        has_pins: bool,
    ) -> None:
        """``drive_ended`` is called with the driver's id after the commit that ends a drive.

        ``has_pins``: an accepted trip has a PIN.
        """
        self._database = database
        self._announcements = announcements
        self._sessions = sessions
        self._acceptance = acceptance
        self._drive_ended = drive_ended
        self._request_ttl_s = request_ttl_s
        self._periods = periods
        self._has_pins = has_pins
        # None: no limit.
        self.open_trips_per_rider = open_trips_per_rider

    def request(
        self,
        rider_id: UUID,
        journey: Journey,
        *,
        changed_by: ChangedBy,
        user_id: UUID,
        key: str | None = None,
        session_id: UUID | None = None,
    ) -> Write:
        """Insert a trip if the rider may have one more open trip, and the key is unused."""
        values = requested(rider_id, journey, key)
        conditions = self.has_room(f"${len(values)}")
        if session_id is not None:
            conditions = f"{trip_rows.CALLED} AND {conditions}"
        return Write(
            self.insert_sql([f"${n + 1}" for n in range(len(values))], f"WHERE {conditions}"),
            values,
            changed_by=changed_by,
            user_id=user_id,
            session_id=session_id,
            for_pool=True,
        )

    def insert_sql(self, values: Sequence[str], source: str) -> str:
        """SQL that inserts trips from ``source``, except if the rider's key is used already.

        ``values`` are SQL values for ``REQUESTED``.
        """
        own = {
            "created": "{begun}",
            "updated": "{begun}",
            "version": "1",
            "status": f"'{FIRST.value}'",
            "expires_at": self._deadline(),
            "given_back_by": "''",
        }
        return (
            f"INSERT INTO trips ({', '.join([*REQUESTED, *own])}) SELECT {', '.join([*values, *own.values()])} "
            f"{source} ON CONFLICT (rider_id, idempotency_key) DO NOTHING"
        )

    def step(
        self,
        step: Transition,
        trip_id: UUID,
        *,
        actor_id: UUID | None,
        if_version: int | None = None,
        reason: str | None = None,
        cancel_code: CancelCode | None = None,
        session_id: UUID | None = None,
        pin: str | None = None,
    ) -> Write:
        """Make one transition if the trip has its status, its guard holds, and the actor may make it.

        Of the guard DRIVER_SILENT the caller must have checked the positions. With a ``pin``, the caller must have
        counted it if it is wrong.
        """
        cancel_code = cancel_code or default_cancel_code(step)
        changes, conditions = (
            ["status = $2", "version = version + 1", "updated = {now}"],
            ["id = $1", "status = $3"],
        )
        args: list[object] = [trip_id, step.target, step.source]

        def bind(value: object) -> str:
            args.append(value)
            return f"${len(args)}"

        if step.by is Party.ANY_DRIVER:
            conditions.append(has_not_given_back(bind(listed(actor_id))))
            changes.append(f"driver_id = {bind(actor_id)}")
            if session_id is not None:
                conditions.append(self._acceptance.condition)
                changes.append(f"vehicle = {VEHICLE}")
            if self._has_pins:
                # The counter too: a server without PINs may have left another driver's.
                changes += [f"pick_up_pin = {bind(new_pin())}", "wrong_pins = 0", "pin_locked_until = NULL"]
        elif step.by is Party.DRIVER:
            conditions.append(f"driver_id = {bind(actor_id)}")
        elif step.by is Party.RIDER:
            conditions.append(f"rider_id = {bind(actor_id)}")
        if step.guard is not None and (step.guard is not Guard.PIN or self._has_pins):
            holds = guard_sql(step.guard, self._database.sql, self._periods)
            if step.guard is Guard.PIN and pin is not None:
                holds = f"({holds} OR {fits(bind(pin))})"
            conditions.append(holds)
        if is_on_the_way(step.source):
            changes.append(FORGET)
        gives_back = is_open(step.target)
        if gives_back:
            changes += [f"given_back_by = given_back_by || {bind(f'{actor_id} ')}"]
            changes += ["driver_id = NULL", "vehicle = NULL", "arrived_at = NULL"]
        if is_open(step.source) != gives_back:
            changes.append(f"expires_at = {self._deadline() if gives_back else 'NULL'}")
        if reason is not None and keeps_reason(step.target):
            changes.append(f"cancel_reason = {bind(reason)}")
        if cancel_code is not None and keeps_reason(step.target):
            changes.append(f"cancel_code = {bind(cancel_code)}")
        if if_version is not None:
            conditions.append(f"version = {bind(if_version)}")
        if session_id is not None:
            conditions.append(trip_rows.CALLED)
        return Write(
            f"UPDATE trips SET {', '.join(changes)} WHERE {' AND '.join(conditions)}",
            args,
            changed_by=changed_by(step.by),
            user_id=actor_id,
            session_id=session_id,
            for_pool=step.pool_hears,
            former_driver_id=actor_id if gives_back else None,
            begins_drive=is_driving(step.target) and not is_driving(step.source),
            ends_drive=is_driving(step.source) and not is_driving(step.target),
            driver_id=actor_id if step.by in (Party.ANY_DRIVER, Party.DRIVER) else None,
            cancel_code=cancel_code,
            reason=reason if tells_reason(step.target) else None,
        )

    async def abandoned_ids(self, *, limit: int) -> list[UUID]:
        """Trips under way that nobody has changed for too long."""
        too_old = guard_sql(Guard.ABANDONED, self._database.sql, self._periods)
        return await trip_rows.driven_ids(self._database, too_old, limit=limit)

    def arrival(self, trip_id: UUID, driver_id: UUID, session_id: UUID) -> Write:
        """Note that the trip's driver has arrived at the pick-up, once."""
        return Write(
            "UPDATE trips SET version = version + 1, updated = {now}, arrived_at = {now} "
            f"WHERE id = $1 AND {has_status(ON_THE_WAY)} AND driver_id = $2 AND arrived_at IS NULL "
            f"AND {trip_rows.CALLED}",
            (trip_id, driver_id),
            changed_by=ChangedBy.DRIVER,
            user_id=driver_id,
            session_id=session_id,
            for_pool=False,
            is_arrival=True,
        )

    async def run(
        self, transaction: OutboxTransaction, write: Write, *, skips_locked: bool = False
    ) -> TripValue | None:
        """Write one trip, add it to the history, note and announce it; None if no row matched.

        A change that ends a drive without naming its driver needs a transaction that does not commit immediately.
        ``skips_locked``: a session that another transaction has locked counts as ended.

        Raises:
            Conflict: a constraint refused it.
            SessionEnded: the session of the write has ended.
        """
        args, caller = [*write.args], None
        if write.session_id is not None:
            args.append(write.session_id)
            session_id = f"${len(args)}"
            if write.begins_drive:
                caller = self._acceptance.caller_sql(session_id)
            else:
                caller = self._sessions.live_sql(session_id) + self._sessions.session_lock_sql
            if skips_locked:
                caller += " SKIP LOCKED"
        run = self._run_as_one if self._database.sql.writes_with_reads else self._run_in_steps
        if transaction.commits_at_once:
            await self._tell_of_drive(transaction, write, write.driver_id)
        written = await run(transaction, write, args, caller)
        if written is None:
            return None
        note_id, trip = written
        driver_id = trip.driver.id if trip.driver is not None else write.driver_id
        await self._tell_of_drive(transaction, write, driver_id)
        if write.ends_drive and driver_id is not None:
            transaction.then(partial(self._drive_ended, driver_id))
        transaction.announce(
            self._announcements.changed(
                note_id, trip, for_pool=write.for_pool, former_driver_id=write.former_driver_id
            )
        )
        return trip

    async def _tell_of_drive(self, transaction: OutboxTransaction, write: Write, driver_id: UUID | None) -> None:
        """Revoke the leases before the commit: another rider, or none, may see the driver's positions then."""
        if driver_id is not None and (write.begins_drive or write.ends_drive):
            await transaction.change_of(driver_id, is_end=write.ends_drive)

    async def _run_in_steps(
        self, transaction: OutboxTransaction, write: Write, args: Sequence[object], caller: str | None
    ) -> tuple[int, TripValue] | None:
        found = f"WITH caller AS ({caller}) " if caller is not None else ""
        rows = await transaction.fetch(f"{found}{write.sql} RETURNING id, version", *args)
        if not rows:
            if write.session_id is not None:
                await self._sessions.require(transaction, write.session_id)
            return None
        trip_id = rows[0]["id"]
        await transaction.fetch(
            trip_history.change_sql(
                "trips", changed_by="$2", user="$3", is_arrival="$4", cancel_code="$5", reason="$6"
            )
            + " WHERE id = $1",
            trip_id,
            write.changed_by,
            write.user_id,
            write.is_arrival,
            write.cancel_code,
            write.reason,
        )
        note_id = await transaction.note_trip(
            trip_id, rows[0]["version"], for_pool=write.for_pool, former_driver_id=write.former_driver_id
        )
        trip = await trip_rows.find(transaction, trip_id)
        assert trip is not None, "written in this transaction"
        return note_id, trip

    async def _run_as_one(
        self, transaction: OutboxTransaction, write: Write, args: Sequence[object], caller: str | None
    ) -> tuple[int, TripValue] | None:
        """Run everything as one statement: one round trip instead of five, and a complete transaction."""
        first = len(args) + 1
        (row,) = await transaction.fetch(
            trip_rows.joined_with(
                caller=caller,
                written=f"{write.sql} RETURNING *",
                change=trip_history.change_sql(
                    "written",
                    changed_by=f"${first}::text",
                    user=f"${first + 1}::uuid",
                    is_arrival=f"${first + 4}::boolean",
                    cancel_code=f"${first + 5}::text",
                    reason=f"${first + 6}::text",
                ),
                note=note_sql("written", former=f"${first + 2}::uuid", pool=f"${first + 3}::boolean"),
            ),
            *args,
            write.changed_by,
            write.user_id,
            write.former_driver_id,
            write.for_pool,
            write.is_arrival,
            write.cancel_code,
            write.reason,
        )
        if not row["is_live"]:
            raise SessionEnded
        return (row["note_id"], trip_of(row)) if row["note_id"] is not None else None

    def has_room(self, rider: str, *, besides: str = "0") -> str:
        """SQL for "the rider may have one more open trip, and that many besides"; both are SQL values."""
        if self.open_trips_per_rider is None:
            return "TRUE"
        if self._database.sql.writes_one_by_one:
            # The second condition is the condition of the index.
            is_open, is_active = has_status(OPEN), has_status(ACTIVE)
            open_trips = f"(SELECT count(*) FROM trips WHERE rider_id = {rider} AND {is_open} AND {is_active})"
        else:
            # A function of the migrations counts them under a lock of the rider.
            open_trips = f"open_trips_of({rider}::uuid)"
        return f"{open_trips} + {besides} < {self.open_trips_per_rider}"

    def _deadline(self) -> str:
        return self._database.sql.ago(-self._request_ttl_s)
