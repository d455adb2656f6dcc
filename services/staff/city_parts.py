"""What became of the trips of each part of a period: read in small slices, and kept when nothing can change it."""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models.trip_life import ON_THE_WAY, CancelCode, TripStatus, has_ended
from services.database.connections import Database, Source
from services.database.dialects import Row, moment, uuid
from services.trips.conditions import has_status

# Of a period with more trips the older parts are left out.
MAX_TRIPS = 100_000
# Trips in one statement: it takes some milliseconds, and so does reading its rows. Other work goes on in between.
SLICE = 500
# A part gets no new trips so long after its end: the clock of the database differs, commits take time, and a
# replica is behind.
SETTLED_AFTER_S = 300
# An acceptance is the first change after the request; later ones follow a driver who gave the trip back.
_FIRST_CHANGE = 2
_BEFORE_ALL = UUID(int=0)


@dataclass(slots=True)
class CityPart:
    """The trips that were requested in a part, and the milliseconds until their first acceptances.

    When it is ``finished``, these are sorted.
    """

    trips: Counter[tuple[TripStatus, CancelCode | None]] = field(default_factory=Counter)
    waits_ms: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, row: Row) -> None:
        """Count a trip."""
        code = row["cancel_code"]
        self.trips[TripStatus(row["status"]), CancelCode(code) if code is not None else None] += 1
        if row["wait_s"] is not None:
            self.waits_ms.append(round(row["wait_s"] * 1000))

    def finished(self) -> "CityPart":
        """The part, when all of its trips are counted."""
        self.waits_ms = array("q", sorted(self.waits_ms))
        return self

    @property
    def have_all_ended(self) -> bool:
        """Whether nothing can happen to its trips any more."""
        return all(has_ended(status) for status, _ in self.trips)


def nearest_rank_ms(waits_ms: "Sequence[array[int]]", percent: int) -> int:
    """The nearest-rank percentile of sorted waits, of which there must be one."""
    rank = (sum(map(len, waits_ms)) * percent + 99) // 100
    low, high = min(waits[0] for waits in waits_ms if waits), max(waits[-1] for waits in waits_ms if waits)
    while low < high:
        middle = (low + high) // 2
        if sum(bisect_right(waits, middle) for waits in waits_ms) >= rank:
            high = middle
        else:
            low = middle + 1
    return low


class CityParts:
    """Reads the parts of one period.

    A part whose trips have all ended is kept, so that reading the period again costs what is new. The first time
    it costs the whole period, in statements of at most ``SLICE`` trips.
    """

    def __init__(self, database: Database, source: Source, *, part_s: int, retention_days: int | None) -> None:
        """``retention_days``: parts that are older are not kept, because their trips are removed."""
        self._source = source
        self._part_s = part_s
        self._retention_days = retention_days
        self._settled: dict[int, CityPart] = {}
        created, accepted = database.sql.epoch_s("r.created"), database.sql.epoch_s("c.at")
        self._sql = (
            f"SELECT r.id, r.created, floor({created} / $4) AS part, r.status, r.cancel_code, "
            f"{accepted} - {created} AS wait_s FROM (SELECT t.id, t.created, t.status, t.cancel_code FROM trips t "
            "WHERE t.created >= $1 AND (t.created, t.id) < ($2, $3) "
            f"ORDER BY t.created DESC, t.id DESC LIMIT {SLICE}) r "
            f"LEFT JOIN trip_changes c ON c.trip_id = r.id AND c.version = {_FIRST_CHANGE} "
            f"AND {has_status(ON_THE_WAY, 'c')} ORDER BY r.created DESC, r.id DESC"
        )

    def number_at(self, time: datetime) -> int:
        """The number of the part that a time lies in. They begin at whole multiples of their length."""
        return int(time.timestamp() // self._part_s)

    def start_of(self, number: int) -> datetime:
        """When a part begins."""
        return datetime.fromtimestamp(number * self._part_s, UTC)

    async def read(self, first: int, now: datetime) -> tuple[dict[int, CityPart], bool]:
        """The parts from ``first`` to that of ``now``, and whether older ones are left out for ``MAX_TRIPS``.

        Parts are whole, unless the newest one alone has too many trips.
        """
        for number in [number for number in self._settled if number < first]:
            del self._settled[number]
        parts: dict[int, CityPart] = {}
        number, left = self.number_at(now), MAX_TRIPS
        while number >= first:
            settled = self._settled.get(number)
            if settled is not None:
                left -= settled.trips.total()
                if left < 0 and parts:
                    return parts, True
                parts[number] = settled
                number -= 1
                continue
            oldest = number
            while oldest > first and oldest - 1 not in self._settled:
                oldest -= 1
            left = await self._read_run(parts, oldest, number, left, now)
            if left < 0:
                return parts, True
            number = oldest - 1
        return parts, False

    async def _read_run(
        self, parts: dict[int, CityPart], oldest: int, newest: int, left: int, now: datetime
    ) -> int:
        """Read these parts, the newest trips first. Returns how many more trips may be read; below 0: too many."""
        # The clock of the database may be ahead.
        end = self.start_of(newest + 1) if newest < self.number_at(now) else now + timedelta(days=1)
        before, run = (end, _BEFORE_ALL), {number: CityPart() for number in range(newest, oldest - 1, -1)}
        has_more = True
        while has_more:
            rows = await self._source.fetch(self._sql, self.start_of(oldest), *before, float(self._part_s))
            for row in rows[: max(0, left)]:
                run.setdefault(int(row["part"]), CityPart()).add(row)
            left -= len(rows)
            if left < 0:
                # The first trip that is not counted; its part is not whole.
                cut = int(rows[left]["part"])
                whole = {number: part for number, part in run.items() if number > cut}
                self._finish(whole, now)
                if not any(part.trips for part in (*parts.values(), *whole.values())):
                    whole[cut] = run[cut].finished()
                parts.update(whole)
                return left
            has_more = len(rows) == SLICE
            if has_more:
                before = moment(rows[-1]["created"]), uuid(rows[-1]["id"])
        self._finish(run, now)
        parts.update(run)
        return left

    def _finish(self, run: dict[int, CityPart], now: datetime) -> None:
        """Sort whole parts, and keep those that nothing can change."""
        last = self.number_at(now - timedelta(seconds=SETTLED_AFTER_S))
        first = 0
        if self._retention_days is not None:
            first = self.number_at(now - timedelta(days=self._retention_days)) + 1
        for number, part in run.items():
            part.finished()
            if first <= number < last and part.have_all_ended:
                self._settled[number] = part
