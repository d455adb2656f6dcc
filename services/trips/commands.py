"""The use cases of a trip: requesting it, changing its status, and reading it.

Longer than 300 lines because all of them are here, each with its guarantees and errors.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from models.frozen import frozen
from models.geo import GeoPoint
from models.standing import DriverRules, PauseReason
from models.trip_life import (
    CancelCode,
    ChangedBy,
    Guard,
    Party,
    Transition,
    TripStatus,
    is_open,
    transitions,
)
from models.values import Approval, Role, TripValue, UserValue
from models.visibility import Actor, may_see
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.failures import Conflict
from services.drivers.faults import fault_of
from services.drivers.standings import Standings
from services.errors import BadInput
from services.events.outbox import Outbox, OutboxTransaction
from services.limits.throttle import PerUser
from services.runtime.counters import Counters
from services.runtime.shield import Shield
from services.trips import idempotency_keys
from services.trips import rows as trip_rows
from services.trips.checks import Journey, check_key, check_pin, checked_journey, checked_reason
from services.trips.faults import (
    DriverBusy,
    IdempotencyConflict,
    IllegalTransition,
    NotARider,
    TooManyOpenTrips,
    VersionConflict,
)
from services.trips.guards import Guards
from services.trips.pick_up_pins import PickUpPins
from services.trips.requests import Outcome, TripRequest, TripRequests
from services.trips.rows import TripPage
from services.trips.steps import check_cancel_code, is_made, steps_of, too_late
from services.trips.writes import TripWrites, Write

MAX_PAGE = 100
EXPIRY_BATCH = 200
# Of a trip that has not been given back.
FIRST_ACCEPTANCE = 2

(_EXPIRY,) = transitions(TripStatus.EXPIRED, Party.SYSTEM)
_ABANDONMENTS = transitions(TripStatus.CANCELLED, Party.SYSTEM)


@frozen
class _Change:
    """A change that a caller asks for."""

    actor: Actor
    trip_id: UUID
    status: TripStatus
    if_version: int | None
    reason: str | None
    cancel_code: CancelCode | None
    pin: str | None


class Trips:
    """Trips of one application. Every change is announced after its commit, never before."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        shield: Shield,
        writes: TripWrites,
        requests: TripRequests,
        guards: Guards,
        sessions: Sessions,
        *,
        standings: Standings,
        rules: DriverRules,
        pins: PickUpPins,
        changing: PerUser,
        counters: Counters,
    ) -> None:
        """``changing``: how often a user may request and change trips."""
        self._counters = counters
        self._database = database
        self._outbox = outbox
        self._shield = shield
        self._writes = writes
        self._requests = requests
        self._standings = standings
        self._rules = rules
        self._pins = pins
        self._guards = guards
        self._sessions = sessions
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
    ) -> TripValue:
        """Request a trip for the calling rider.

        With an ``idempotency_key`` (the rider's own, kept for 24 h) a repeated request returns the same trip and
        announces nothing.

        Of simultaneous requests of one rider, exactly as many succeed as the rider may have open. A trip that its
        driver gives back is open again, however many the rider has.

        Raises:
            NotARider: the caller is a driver.
            RateLimited: the caller requests and changes trips too often.
            TooManyOpenTrips: the caller has the maximum of open trips.
            IdempotencyConflict: the key was used with other contents.
            BadInput: an address or the key is empty, too long or contains a forbidden character, or a point is not
                on Earth.
            SessionEnded: the caller's session has ended.
        """
        if actor.user.role is not Role.RIDER:
            raise NotARider("Only riders can request trips.")
        await self._changing.count(actor)
        journey = checked_journey(
            pick_up_address=pick_up_address, drop_off_address=drop_off_address, pick_up=pick_up, drop_off=drop_off
        )
        if idempotency_key is not None:
            check_key(idempotency_key)
        return await self._request(TripRequest(actor, journey, idempotency_key))

    async def request_for(
        self,
        transaction: OutboxTransaction,
        *,
        rider: UserValue,
        staff_id: UUID,
        pick_up_address: str,
        drop_off_address: str,
        pick_up: GeoPoint | None = None,
        drop_off: GeoPoint | None = None,
    ) -> TripValue:
        """Request a trip for a rider, by staff, in the caller's transaction.

        In that transaction the caller must check whether the rider exists and whether staff may do this.

        Raises:
            NotARider: they are a driver.
            TooManyOpenTrips: they have the maximum of open trips.
            BadInput: an address is empty, too long or contains a forbidden character, or a point is not on Earth.
        """
        if rider.role is not Role.RIDER:
            raise NotARider("Only riders can request trips.")
        journey = checked_journey(
            pick_up_address=pick_up_address, drop_off_address=drop_off_address, pick_up=pick_up, drop_off=drop_off
        )
        trip = await self._writes.run(
            transaction,
            self._writes.request(rider.id, journey, changed_by=ChangedBy.STAFF, user_id=staff_id),
        )
        if trip is None:
            raise self._too_many_open()
        return trip

    async def move(
        self,
        transaction: OutboxTransaction,
        *,
        trip_id: UUID,
        status: TripStatus,
        by: Party,
        user_id: UUID,
        reason: str | None = None,
        cancel_code: CancelCode | None = None,
    ) -> TripValue | None:
        """Change a trip's status to ``status`` as that party, in the caller's transaction.

        Transitions with a guard are left out. In that transaction the caller must check whether the party may act
        at all. None if the trip's status allows no such change, or there is no trip.

        Raises:
            BadInput: the reason is too long or contains a forbidden character.
        """
        reason = checked_reason(reason)
        for step in transitions(status, by):
            if step.guard is not None:
                continue
            write = self._writes.step(step, trip_id, actor_id=user_id, reason=reason, cancel_code=cancel_code)
            trip = await self._writes.run(transaction, write)
            if trip is not None:
                return trip
        return None

    async def _request(self, request: TripRequest) -> TripValue:
        written = await self._requests.write_with_others(request)
        if isinstance(written, TripValue):
            return written
        return await self._shield.run(self._request_alone(request, is_refused=written is Outcome.REFUSED))

    async def _request_alone(self, request: TripRequest, *, is_refused: bool = False) -> TripValue:
        if not is_refused and (trip := await self._requests.write_alone(request)) is not None:
            return trip
        actor, key = request.actor, request.key
        if key is None:
            raise self._too_many_open()
        # Before the key is looked up: a trip that is requested with it in between is found.
        is_full = await self._is_full(actor)
        is_free = await idempotency_keys.release(self._database, actor.id, key)
        earlier = None if is_free else await idempotency_keys.find(self._database, actor.id, key)
        if earlier is None:
            if is_full:
                raise self._too_many_open()
            # The key was released between the two statements, by this request or by another.
            return await self._request_alone(request)
        if (
            Journey(earlier.pick_up_address, earlier.drop_off_address, earlier.pick_up, earlier.drop_off)
            != request.journey
        ):
            raise IdempotencyConflict("This key was used for another request.", field=("idempotencyKey",))
        return earlier

    def _too_many_open(self) -> TooManyOpenTrips:
        return TooManyOpenTrips(f"There are {self._writes.open_trips_per_rider} open requests.")

    async def update(
        self,
        actor: Actor,
        *,
        trip_id: UUID,
        status: TripStatus,
        if_version: int | None = None,
        reason: str | None = None,
        cancel_code: CancelCode | None = None,
        pin: str | None = None,
    ) -> TripValue:
        """Change a trip's status to ``status``: accept, start, complete, give back or cancel it.

        One UPDATE decides: of several simultaneous callers exactly one succeeds. A change that the same actor
        repeats succeeds and announces nothing, with any ``if_version``.

        Raises:
            RateLimited: the caller requests and changes trips too often.
            NotARider, NotADriver: only the other role may make this change.
            TripNotFound: no such trip, or not visible to the caller.
            DriverNotApproved: the caller may not accept trips, whether there is such a trip or not.
            TripTaken, TripCancelled, TripExpired: too late to accept it.
            DriverBusy: the caller drives another trip.
            OffDuty, VehicleRequired: the caller may not accept trips now.
            VersionConflict: the trip is not at ``if_version``.
            IllegalTransition: the trip's status allows no such change.
            TooEarly: a driver cancels before having waited for the rider, or a rider ends a ride whose driver is
                not silent.
            WrongPin: the trip has a PIN, and the driver who starts it does not give it.
            PinLocked: there were too many wrong PINs.
            UserFaults: both.
            BadInput: the reason is too long or contains a forbidden character, the code is not the caller's to
                give, or the PIN is not four digits or has no place here.
            SessionEnded: the caller's session has ended.
        """
        await self._changing.count(actor)
        change = _Change(actor, trip_id, status, if_version, checked_reason(reason), cancel_code, pin)
        steps = steps_of(actor, status)
        check_cancel_code(actor, status, cancel_code)
        if pin is not None:
            check_pin(pin, is_asked_for=any(step.guard is Guard.PIN for step in steps))
        return await self._shield.run(self._update(change, steps))

    async def _update(self, change: _Change, steps: Sequence[Transition]) -> TripValue:
        actor, trip_id, status, if_version = change.actor, change.trip_id, change.status, change.if_version
        is_acceptance = any(step.by is Party.ANY_DRIVER for step in steps)
        is_silent = False
        if not steps:
            # Otherwise the first statement below checks the session.
            await self._sessions.require(self._database, actor.session_id)
        while True:
            busy = False
            for step in steps:
                if step.guard is Guard.DRIVER_SILENT and not is_silent:
                    # The positions are asked only if the trip stands where that matters.
                    continue
                if step.guard is Guard.PIN and self._pins.required and change.pin is not None:
                    await self._pins.count_if_wrong(actor, trip_id, change.pin, if_version=if_version)
                try:
                    trip = await self._take(step, trip_id, change)
                except Conflict:
                    # The only constraint that such an UPDATE can break: one active trip for each driver.
                    busy = True
                    break
                if trip is not None:
                    if step.by is Party.ANY_DRIVER and trip.version == FIRST_ACCEPTANCE:
                        self._counters.time_to_accept.add((trip.updated - trip.created).total_seconds())
                    return trip
            read = await trip_rows.find_at(self._database, trip_id)
            trip = read.trips[0] if read.trips else None
            if trip is not None and steps and is_made(actor, trip, status):
                return trip
            if self._rules.needs_approval:
                actor = await self._as_approved(actor)
            if trip is None or not may_see(actor, trip):
                if is_acceptance and not actor.is_approved:
                    # Before the trip is looked at: such a driver learns nothing of it.
                    raise fault_of(PauseReason.NOT_APPROVED)
                raise too_late(actor, trip, status)
            if if_version is not None and trip.version != if_version:
                raise VersionConflict(f"The trip is at version {trip.version}.", field=("ifVersion",))
            if busy:
                raise DriverBusy("You have an active trip.")
            legal = next((step for step in steps if step.source is trip.status), None)
            if legal is None:
                raise IllegalTransition(
                    f"A trip cannot go from {trip.status.value} to {status.value}.", field=("status",)
                )
            if legal.by is Party.ANY_DRIVER:
                obstacle = self._rules.obstacle_of(await self._standings.of(actor.id))
                if obstacle is not None:
                    raise fault_of(obstacle)
            # The trip or the driver changed between the UPDATE and the read, and the change is legal now; or a
            # guard refused it.
            if is_open(trip.status):
                # Its deadline has passed, and no sweep has seen it yet.
                await self._take(_EXPIRY, trip_id)
            elif legal.guard is not None:
                await self._guards.check(legal.guard, trip, as_of=read.as_of, has_pin=change.pin is not None)
                is_silent = legal.guard is Guard.DRIVER_SILENT

    async def _as_approved(self, actor: Actor) -> Actor:
        """The caller as staff have decided by now, which may be after the session was read."""
        standing = await self._standings.of(actor.id)
        return replace(actor, is_approved=standing.approval is Approval.APPROVED)

    async def _take(self, step: Transition, trip_id: UUID, change: _Change | None = None) -> TripValue | None:
        """Make one transition if the trip has its status; None if it has not. No change: the system makes it.

        Raises:
            Conflict: the driver has another active trip.
            SessionEnded: the actor's session has ended.
        """
        if change is None:
            return await self._write(self._writes.step(step, trip_id, actor_id=None))
        write = self._writes.step(
            step,
            trip_id,
            actor_id=change.actor.id,
            if_version=change.if_version,
            reason=change.reason,
            cancel_code=change.cancel_code,
            session_id=change.actor.session_id,
            pin=change.pin,
        )
        return await self._write(write)

    async def _write(self, write: Write) -> TripValue | None:
        """Make one change; None if no row matched.

        Raises:
            Conflict: a constraint refused it.
            SessionEnded: the session of the write has ended.
        """
        # The driver whose drive it ends must be known before the commit.
        is_one = write.driver_id is not None or not write.ends_drive
        async with self._outbox.statement() if is_one else self._outbox.transaction() as changes:
            return await self._writes.run(changes, write)

    async def expire_overdue(self) -> int:
        """Expire open trips whose deadline has passed; returns their number. Any process may do it at any time."""
        expired = 0
        for trip_id in await trip_rows.overdue_ids(self._database, limit=EXPIRY_BATCH):
            expired += await self._shield.run(self._take(_EXPIRY, trip_id)) is not None
        return expired

    async def end_abandoned(self) -> int:
        """Cancel trips under way that nobody has changed for too long; returns their number.

        Any process may do it at any time.
        """
        ended = 0
        for trip_id in await self._writes.abandoned_ids(limit=EXPIRY_BATCH):
            for step in _ABANDONMENTS:
                ended += await self._shield.run(self._take(step, trip_id)) is not None
        return ended

    async def find(self, actor: Actor, *, trip_id: UUID) -> TripValue | None:
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
        """The caller's trips, newest first: for a rider their own; for a driver their own and the open ones.

        Raises:
            BadInput: ``first`` is not within 0 to 100.
            SessionEnded: the caller's session has ended.
        """
        if not 0 <= first <= MAX_PAGE:
            raise BadInput(f"Ask for 0 to {MAX_PAGE} trips.", field=("first",))
        if self._rules.needs_approval and actor.user.role is Role.DRIVER:
            actor = await self._as_approved(actor)
        return await trip_rows.page(
            self._database, actor, self._sessions.live_sql, statuses=statuses, first=first, after=after
        )

    async def _is_full(self, actor: Actor) -> bool:
        if self._writes.open_trips_per_rider is None:
            return False
        return not await self._database.fetch(f"SELECT 1 AS one WHERE {self._writes.has_room('$1')}", actor.id)
