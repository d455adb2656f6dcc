"""Writes the trips that riders request; requests that arrive during one statement are written by the next."""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

import structlog

from models.frozen import frozen
from models.trip_life import ChangedBy
from models.values import TripValue
from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.database.dialects import uuid
from services.errors import DatabaseUnavailable, SessionEnded
from services.events.outbox import Outbox, note_sql
from services.runtime.batches import Batches
from services.runtime.shield import Shield
from services.tracing.tracing import SpanContext, Tracing
from services.trips import history as trip_history
from services.trips import rows as trip_rows
from services.trips.announcements import TripAnnouncements
from services.trips.checks import Journey
from services.trips.columns import trip_of
from services.trips.new_trip import REQUESTED, requested
from services.trips.writes import TripWrites

# Not all that wait: the server answers some callers while the database writes the requests of others.
MAX_TOGETHER = 16
# Two, so that the database has work while the server reads an answer.
MAX_UNDER_WAY = 2

# ``nth``: the number of earlier requests of the same rider.
_ASKED = {**REQUESTED, "session_id": "uuid", "nth": "int"}

_log = structlog.stdlib.get_logger(__name__)


@frozen
class TripRequest:
    """The checked request of a rider in a session.

    ``key``: their idempotency key, if any; ``caller``: the span of the request, if it is traced.
    """

    actor: Actor
    journey: Journey
    key: str | None
    caller: SpanContext | None = None


class Outcome(Enum):
    """Why a request was not written together with others."""

    ALONE = "It has to be written alone."
    REFUSED = "Its rider may have no more open trips, or has used its key."


class TripRequests:
    """Writes requested trips, each immediately or not at all, and announces them.

    On PostgreSQL one statement writes all requests that arrived during the last statements, at a quarter of the
    cost. It does not wait for a session or a user that another transaction has locked. A request that it skips is
    written alone; that statement also finds the reason. So no rider waits for another rider, or fails because of
    one.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        writes: TripWrites,
        announcements: TripAnnouncements,
        sessions: Sessions,
        shield: Shield,
        *,
        tracing: Tracing | None = None,
    ) -> None:
        self._shield = shield
        self._tracing = tracing
        self._database = database
        self._outbox = outbox
        self._writes = writes
        self._announcements = announcements
        self._sessions = sessions
        self._batches: Batches[TripRequest, TripValue | Outcome] = Batches(
            self._send_batch, at_most=MAX_TOGETHER, under_way=MAX_UNDER_WAY
        )

    async def write_with_others(self, request: TripRequest) -> TripValue | Outcome:
        """Write one trip together with those that are requested at the same time.

        It needs no shield: if the caller is cancelled, the trip is written all the same.

        Raises:
            DatabaseUnavailable: if the connection was lost during the commit, it may be written.
        """
        if self._tracing is not None:
            request = replace(request, caller=self._tracing.here())
        if self._database.sql.writes_with_reads:
            return await self._batches.run(request)
        return Outcome.ALONE

    async def write_alone(self, request: TripRequest, *, skips_locked: bool = False) -> TripValue | None:
        """Write one trip; None if its rider may have no more, or has used its key.

        ``skips_locked``: a session that another transaction has locked counts as ended.

        Raises:
            SessionEnded: the session of the request has ended.
            DatabaseUnavailable: if the connection was lost during the commit, it may be written.
        """
        rider_id = request.actor.id
        write = self._writes.request(
            rider_id,
            request.journey,
            changed_by=ChangedBy.RIDER,
            user_id=rider_id,
            key=request.key,
            session_id=request.actor.session_id,
        )
        async with self._outbox.statement() as changes:
            return await self._writes.run(changes, write, skips_locked=skips_locked)

    async def _send_batch(self, requests: Sequence[TripRequest], _: float) -> Sequence[TripValue | Outcome]:
        if self._tracing is not None:
            return await self._send_traced(self._tracing, requests)
        # The server does not stop before it is written and announced.
        return await self._shield.run(self._write_batch(requests))

    async def _send_traced(
        self, tracing: Tracing, requests: Sequence[TripRequest]
    ) -> Sequence[TripValue | Outcome]:
        with tracing.together("write trips", [request.caller for request in requests]):
            return await self._shield.run(self._write_batch(requests))

    async def _write_batch(self, requests: Sequence[TripRequest]) -> Sequence[TripValue | Outcome]:
        if len(requests) == 1:
            try:
                return [await self.write_alone(requests[0], skips_locked=True) or Outcome.REFUSED]
            except SessionEnded:
                return [Outcome.ALONE]
        new = [requested(request.actor.id, request.journey, request.key) for request in requests]
        written = await self._write_together(requests, new)
        return [written.get(values[0], Outcome.ALONE) for values in new]

    async def _write_together(
        self, requests: Sequence[TripRequest], new: Sequence[tuple[object, ...]]
    ) -> dict[object, TripValue]:
        """The written trips, by id."""
        # In a fixed order, so that of two statements that need the same locks one waits for the other.
        order = sorted(range(len(new)), key=lambda n: (requests[n].actor.id, requests[n].key or ""))
        seen: dict[object, int] = {}
        nth = []
        for n in order:
            rider_id = requests[n].actor.id
            nth.append(seen.setdefault(rider_id, 0))
            seen[rider_id] += 1
        is_traced = self._tracing is not None
        callers = {new[n][0]: request.caller for n, request in enumerate(requests)} if is_traced else {}
        async with self._outbox.statement() as changes:
            try:
                rows = await changes.fetch(
                    self._together_sql(),
                    *([new[n][column] for n in order] for column in range(len(REQUESTED))),
                    [requests[n].actor.session_id for n in order],
                    nth,
                )
            except DatabaseUnavailable:
                # Perhaps it was committed.
                raise
            except Exception:
                # Nothing was written. Alone, each request finds out whether it is at fault.
                _log.warning("requests are written one by one", exc_info=True)
                return {}
            trips: dict[object, TripValue] = {}
            for row in rows:
                trip = trips[uuid(row["id"])] = trip_of(row)
                changes.announce(
                    self._announcements.changed(
                        row["note_id"], trip, for_pool=True, former_driver_id=None, caller=callers.get(trip.id)
                    )
                )
            return trips

    def _together_sql(self) -> str:
        room = self._writes.has_room("callers.user_id", besides="asked.nth")
        return trip_rows.joined_with_many(
            asked=f"SELECT * FROM {self._database.sql.lists(_ASKED)} asked",
            callers=self._sessions.live_sql("ANY (SELECT session_id FROM asked)", "s.id AS session_id, s.user_id")
            + f"{self._sessions.session_lock_sql} SKIP LOCKED",
            written=self._writes.insert_sql(
                [f"asked.{column}" for column in REQUESTED],
                "FROM asked JOIN callers ON callers.session_id = asked.session_id AND "
                f"callers.user_id = asked.rider_id WHERE {room}",
            )
            + " RETURNING *",
            changes=trip_history.change_sql("written", changed_by=f"'{ChangedBy.RIDER.value}'", user="rider_id"),
            notes=note_sql("written", former="NULL::uuid", pool="TRUE"),
        )
