"""The figures of the city: what became of the trips requested in the last hour, day or week."""

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from time import monotonic

from models.trip_life import CancelCode, TripStatus, has_ended, is_completed, keeps_reason
from models.values import Role
from services.database.connections import Database, Source
from services.staff.city_parts import CityPart, CityParts, nearest_rank_ms

# In a database with more accounts, drivers off duty are not counted: no index knows them.
MAX_ACCOUNTS = 50_000


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

    ``is_cut``: there were more than ``MAX_TRIPS`` trips, and all begins with the oldest part that fits.
    ``drivers_off_duty``: None if that is not counted.
    """

    as_of: datetime
    part_s: int
    total: CityFigure
    parts: Sequence[CityFigure]
    is_cut: bool
    drivers_off_duty: int | None


class CityStatistics:
    """Computes the figures by statements of bounded cost, one after the other, and keeps them for a while.

    Concurrent callers share a computation.
    """

    def __init__(
        self,
        database: Database,
        *,
        reads: Source | None = None,
        retention_days: int | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``reads``: where the trips are read, if not in the database itself; it may be some seconds old."""
        self._source = reads or database
        self._clock = clock
        self._kept: dict[CityPeriod, tuple[CityFigures, float]] = {}
        self._computing: dict[CityPeriod, asyncio.Task[CityFigures]] = {}
        self._parts = {
            period: CityParts(database, self._source, part_s=span.part_s, retention_days=retention_days)
            for period, span in _SPANS.items()
        }

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
        span, reader = _SPANS[period], self._parts[period]
        now = datetime.now(UTC)
        # Parts begin at whole multiples of their length, so that they do not move with each computation.
        first = reader.number_at(now - timedelta(seconds=span.length_s))
        parts, is_cut = await reader.read(first, now)
        off_duty = await self._drivers_off_duty()
        by_number = [parts[number] for number in sorted(parts)]
        start = reader.start_of(min(parts))
        figures = CityFigures(
            as_of=now,
            part_s=span.part_s,
            total=_figure(by_number, start),
            parts=tuple(_figure([parts[number]], reader.start_of(number)) for number in sorted(parts)),
            is_cut=is_cut,
            drivers_off_duty=off_duty,
        )
        self._kept[period] = figures, self._clock() + span.kept_s
        return figures

    async def _drivers_off_duty(self) -> int | None:
        (row,) = await self._source.fetch(
            "SELECT count(*) AS accounts, "
            f"sum(CASE WHEN role = '{Role.DRIVER.value}' AND on_duty <> $1 AND is_active = $1 THEN 1 ELSE 0 END) "
            f"AS off_duty FROM (SELECT role, on_duty, is_active FROM users LIMIT {MAX_ACCOUNTS + 1}) accounts",
            True,
        )
        return int(row["off_duty"] or 0) if row["accounts"] <= MAX_ACCOUNTS else None


def _figure(parts: Sequence[CityPart], start: datetime) -> CityFigure:
    """The figure of these parts together."""
    by_status: Counter[TripStatus] = Counter()
    cancelled: Counter[CancelCode | None] = Counter()
    for part in parts:
        for (status, code), trips in part.trips.items():
            by_status[status] += trips
            if keeps_reason(status):
                cancelled[code] += trips
    waits_ms = [part.waits_ms for part in parts if part.waits_ms]
    completed = sum(count for status, count in by_status.items() if is_completed(status))
    ended = sum(count for status, count in by_status.items() if has_ended(status))
    return CityFigure(
        start=start,
        requested=by_status.total(),
        accepted=sum(map(len, waits_ms)),
        completed=completed,
        expired=ended - completed - cancelled.total(),
        cancelled=cancelled,
        time_to_accept=TimeToAccept(*(_percentile_s(waits_ms, percent) for percent in (50, 99)))
        if waits_ms
        else None,
    )


def _percentile_s(waits_ms: "Sequence[array[int]]", percent: int) -> float:
    # The clock of the database may have been put back in between.
    return max(0.0, nearest_rank_ms(waits_ms, percent) / 1000)
