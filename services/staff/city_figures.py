"""The figures of the city: what became of the trips requested in the last hour, day or week."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from time import monotonic

from models.trip_life import ON_THE_WAY, CancelCode, TripStatus, has_ended, is_completed, keeps_reason
from models.values import Role
from services.database.connections import Database
from services.database.dialects import Row
from services.trips.conditions import has_status

# Of a period with more trips the older part is left out.
MAX_TRIPS = 100_000
# In a database with more accounts, drivers off duty are not counted: no index knows them.
MAX_ACCOUNTS = 50_000
# An acceptance is the first change after the request; later ones follow a driver who gave the trip back.
_FIRST_CHANGE = 2


class CityPeriod(StrEnum):
    """A period of figures, until now."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"


@dataclass(frozen=True, slots=True)
class _Span:
    """The length of a period and of its parts, and how long its figures are kept."""

    length_s: int
    part_s: int
    kept_s: float


_SPANS = {
    CityPeriod.HOUR: _Span(3600, 300, 30.0),
    CityPeriod.DAY: _Span(24 * 3600, 900, 60.0),
    CityPeriod.WEEK: _Span(7 * 24 * 3600, 3600, 300.0),
}


@dataclass(frozen=True, slots=True)
class TimeToAccept:
    """The nearest-rank percentiles of the seconds from requests to their first acceptances."""

    p50_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class CityFigure:
    """What became of the trips that were requested from ``start`` on.

    ``accepted`` counts those that a driver has accepted, whatever came later. ``cancelled``: by code, None without
    one.
    """

    start: datetime
    requested: int
    accepted: int
    completed: int
    expired: int
    cancelled: "Counter[CancelCode | None]"
    time_to_accept: TimeToAccept | None


@dataclass(frozen=True, slots=True)
class CityFigures:
    """The figures of a period as of ``as_of``: the total, and parts of ``part_s`` seconds, the oldest first.

    ``is_cut``: there were more than ``MAX_TRIPS`` trips, and all begins with the oldest one that is counted.
    ``drivers_off_duty``: None if that is not counted.
    """

    as_of: datetime
    part_s: int
    total: CityFigure
    parts: Sequence[CityFigure]
    is_cut: bool
    drivers_off_duty: int | None


class CityStatistics:
    """Computes the figures, each period by one statement of bounded cost, and keeps them for a while.

    Concurrent callers share a computation.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._kept: dict[CityPeriod, tuple[CityFigures, float]] = {}
        self._computing: dict[CityPeriod, asyncio.Task[CityFigures]] = {}
        self._sql = _statement(database)

    async def of(self, period: CityPeriod) -> CityFigures:
        """The figures of a period, at most as old as they are kept. Raises: DatabaseUnavailable."""
        figures, until_s = self._kept.get(period, (None, 0.0))
        if figures is not None and self._clock() < until_s:
            return figures
        computing = self._computing.get(period)
        if computing is None:
            computing = self._computing[period] = asyncio.create_task(self._compute(period))
            computing.add_done_callback(lambda _: self._computing.pop(period))
        return await asyncio.shield(computing)

    async def _compute(self, period: CityPeriod) -> CityFigures:
        span = _SPANS[period]
        now = datetime.now(UTC)
        # Parts begin at whole multiples of their length, so that they do not move with each computation.
        first_s = (now.timestamp() - span.length_s) // span.part_s * span.part_s
        first = datetime.fromtimestamp(first_s, UTC)
        rows = await self._database.fetch(self._sql, first, float(first_s), float(span.part_s), True)
        figures = _figures(rows, first=first, now=now, span=span)
        self._kept[period] = figures, self._clock() + span.kept_s
        return figures


def _statement(database: Database) -> str:
    """A row for each part, status and code; and one with the accounts.

    ``row_number`` and ``count`` give the nearest rank: in both databases the same, and what ``percentile_disc`` of
    PostgreSQL gives.
    """
    created, accepted = database.sql.epoch_s("r.created"), database.sql.epoch_s("c.at")
    ranks = {"": "PARTITION BY part", "_of_all": ""}
    windows = ", ".join(
        f"row_number() OVER ({by} ORDER BY wait_s IS NULL, wait_s) AS place{name}, "
        f"count(wait_s) OVER ({by}) AS size{name}"
        for name, by in ranks.items()
    )
    percentiles = ", ".join(
        f"max(CASE WHEN place{name} = (size{name} * {percent} + 99) / 100 THEN wait_s END) AS p{percent}{name}"
        for name in ranks
        for percent in (50, 99)
    )
    is_off_duty = f"role = '{Role.DRIVER.value}' AND on_duty <> $4 AND is_active = $4"
    return (
        "WITH recent AS (SELECT t.id, t.created, t.status, t.cancel_code FROM trips t WHERE t.created >= $1 "
        f"ORDER BY t.created DESC, t.id DESC LIMIT {MAX_TRIPS}), "
        f"timed AS (SELECT floor(({created} - $2) / $3) AS part, r.status, r.cancel_code, "
        f"{accepted} - {created} AS wait_s FROM recent r LEFT JOIN trip_changes c ON c.trip_id = r.id "
        f"AND c.version = {_FIRST_CHANGE} AND {has_status(ON_THE_WAY, 'c')}), "
        f"ranked AS (SELECT part, status, cancel_code, wait_s, {windows} FROM timed) "
        "SELECT part, status, cancel_code, count(*) AS trips, count(wait_s) AS accepted, "
        f"{percentiles}, NULL AS off_duty FROM ranked GROUP BY part, status, cancel_code "
        "UNION ALL SELECT -1, NULL, NULL, count(*), 0, NULL, NULL, NULL, NULL, "
        f"sum(CASE WHEN {is_off_duty} THEN 1 ELSE 0 END) "
        f"FROM (SELECT role, on_duty, is_active FROM users LIMIT {MAX_ACCOUNTS + 1}) accounts"
    )


def _figures(rows: Sequence[Row], *, first: datetime, now: datetime, span: _Span) -> CityFigures:
    accounts = next(row for row in rows if row["status"] is None)
    rows = [row for row in rows if row["status"] is not None]
    is_cut = sum(row["trips"] for row in rows) == MAX_TRIPS
    by_part: dict[int, list[Row]] = {}
    for row in rows:
        by_part.setdefault(int(row["part"]), []).append(row)
    # The oldest part of a cut period is not whole.
    begin = min(by_part) + 1 if is_cut and len(by_part) > 1 else 0
    last = max(0, int((now - first).total_seconds() // span.part_s), *by_part)
    return CityFigures(
        as_of=now,
        part_s=span.part_s,
        total=_figure(rows, first + timedelta(seconds=begin * span.part_s), "_of_all"),
        parts=tuple(
            _figure(by_part.get(part, []), first + timedelta(seconds=part * span.part_s), "")
            for part in range(begin, last + 1)
        ),
        is_cut=is_cut,
        drivers_off_duty=int(accounts["off_duty"] or 0) if accounts["trips"] <= MAX_ACCOUNTS else None,
    )


def _figure(rows: Sequence[Row], start: datetime, ranked: str) -> CityFigure:
    by_status: Counter[TripStatus] = Counter()
    cancelled: Counter[CancelCode | None] = Counter()
    for row in rows:
        status = TripStatus(row["status"])
        by_status[status] += row["trips"]
        if keeps_reason(status):
            code = row["cancel_code"]
            cancelled[CancelCode(code) if code is not None else None] += row["trips"]
    p50 = [row[f"p50{ranked}"] for row in rows if row[f"p50{ranked}"] is not None]
    p99 = [row[f"p99{ranked}"] for row in rows if row[f"p99{ranked}"] is not None]
    completed = sum(count for status, count in by_status.items() if is_completed(status))
    ended = sum(count for status, count in by_status.items() if has_ended(status))
    return CityFigure(
        start=start,
        requested=by_status.total(),
        accepted=sum(row["accepted"] for row in rows),
        completed=completed,
        expired=ended - completed - cancelled.total(),
        cancelled=cancelled,
        time_to_accept=TimeToAccept(max(0.0, p50[0]), max(0.0, p99[0])) if p50 and p99 else None,
    )
