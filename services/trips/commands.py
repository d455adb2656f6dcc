"""The use cases of a trip: requesting it, moving it through its life, and reading it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from models.geo import GeoPoint
from models.values import (Role, TripSnapshot, UserSnapshot)
from models.trip_life import (
    ChangedBy,
    Party,
    Transition,
    TripStatus,
    WithdrawReason,
    changed_by,
    is_open,
    keeps_reason,
    transitions,
    withdraw_reason,
)
from models.visibility import Actor, may_see
from services.positions import areas
from services.validation import texts
from services.trips import (history as trip_history, rows as trip_rows)
from services.database.connections import (Conflict, Database, Transaction, uuid)
from services.errors import BadInput, ErrorCode, SessionEnded, UserFault
from services.events.outbox import (Note, Outbox, note_sql)
from services.limits.per_user import PerUser
from services.validation.points import on_earth
from services.accounts.sessions import Sessions
from services.runtime.shield import Shield
from services.trips.rows import TripPage

MAX_ADDRESS_CHARS = 255
MAX_REASON_CHARS = 500
MAX_KEY_CHARS = 128
MAX_PAGE = 100
IDEMPOTENCY_KEY_TTL_S = 24 * 3600
EXPIRY_BATCH = 200

# The addresses and the points of a request, checked.
_Wanted = tuple[str, str, GeoPoint | None, GeoPoint | None]

(_EXPIRY,) = transitions(TripStatus.EXPIRED, Party.SYSTEM)


class NotARider(UserFault):
    """Only riders may do this."""

    code = ErrorCode.NOT_A_RIDER


class NotADriver(UserFault):
    """Only drivers may do this."""

    code = ErrorCode.NOT_A_DRIVER


class TripNotFound(UserFault):
    """No such trip, or not one that the caller may see: both are the same answer."""

    code = ErrorCode.TRIP_NOT_FOUND


class TripTaken(UserFault):
    """Another driver was first."""

    code = ErrorCode.TRIP_TAKEN


class TripCancelled(UserFault):
    """The trip was cancelled before the driver accepted."""

    code = ErrorCode.TRIP_CANCELLED


class TripExpired(UserFault):
    """No driver accepted the trip in time."""

    code = ErrorCode.TRIP_EXPIRED


class IllegalTransition(UserFault):
    """The trip's life has no such step from where it is."""

    code = ErrorCode.ILLEGAL_TRANSITION


class VersionConflict(UserFault):
    """The trip has changed since the caller read it."""

    code = ErrorCode.VERSION_CONFLICT


class IdempotencyConflict(UserFault):
    """The rider's key was used for another request."""

    code = ErrorCode.IDEMPOTENCY_CONFLICT


class DriverBusy(UserFault):
    """The driver has an active trip. Trying again helps once it has ended."""

    code = ErrorCode.DRIVER_BUSY
    retryable = True


class TooManyOpenTrips(UserFault):
    """The rider has as many open trips as one may have. Trying again helps once one is taken or has ended."""

    code = ErrorCode.TOO_MANY_OPEN_TRIPS
    retryable = True


@dataclass(frozen=True, slots=True)
class TripWritten:
    """A change that a transaction has made, to be announced after its commit."""

    note: Note
    trip: TripSnapshot


@dataclass(frozen=True, slots=True)
class _Write:
    """A statement that writes one trip, and what is to be known of the change."""

    sql: str
    args: Sequence[object]
    changed_by: ChangedBy
    user_id: UUID | None
    # In which session it is written: then the statement asks for ``trip_rows.CALLED``.
    session_id: UUID | None
    for_pool: bool
    former_driver_id: UUID | None = None


class Trips:
    """Trips of one application. Every change is announced after its commit, never before."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        shield: Shield,
        *,
        sessions: Sessions,
        request_ttl_s: int,
        open_trips_per_rider: int | None,
        changing: PerUser,
    ) -> None:
        """``changing``: how often a user may request and change trips. ``open_trips_per_rider`` None: no bound."""
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self._sessions = sessions
        self._request_ttl_s = request_ttl_s
        self._open_trips_per_rider = open_trips_per_rider
        self._changing = changing

    async def request(
        self,
        actor: Actor,
        *,
        pick_up_address: str,
        drop_off_address: str,
        pick_up: GeoPoint | None = None,
        drop_off: GeoPoint | None = None,
        idempotency_key: str | None = None,
    ) -> TripSnapshot:
        """Request a trip for the calling rider.

        With an ``idempotency_key`` (the rider's own, kept for 24 h) the same request asked again returns
        the same trip and announces nothing.

        Of any number of simultaneous requests of one rider, exactly as many succeed as the rider may have open. A
        trip that its driver gives back is open again, whatever their number.

        Raises:
            NotARider: the caller is a driver.
            RateLimited: the caller requests and changes trips too often.
            TooManyOpenTrips: the caller waits for so many drivers already.
            IdempotencyConflict: the key was used with other contents.
            BadInput: an address or the key is empty, too long or contains a forbidden character, or a point is
                none.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.RIDER:
            raise NotARider("Only riders can request trips.")
        await self._changing.count(actor)
        wanted = _wanted(pick_up_address, drop_off_address, pick_up, drop_off)
        if idempotency_key is not None:
            _check_text(idempotency_key, "idempotencyKey", what="A key", max_chars=MAX_KEY_CHARS)
        return await self._shield.run(self._request(actor, wanted, idempotency_key))

    async def request_in(
        self,
        transaction: Transaction,
        *,
        rider: UserSnapshot,
        staff_id: UUID,
        pick_up_address: str,
        drop_off_address: str,
        pick_up: GeoPoint | None = None,
        drop_off: GeoPoint | None = None,
    ) -> TripWritten:
        """Request a trip for a rider, by staff, in the caller's transaction. ``announce`` it after the commit.

        Whether the rider may still have one, and staff may do that, is for the caller to ask in that transaction.

        Raises:
            NotARider: they are a driver.
            TooManyOpenTrips: they wait for so many drivers already.
            BadInput: an address is empty, too long or contains a forbidden character, or a point is none.
        """
        if rider.role is not Role.RIDER:
            raise NotARider("Only riders can request trips.")
        wanted = _wanted(pick_up_address, drop_off_address, pick_up, drop_off)
        written = await self._write_in(
            transaction, self._request_sql(rider.id, wanted, None, changed_by=ChangedBy.STAFF, user_id=staff_id)
        )
        if written is None:
            raise self._too_many_open()
        return written

    async def move_in(
        self,
        transaction: Transaction,
        *,
        trip_id: UUID,
        status: TripStatus,
        by: Party,
        user_id: UUID,
        reason: str | None = None,
    ) -> TripWritten | None:
        """Move a trip to ``status`` as that party, in the caller's transaction. ``announce`` it after the commit.

        Whether they may act at all is for the caller to ask in that transaction. None if it does not stand where
        they may do that, or there is none.

        Raises:
            BadInput: the reason is too long or contains a forbidden character.
        """
        reason = checked_reason(reason)
        for step in transitions(status, by):
            written = await self._write_in(transaction, self._step_sql(step, user_id, trip_id, None, reason))
            if written is not None:
                return written
        return None

    def announce(self, written: TripWritten) -> None:
        """Publish a change soon. Call it after the commit."""
        self._outbox.announce_trip(written.note, written.trip)

    async def _request(self, actor: Actor, wanted: _Wanted, key: str | None) -> TripSnapshot:
        trip = await self._write(
            self._request_sql(
                actor.id,
                wanted,
                key,
                changed_by=ChangedBy.RIDER,
                user_id=actor.id,
                session_id=actor.session_id,
            )
        )
        if trip is not None:
            return trip
        if key is None:
            raise self._too_many_open()
        # Before the key is looked up: a trip that is requested with it in between is found.
        is_full = await self._is_full(actor)
        earlier = None if await self._release(actor, key) else await self._of_key(actor, key)
        if earlier is None:
            if is_full:
                raise self._too_many_open()
            # The key was released between the two statements, by this request or by another.
            return await self._request(actor, wanted, key)
        if (earlier.pick_up_address, earlier.drop_off_address, earlier.pick_up, earlier.drop_off) != wanted:
            raise IdempotencyConflict("This key was used for another request.", field=("idempotencyKey",))
        return earlier

    def _request_sql(
        self,
        rider_id: UUID,
        wanted: _Wanted,
        key: str | None,
        *,
        changed_by: ChangedBy,
        user_id: UUID,
        session_id: UUID | None = None,
    ) -> _Write:
        pick_up_address, drop_off_address, pick_up, drop_off = wanted
        conditions = self._has_room("$10")
        if session_id is not None:
            conditions = f"{trip_rows.CALLED} AND {conditions}"
        return _Write(
            "INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, "
            "pick_up_lat, pick_up_lng, pick_up_cell, drop_off_lat, drop_off_lng, expires_at, given_back_by, "
            "idempotency_key, rider_id) SELECT $1, {begun}, {begun}, 1, 'REQUESTED', $2, $3, $4, $5, $6, $7, $8, "
            f"{self._deadline()}, '', $9, $10 WHERE {conditions} "
            "ON CONFLICT (rider_id, idempotency_key) DO NOTHING",
            (
                uuid4(),
                pick_up_address,
                drop_off_address,
                pick_up.lat if pick_up else None,
                pick_up.lng if pick_up else None,
                areas.cell_of(pick_up) if pick_up else None,
                drop_off.lat if drop_off else None,
                drop_off.lng if drop_off else None,
                key,
                rider_id,
            ),
            changed_by=changed_by,
            user_id=user_id,
            session_id=session_id,
            for_pool=True,
        )

    def _too_many_open(self) -> TooManyOpenTrips:
        return TooManyOpenTrips(f"There are {self._open_trips_per_rider} open requests already.")

    async def _release(self, actor: Actor, key: str) -> bool:
        """Release the key if it is older than 24 h; whether it was."""
        released = await self._database.fetch(
            "UPDATE trips SET idempotency_key = NULL WHERE rider_id = $1 AND idempotency_key = $2 "
            f"AND created < {self._database.ago(IDEMPOTENCY_KEY_TTL_S)} RETURNING id",
            actor.id,
            key,
        )
        return bool(released)

    async def _of_key(self, actor: Actor, key: str) -> TripSnapshot | None:
        """The trip that was requested with the key, if any."""
        rows = await self._database.fetch(
            "SELECT id FROM trips WHERE rider_id = $1 AND idempotency_key = $2", actor.id, key
        )
        return await trip_rows.find(self._database, rows[0]["id"]) if rows else None

    async def update(
        self,
        actor: Actor,
        *,
        trip_id: UUID,
        status: TripStatus,
        if_version: int | None = None,
        reason: str | None = None,
    ) -> TripSnapshot:
        """Move a trip to ``status``: accept, start, complete, give back or cancel it.

        One UPDATE decides: of several simultaneous callers exactly one succeeds. The same change asked again
        by the same actor succeeds and announces nothing, whatever ``if_version`` says.

        Raises:
            RateLimited: the caller requests and changes trips too often.
            NotARider, NotADriver: the other role makes that change.
            TripNotFound: no such trip, or not visible to the caller.
            TripTaken, TripCancelled, TripExpired: too late to accept it.
            DriverBusy: the caller drives another trip.
            VersionConflict: the trip is not at ``if_version``.
            IllegalTransition: the trip's life has no such step.
            BadInput: the reason is too long or contains a forbidden character.
            SessionEnded: the caller's session has ended.
        """
        await self._changing.count(actor)
        return await self._shield.run(
            self._update(actor, _steps(actor, status), trip_id, status, if_version, checked_reason(reason))
        )

    async def _update(
        self,
        actor: Actor,
        steps: Sequence[Transition],
        trip_id: UUID,
        status: TripStatus,
        if_version: int | None,
        reason: str | None,
    ) -> TripSnapshot:
        while True:
            busy = False
            for step in steps:
                try:
                    trip = await self._take(step, actor, trip_id, if_version, reason)
                except Conflict:
                    # The one constraint that such an UPDATE can break: one active trip a driver.
                    busy = True
                    break
                if trip is not None:
                    return trip
            trip = await trip_rows.find(self._database, trip_id)
            if trip is not None and steps and _is_same(actor, trip, status):
                return trip
            if trip is None or not may_see(actor, trip):
                raise _too_late(actor, trip, status)
            if if_version is not None and trip.version != if_version:
                raise VersionConflict(f"The trip is at version {trip.version}.", field=("ifVersion",))
            if busy:
                raise DriverBusy("You have an active trip.")
            if all(step.source is not trip.status for step in steps):
                raise IllegalTransition(
                    f"A trip cannot go from {trip.status.value} to {status.value}.", field=("status",)
                )
            # The trip changed between the UPDATE and the read, and the step is legal now; or its deadline
            # has passed, and no sweep has seen it yet.
            await self._take(_EXPIRY, None, trip_id, None, None)

    async def _take(
        self,
        step: Transition,
        actor: Actor | None,
        trip_id: UUID,
        if_version: int | None,
        reason: str | None,
    ) -> TripSnapshot | None:
        """Take one step if the trip stands where it begins; None if it does not. No actor: the system takes it.

        Raises:
            Conflict: the driver has another active trip.
            SessionEnded: the actor's session has ended.
        """
        actor_id, session_id = (actor.id, actor.session_id) if actor is not None else (None, None)
        return await self._write(
            self._step_sql(step, actor_id, trip_id, if_version, reason, session_id=session_id)
        )

    def _step_sql(
        self,
        step: Transition,
        actor_id: UUID | None,
        trip_id: UUID,
        if_version: int | None,
        reason: str | None,
        *,
        session_id: UUID | None = None,
    ) -> _Write:
        changes, conditions = (
            ["status = $2", "version = version + 1", "updated = {now}"],
            ["id = $1", "status = $3"],
        )
        args: list[object] = [trip_id, step.target, step.source]

        def bind(value: object) -> str:
            args.append(value)
            return f"${len(args)}"

        if step.by is Party.ANY_DRIVER:
            conditions += [f"given_back_by NOT LIKE {bind(f'%{actor_id}%')}", "expires_at > {now}"]
            changes.append(f"driver_id = {bind(actor_id)}")
        elif step.by is Party.DRIVER:
            conditions.append(f"driver_id = {bind(actor_id)}")
        elif step.by is Party.RIDER:
            conditions.append(f"rider_id = {bind(actor_id)}")
        elif step.by is Party.SYSTEM:
            conditions.append("expires_at <= {now}")
        gives_back = is_open(step.target)
        if gives_back:
            changes += [f"given_back_by = given_back_by || {bind(f'{actor_id} ')}", "driver_id = NULL"]
        if is_open(step.source) != gives_back:
            changes.append(f"expires_at = {self._deadline() if gives_back else 'NULL'}")
        if reason is not None and keeps_reason(step.target):
            changes.append(f"cancel_reason = {bind(reason)}")
        if if_version is not None:
            conditions.append(f"version = {bind(if_version)}")
        if session_id is not None:
            conditions.append(trip_rows.CALLED)
        return _Write(
            f"UPDATE trips SET {', '.join(changes)} WHERE {' AND '.join(conditions)}",
            args,
            changed_by=changed_by(step.by),
            user_id=actor_id,
            session_id=session_id,
            for_pool=step.pool_hears,
            former_driver_id=actor_id if gives_back else None,
        )

    async def _write(self, write: _Write) -> TripSnapshot | None:
        """Run a statement that writes one trip, and announce the change after the commit; None if it hit no row.

        Raises:
            Conflict: a constraint refused it.
            SessionEnded: the session that it is written in has ended.
        """
        if self._database.is_sqlite:
            async with self._database.transaction() as transaction:
                written = await self._write_in(transaction, write)
        else:
            # One statement is a transaction too, and one round trip instead of five.
            written = await self._write_in(self._database, write)
        if written is None:
            return None
        self._outbox.announce_trip(written.note, written.trip)
        return written.trip

    async def _write_in(self, source: Database | Transaction, write: _Write) -> TripWritten | None:
        """Run a statement that writes one trip, add it to the history, and note it; None if it hit no row.

        ``source`` is a transaction; on PostgreSQL it may also be the database.

        Raises:
            SessionEnded: the session that it is written in has ended.
        """
        args, caller = [*write.args], None
        if write.session_id is not None:
            args.append(write.session_id)
            caller = self._sessions.live_sql(f"${len(args)}") + self._sessions.held_sql
        if self._database.is_sqlite:
            found = f"WITH caller AS ({caller}) " if caller is not None else ""
            rows = await source.fetch(f"{found}{write.sql} RETURNING id", *args)
            if not rows:
                if write.session_id is not None and not await source.fetch(
                    self._sessions.live_sql("$1"), write.session_id
                ):
                    raise SessionEnded
                return None
            await source.fetch(
                trip_history.change_sql("trips", changed_by="$2", user="$3") + " WHERE id = $1",
                rows[0]["id"],
                write.changed_by,
                write.user_id,
            )
            note = await self._outbox.note_trip(
                source, rows[0]["id"], for_pool=write.for_pool, former_driver_id=write.former_driver_id
            )
            trip = await trip_rows.find(source, rows[0]["id"])
            assert trip is not None, "written in this transaction"
            return TripWritten(note, trip)
        first = len(args) + 1
        (row,) = await source.fetch(
            trip_rows.joined_with(
                caller=caller,
                written=f"{write.sql} RETURNING *",
                change=trip_history.change_sql(
                    "written", changed_by=f"${first}::text", user=f"${first + 1}::uuid"
                ),
                note=note_sql("written", former=f"${first + 2}::uuid", pool=f"${first + 3}::boolean"),
            ),
            *args,
            write.changed_by,
            write.user_id,
            write.former_driver_id,
            write.for_pool,
        )
        if not row["is_live"]:
            raise SessionEnded
        if row["note_id"] is None:
            return None
        trip = trip_rows.snapshot(row)
        note = Note(
            row["note_id"],
            trip_id=trip.id,
            former_driver_id=write.former_driver_id,
            for_pool=write.for_pool,
        )
        return TripWritten(note, trip)

    async def expire_overdue(self) -> int:
        """Expire open trips whose deadline has passed; how many. Any process may do it at any time."""
        rows = await self._database.fetch(
            f"SELECT id FROM trips WHERE status = 'REQUESTED' AND expires_at <= {{begun}} LIMIT {EXPIRY_BATCH}"
        )
        expired = 0
        for row in rows:
            taken = await self._shield.run(self._take(_EXPIRY, None, uuid(row["id"]), None, None))
            expired += taken is not None
        return expired

    async def find(self, actor: Actor, *, trip_id: UUID) -> TripSnapshot | None:
        """The trip, or None when it does not exist for the caller."""
        trip = await trip_rows.find(self._database, trip_id)
        return trip if trip is not None and may_see(actor, trip) else None

    async def page(
        self,
        actor: Actor,
        *,
        statuses: Sequence[TripStatus] | None = None,
        first: int = 20,
        after: tuple[datetime, UUID] | None = None,
    ) -> TripPage:
        """The caller's trips, newest first: a rider's own; a driver's own and the open ones.

        Raises:
            BadInput: ``first`` is not within 0 to 100.
        """
        if not 0 <= first <= MAX_PAGE:
            raise BadInput(f"Ask for 0 to {MAX_PAGE} trips.", field=("first",))
        return await trip_rows.page(self._database, actor, statuses=statuses, first=first, after=after)

    async def _is_full(self, actor: Actor) -> bool:
        if self._open_trips_per_rider is None:
            return False
        return not await self._database.fetch(f"SELECT 1 AS one WHERE {self._has_room('$1')}", actor.id)

    def _has_room(self, rider: str) -> str:
        """SQL for "the rider may have one more open trip"; ``rider`` is an SQL value."""
        if self._open_trips_per_rider is None:
            return "TRUE"
        if self._database.is_sqlite:
            # Writes come one after the other there. The second condition says which index has it.
            active = "status IN ('REQUESTED', 'STARTED', 'IN_PROGRESS')"
            open_trips = (
                f"(SELECT count(*) FROM trips WHERE rider_id = {rider} AND status = 'REQUESTED' AND {active})"
            )
        else:
            # Counted under a lock of the rider's, by a function of the migrations.
            open_trips = f"open_trips_of({rider}::uuid)"
        return f"{open_trips} < {self._open_trips_per_rider}"

    def _deadline(self) -> str:
        return self._database.ago(-self._request_ttl_s)


def _steps(actor: Actor, status: TripStatus) -> tuple[Transition, ...]:
    """The arrows to ``status`` that the caller's role may take."""
    for_riders = transitions(status, Party.RIDER)
    for_drivers = transitions(status, Party.ANY_DRIVER, Party.DRIVER)
    steps = for_riders if actor.user.role is Role.RIDER else for_drivers
    if not steps and for_drivers:
        raise NotADriver("Only drivers make this change.")
    if not steps and for_riders:
        raise NotARider("Only riders make this change.")
    return steps


def _is_same(actor: Actor, trip: TripSnapshot, status: TripStatus) -> bool:
    """Whether the trip already is where this very actor wants to bring it."""
    if trip.status is not status:
        return False
    if is_open(status):
        return actor.id in trip.given_back_by
    party = trip.rider if actor.user.role is Role.RIDER else trip.driver
    return party is not None and party.id == actor.id


def _too_late(actor: Actor, trip: TripSnapshot | None, status: TripStatus) -> UserFault:
    """Why a trip that the caller does not see cannot be had."""
    accepting = bool(transitions(status, Party.ANY_DRIVER)) and actor.user.role is Role.DRIVER
    if trip is None or not accepting or actor.id in trip.given_back_by:
        return TripNotFound("There is no such trip.", field=("id",))
    match withdraw_reason(trip.status):
        case WithdrawReason.CANCELLED:
            return TripCancelled("The rider has cancelled this trip.")
        case WithdrawReason.EXPIRED:
            return TripExpired("This request has expired.")
        case _:
            return TripTaken("Another driver has taken this trip.")


def _wanted(
    pick_up_address: str, drop_off_address: str, pick_up: GeoPoint | None, drop_off: GeoPoint | None
) -> _Wanted:
    return (
        _address(pick_up_address, "pickUpAddress"),
        _address(drop_off_address, "dropOffAddress"),
        on_earth(pick_up, "pickUp") if pick_up is not None else None,
        on_earth(drop_off, "dropOff") if drop_off is not None else None,
    )


def checked_reason(reason: str | None) -> str | None:
    """A reason as it is kept; None for an empty one. Raises: BadInput: see ``_check_text``."""
    reason = texts.trimmed(reason or "") or None
    if reason is not None:
        _check_text(reason, "reason", what="A reason", max_chars=MAX_REASON_CHARS)
    return reason


def _address(text: str, field: str) -> str:
    text = texts.trimmed(text)
    _check_text(text, field, what="An address", max_chars=MAX_ADDRESS_CHARS)
    return text


def _check_text(text: str, field: str, *, what: str, max_chars: int) -> None:
    if not text:
        raise BadInput(f"{what} must not be empty.", field=(field,))
    if len(text) > max_chars:
        raise BadInput(f"{what} has at most {max_chars} characters.", field=(field,))
    # PostgreSQL keeps no null characters.
    if "\x00" in text:
        raise BadInput(f"{what} must not contain a null character.", field=(field,))
    if not texts.OVERRIDES.isdisjoint(text):
        raise BadInput(f"{what} must not contain a character that turns text round.", field=(field,))
