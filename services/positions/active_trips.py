"""The active trip and the standing of each driver: from the database, or remembered while known to be current."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from models.frozen import frozen
from models.standing import DriverRules, PauseReason
from models.trip_life import DRIVING
from models.values import Approval
from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import Row, moment, uuid
from services.drivers.conditions import may_take_trips
from services.events.leases import MAX_UNCHECKED_S, Lease, Leases
from services.runtime.data_loader import DataLoader
from services.trips.conditions import has_status

# Half of the time for which remembered data may be used without a check.
CHECK_INTERVAL_S = MAX_UNCHECKED_S / 2
# A driver who has not reported for this long is looked up again.
IDLE_S = 60.0
MAX_REMEMBERED = 100_000
# The number of drivers in one statement.
CHECKED_AT_ONCE = 500

# What is known of sessions, as the database is asked about it.
_KNOWN = {"id": "uuid", "trip_id": "uuid"}
_NO_TRIP, _UNKNOWN, _NO_OFFERS = UUID(int=0), UUID(int=1), UUID(int=2)
# What an obstacle is made of.
_STANDING = "u.on_duty, u.approval, u.vehicle IS NOT NULL AS has_vehicle"


@frozen
class ActiveTrip:
    """The active trip of a driver, if any, at ``as_of`` by the database's clock.

    ``obstacle`` is why the driver may not take trips, if they may not. With a trip it makes no difference.
    """

    trip_id: UUID | None
    as_of: datetime
    obstacle: PauseReason | None = None

    @property
    def takes_positions(self) -> bool:
        """Whether the driver's positions are stored: while they may take trips, and during a trip."""
        return self.trip_id is not None or self.obstacle is None


@dataclass(slots=True)
class _Remembered:
    """A remembered session of a driver: it is live, and has this active trip, while the lease is held.

    Times are by the loop's clock: of the last report, of the beginning of the last check, and of the end of the
    session. ``asking``: how many reports wait for the database, in order.
    """

    driver_id: UUID
    reported: float
    asking: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    lease: Lease | None = None
    active: ActiveTrip | None = None
    looked: float = 0.0
    expires: float = 0.0


class ActiveTrips:
    """The active trips of drivers in their sessions.

    Without remembered data it asks the database. Remembered data was read under a lease: a change that ends a
    session, begins or ends a trip, or changes the standing, revokes the lease before the commit
    (``services/events/leases.py``). Every second the data is also compared with the database, and it is not used
    if that has not happened in time.
    """

    def __init__(self, database: Database, sessions: Sessions, leases: Leases, *, rules: DriverRules) -> None:
        self._database = database
        self._sessions = sessions
        self._leases = leases
        self._rules = rules
        self._asked = DataLoader(self._find_all)
        # By session; the one without a report for the longest time comes first.
        self._remembered: OrderedDict[UUID, _Remembered] = OrderedDict()

    async def find(self, actor: Actor) -> ActiveTrip | None:
        """Ask the database; None: the session has ended. Drivers who report together need one statement."""
        known = self._remembered.get(actor.session_id)
        if known is None:
            known = _Remembered(actor.id, asyncio.get_running_loop().time())
            self._remembered[actor.session_id] = known
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        known.asking += 1
        try:
            # Of two simultaneous look-ups the later one may be answered first.
            async with known.turn:
                active = await self._asked.get(actor.session_id)
        finally:
            known.asking -= 1
        if active is None:
            self._remembered.pop(actor.session_id, None)
        return active

    def remembered(self, actor: Actor) -> tuple[ActiveTrip, Lease] | None:
        """The remembered trip of a live session, and the lease that must still be held when the trip is used."""
        known = self._remembered.get(actor.session_id)
        if known is None:
            return None
        now = known.reported = asyncio.get_running_loop().time()
        self._remembered.move_to_end(actor.session_id)
        if (
            # Earlier reports are waiting; if this one overtook them, they would be outdated.
            known.asking
            or known.active is None
            # Nothing is put then, so nothing would ask whether the lease is still held.
            or not known.active.takes_positions
            or known.lease is None
            or now >= known.looked + MAX_UNCHECKED_S
            or now >= known.expires
        ):
            return None
        return known.active, known.lease

    def forget(self, actor: Actor, lease: Lease) -> None:
        """Forget the session, because its lease is not held any more."""
        known = self._remembered.get(actor.session_id)
        if known is not None and known.lease is lease:
            known.lease = known.active = None

    async def check(self) -> None:
        """Compare remembered data with the database, and look up drivers who report and are not remembered."""
        now = asyncio.get_running_loop().time()
        while self._remembered and next(iter(self._remembered.values())).reported < now - IDLE_S:
            self._remembered.popitem(last=False)
        session_ids = list(self._remembered)
        for first in range(0, len(session_ids), CHECKED_AT_ONCE):
            asked = {
                session_id: known
                for session_id in session_ids[first : first + CHECKED_AT_ONCE]
                if (known := self._remembered.get(session_id)) is not None
            }
            await self._check_some(asked)

    async def _check_some(self, asked: dict[UUID, _Remembered]) -> None:
        unknown = [
            known
            for known in asked.values()
            if known.active is None or known.lease is None or not known.lease.is_held
        ]
        # Before the database is asked: a change from now on revokes these leases.
        leases = await self._leases.take({known.driver_id for known in unknown})
        for known in unknown:
            known.active, known.lease = None, leases.get(known.driver_id)
        held = {session_id: known.lease for session_id, known in asked.items() if known.lease is not None}
        if not held:
            return
        looked = asyncio.get_running_loop().time()
        changed = {uuid(row["session_id"]): row for row in await self._find_changed(asked, list(held))}
        for session_id, lease in held.items():
            known = asked[session_id]
            row = changed.get(session_id)
            if known.lease is not lease:
                continue
            if row is not None and row["created"] is None:
                # The session has ended.
                self._remembered.pop(session_id, None)
                known.active = None
            else:
                known.looked = looked
                if row is not None:
                    self._learn(known, row)

    def _learn(self, known: _Remembered, row: Row) -> None:
        as_of = moment(row["as_of"])
        ends = self._sessions.expires_at(created=moment(row["created"]), used=moment(row["used"]))
        known.active = self._active_trip(row)
        known.expires = known.looked + (ends - as_of).total_seconds()

    async def _find_changed(self, asked: dict[UUID, _Remembered], session_ids: list[UUID]) -> Sequence[Row]:
        """The remembered sessions whose data in the database differs."""
        trip_ids = [_known_as(asked[session_id].active) for session_id in session_ids]
        return await self._database.fetch(
            "SELECT asked.id AS session_id, s.created, s.used, t.id AS trip_id, "
            f"{_STANDING}, {{now}} AS as_of FROM {self._database.sql.lists(_KNOWN)} asked "
            f"LEFT JOIN (sessions s JOIN users u ON u.id = s.user_id AND {self._sessions.is_live}) "
            "ON s.id = asked.id LEFT JOIN trips t "
            f"ON t.driver_id = u.id AND {has_status(DRIVING, 't')} "
            "WHERE s.id IS NULL "
            # Each parameter beside an id, so that PostgreSQL takes it for one.
            f"OR CASE WHEN {may_take_trips(self._rules, self._database.sql, 'u')} THEN COALESCE(t.id, $3) "
            "ELSE COALESCE(t.id, $4) END <> asked.trip_id",
            session_ids,
            trip_ids,
            _NO_TRIP,
            _NO_OFFERS,
        )

    async def _find_all(self, session_ids: Sequence[UUID]) -> dict[UUID, ActiveTrip]:
        """The active trip of each live session among these."""
        rows = await self._database.fetch(
            f"SELECT s.id AS session_id, t.id AS trip_id, {_STANDING}, {{now}} AS as_of "
            f"FROM {self._database.sql.ids(1)} asked JOIN sessions s ON s.id = asked.id "
            "JOIN users u ON u.id = s.user_id LEFT JOIN trips t "
            f"ON t.driver_id = u.id AND {has_status(DRIVING, 't')} "
            f"WHERE {self._sessions.is_live}",
            list(session_ids),
        )
        return {uuid(row["session_id"]): self._active_trip(row) for row in rows}

    def _active_trip(self, row: Row) -> ActiveTrip:
        obstacle = self._rules.obstacle(
            on_duty=bool(row["on_duty"]), approval=Approval(row["approval"]), has_vehicle=bool(row["has_vehicle"])
        )
        trip_id = uuid(row["trip_id"]) if row["trip_id"] is not None else None
        return ActiveTrip(trip_id, moment(row["as_of"]), obstacle)


def _known_as(active: ActiveTrip | None) -> UUID:
    if active is None:
        return _UNKNOWN
    return active.trip_id or (_NO_TRIP if active.obstacle is None else _NO_OFFERS)
