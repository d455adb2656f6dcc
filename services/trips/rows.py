"""Reading trips: each read is one joined statement, whatever the number of rows."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from models.frozen import frozen
from models.trip_life import ACTIVE, DRIVING, ENDED, OPEN, TripStatus
from models.values import Role, TripValue
from models.visibility import Actor
from services.database.connections import Database, Source
from services.database.dialects import moment, uuid
from services.errors import SessionEnded
from services.trips.columns import COLUMNS, JOINS, trip_of, trips_in
from services.trips.conditions import has_status, listed, may_take

# True in a statement whose ``WITH`` has found its live session as ``caller``.
CALLED = "EXISTS (SELECT 1 FROM caller)"

# More trips than this are counted as this many.
MAX_COUNTED = 10_000

_IS_OPEN = has_status(OPEN, "t")
# A driver has none that waits. The index of their active trips does not list that status: if it were asked for,
# PostgreSQL would read all of their trips.
_IS_ACTIVE = {Role.RIDER: has_status(ACTIVE, "t"), Role.DRIVER: has_status(DRIVING, "t")}
_HAS_ENDED = has_status(ENDED, "t")


@frozen
class TripPage:
    """Trips in the requested order; ``has_next``: there are more after the last.

    ``actor`` is the caller for whom they were read, with the approval of that time.
    """

    actor: Actor
    trips: tuple[TripValue, ...]
    has_next: bool


@frozen
class TripsAt:
    """The trips that one read found, between two readings of the database's clock.

    Everything committed before ``begun`` is in the read; nothing written after ``as_of`` is.
    """

    trips: tuple[TripValue, ...]
    begun: datetime
    as_of: datetime


async def find(source: Source, trip_id: UUID) -> TripValue | None:
    """The trip with that id; the caller checks access."""
    rows = await source.fetch(f"SELECT {COLUMNS} FROM trips t {JOINS} WHERE t.id = $1", trip_id)
    return trip_of(rows[0]) if rows else None


def joined_with(*, caller: str | None, written: str, change: str, note: str) -> str:
    """SQL, only for PostgreSQL, that writes a trip, notes it, and reads it: always one row.

    Its ``note_id`` is null if nothing was written. ``written`` is the statement that writes (``… RETURNING *``);
    ``change`` adds the result to the history, and ``note`` notes it. ``caller`` finds the live session of the
    write, which ``written`` requires (``CALLED``); ``is_live`` is whether there is one.
    """
    found, is_live = ("", "TRUE") if caller is None else (f"caller AS ({caller}), ", CALLED)
    return (
        f"WITH {found}written AS ({written}), change AS ({change}), note AS ({note}) "
        f"SELECT {COLUMNS}, asked.is_live, note.id AS note_id FROM (SELECT {is_live} AS is_live) asked "
        f"LEFT JOIN (note CROSS JOIN written t {JOINS}) ON TRUE"
    )


def joined_with_many(*, asked: str, callers: str, written: str, changes: str, notes: str) -> str:
    """As ``joined_with``, for many trips: a row for each written one.

    ``asked`` is a table of the requests; ``callers`` finds their live sessions.
    """
    return (
        f"WITH asked AS ({asked}), callers AS ({callers}), "
        f"written AS ({written}), changes AS ({changes}), notes AS ({notes}) "
        f"SELECT {COLUMNS}, notes.id AS note_id FROM notes JOIN written t ON t.id = notes.trip_id {JOINS}"
    )


async def find_at(database: Database, trip_id: UUID) -> TripsAt:
    """The trip with that id, if any, with the clock of the read."""
    return await _at(database, "SELECT * FROM trips t WHERE t.id = $1", trip_id)


async def find_all(database: Database, trip_ids: Sequence[UUID]) -> TripsAt:
    """The existing trips with these ids, with the clock of the read."""
    return await _at(database, f"SELECT * FROM trips t WHERE {database.sql.among('t.id', 1)}", trip_ids)


async def page(
    database: Database,
    actor: Actor,
    live_sql: Callable[[str], str],
    *,
    statuses: Sequence[TripStatus] | None,
    first: int,
    after: tuple[datetime, UUID] | None,
) -> TripPage:
    """The trips that ``actor`` sees in ``trips``, newest first: for a rider their own; for a driver their own and,
    if they are approved, the open ones.

    ``live_sql`` is that of ``Sessions``: the statement also checks the session. ``after`` is the (created, id) of
    the last trip of the previous page.

    Raises:
        SessionEnded: the caller's session has ended.
    """
    args: list[object] = [actor.id, first + 1, actor.session_id]
    if statuses is not None:
        statuses = sorted(set(statuses))
        args += statuses
    if after is not None:
        args += after
    sees_open_ones = actor.user.role is Role.DRIVER and actor.is_approved
    if sees_open_ones:
        args.append(listed(actor.id))
    sql = _page_sql(
        live_sql("$3"),
        actor.user.role,
        sees_open_ones,
        len(statuses) if statuses is not None else None,
        after is not None,
    )
    rows = await database.fetch(sql, *args)
    if not rows[0]["is_live"]:
        raise SessionEnded
    trips = trips_in(rows)
    return TripPage(actor, trips[:first], has_next=len(trips) > first)


@lru_cache(maxsize=256)
def _page_sql(live: str, role: Role, sees_open_ones: bool, statuses: int | None, is_continued: bool) -> str:
    """The statement of ``page``. ``statuses``: how many are asked for, None for all."""
    args, narrowing = 3, ""
    if statuses is not None:
        marks = ", ".join(f"${args + i + 1}" for i in range(statuses))
        narrowing += f" AND t.status IN ({marks})" if statuses else " AND 1 = 0"
        args += statuses
    if is_continued:
        narrowing += f" AND (t.created, t.id) < (${args + 1}, ${args + 2})"
        args += 2
    order = "ORDER BY t.created DESC, t.id DESC LIMIT $2"
    if not sees_open_ones:
        selected = f"SELECT * FROM trips t WHERE {_party(role)} = $1{narrowing} {order}"
    else:
        # Two index scans of at most a page each: one OR over both would read every trip.
        selected = (
            f"SELECT * FROM (SELECT * FROM trips t WHERE t.driver_id = $1{narrowing} {order}) own UNION ALL "
            f"SELECT * FROM (SELECT * FROM trips t WHERE {may_take(f'${args + 1}', 't')}"
            f"{narrowing} {order}) open"
        )
    # The session is a separate row, so that it is told from a page without trips.
    return (
        f"SELECT {COLUMNS}, asked.is_live FROM (SELECT EXISTS ({live}) AS is_live) asked "
        f"LEFT JOIN ({selected}) t ON asked.is_live LEFT JOIN users r ON r.id = t.rider_id "
        f"LEFT JOIN users d ON d.id = t.driver_id {order}"
    )


async def open_trips(database: Database, *, limit: int) -> TripsAt:
    """The newest ``limit`` trips that wait for a driver."""
    return await _at(
        database,
        f"SELECT * FROM trips t WHERE {_IS_OPEN} ORDER BY t.created DESC, t.id DESC LIMIT $1",
        limit,
    )


async def open_trips_in(database: Database, cells: Collection[int], *, limit: int) -> TripsAt:
    """The newest ``limit`` trips that wait for a driver in any of those fine cells, or have no cell."""
    here = f"({database.sql.among('t.pick_up_cell', 1)} OR t.pick_up_cell IS NULL)"
    return await _at(
        database,
        f"SELECT * FROM trips t WHERE {_IS_OPEN} AND {here} ORDER BY t.created DESC, t.id DESC LIMIT $2",
        list(cells),
        limit,
    )


async def trips_of(
    database: Database, user_id: UUID, role: Role, *, ended_limit: int, ended_since_s: int
) -> TripsAt:
    """The active trips of a rider or a driver, and the newest that ended recently; newest first."""
    mine = f"{_party(role)} = $1"
    return await _at(
        database,
        f"SELECT * FROM (SELECT * FROM trips t WHERE {mine} AND {_IS_ACTIVE[role]}) active UNION ALL "
        f"SELECT * FROM (SELECT * FROM trips t WHERE {mine} AND {_HAS_ENDED} "
        f"AND t.updated > {database.sql.ago(ended_since_s)} ORDER BY t.updated DESC LIMIT $2) ended",
        user_id,
        ended_limit,
    )


async def active_ids(source: Source, user_id: UUID, role: Role) -> list[UUID]:
    """The active trips of a rider or a driver."""
    rows = await source.fetch(f"SELECT id FROM trips t WHERE {_party(role)} = $1 AND {_IS_ACTIVE[role]}", user_id)
    return [uuid(row["id"]) for row in rows]


async def overdue_ids(database: Database, *, limit: int) -> list[UUID]:
    """Trips that wait for a driver and whose deadline has passed."""
    rows = await database.fetch(
        f"SELECT id FROM trips t WHERE {_IS_OPEN} AND expires_at <= {{begun}} LIMIT {limit}"
    )
    return [uuid(row["id"]) for row in rows]


async def driven_ids(database: Database, condition: str, *, limit: int) -> list[UUID]:
    """Trips under way of which the SQL condition is true."""
    return [uuid(row["id"]) for row in await database.fetch(driven_sql(condition, limit=limit))]


def driven_sql(condition: str, *, limit: int) -> str:
    """The statement of ``driven_ids``: it reads the partial index of the trips under way."""
    return f"SELECT id FROM trips t WHERE {has_status(DRIVING, 't')} AND {condition} LIMIT {limit}"


def counted(statuses: Collection[TripStatus]) -> str:
    """SQL for the number of trips with one of these statuses, none of them final; up to ``MAX_COUNTED``."""
    return (
        "SELECT count(*) AS trips FROM "
        f"(SELECT 1 AS one FROM trips t WHERE {has_status(statuses, 't')} LIMIT {MAX_COUNTED}) found"
    )


async def count_trips(database: Database, statuses: Collection[TripStatus]) -> int:
    """The number of trips with one of these statuses, none of them final; up to ``MAX_COUNTED``."""
    return (await database.fetch(counted(statuses)))[0]["trips"]


async def _at(database: Database, selected: str, *args: object) -> TripsAt:
    # The clock is a separate row, so that it exists without a trip. PostgreSQL takes its snapshot between the two:
    # `begun` is the time at which the statement began, because the statement is a whole transaction. (Its
    # statement_timestamp() is not suitable: the execute message sets it again, after the snapshot.) In SQLite both
    # are one clock: no other statement of this process runs in between.
    rows = await database.fetch(
        f"SELECT {COLUMNS}, clock.begun, clock.as_of FROM (SELECT {{begun}} AS begun, {{now}} AS as_of) clock "
        f"LEFT JOIN ({selected}) t ON 1 = 1 LEFT JOIN users r ON r.id = t.rider_id "
        "LEFT JOIN users d ON d.id = t.driver_id ORDER BY t.created DESC, t.id DESC",
        *args,
    )
    return TripsAt(
        trips=trips_in(rows),
        begun=moment(rows[0]["begun"]),
        as_of=moment(rows[0]["as_of"]),
    )


def _party(role: Role) -> str:
    return "t.rider_id" if role is Role.RIDER else "t.driver_id"
