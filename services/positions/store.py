"""The last position of every driver, and its storage within this process. Never in the database.

``services/positions/redis_positions.py`` stores them for all processes.
"""

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol
from uuid import UUID

from models.geo import GeoPoint, distance_m
from models.values import Location
from services.events.leases import Lease
from services.positions.cell_index import CellIndex
from services.runtime.expiring_map import ExpiringMap

MAX_KEPT = 100_000
# How many positions one search returns.
MAX_NEAR = 40
MAX_COUNTED = 10_000

# Delivers to the listeners of this process.
Tell = Callable[[Sequence[str], Location], None]


class Stored(Enum):
    """The result of storing a position.

    UNSURE: nothing was done, because the lease is not held. UNANSWERED: it is unknown whether anything was done
    under the lease, and there is no more time to ask.
    """

    NEW = "new"
    KNOWN = "known"
    OUTDATED = "outdated"
    UNSURE = "unsure"
    UNANSWERED = "unanswered"


class PositionStore(Protocol):
    """Stores the last position of every driver, and publishes each new one."""

    async def put(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """Store a position that is newer than the last one for that many seconds, and publish it on the topics.

        Of simultaneous positions the newest stays.
        """
        ...

    async def put_under(self, lease: Lease, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """``put``, if the lease is held; otherwise nothing is done."""
        ...

    async def put_here(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """Store and publish within this process only: a position that ``put`` has left UNANSWERED."""
        ...

    def newest(self, driver_id: UUID) -> datetime | None:
        """When the newest position of a driver that this process knows was measured; does not ask Redis."""
        ...

    async def last(self, driver_ids: Sequence[UUID]) -> Mapping[UUID, Location]:
        """The last position of each of these drivers who has one that has not expired."""
        ...

    async def near(self, center: GeoPoint, radius_m: float, *, since: datetime) -> Sequence[Location]:
        """Last positions of drivers without a trip within the radius, and of some that are farther, measured
        ``since`` then; about ``MAX_NEAR`` of the nearest.
        """
        ...

    async def free(self, *, limit: int) -> Sequence[UUID]:
        """Up to ``limit`` drivers of whom a position may be known. If there are fewer, all without a trip are
        among them.
        """
        ...

    async def count_free(self) -> int:
        """The number of drivers without a trip of whom a position may be known, up to ``MAX_COUNTED``."""
        ...

    async def remove_expired(self) -> None:
        """Delete what is left of positions that have expired."""
        ...

    async def forget(self, driver_id: UUID, at: datetime, *, ttl_s: float) -> None:
        """Delete the driver's position, and store none that was measured until ``at`` for that many seconds.

        So a report that is on its way does not bring back what is forgotten. Never raises: without Redis, other
        processes have what was reported to them until it expires.
        """
        ...

    async def repeat_forgotten(self) -> None:
        """Delete again what this process has forgotten: Redis may have been away, or another one be the primary
        that had not heard of it. Never raises.
        """
        ...

    @property
    def whole_s(self) -> float | None:
        """For how many seconds no position has been lost before its expiry; None: some may be missing now."""
        ...


def is_free(location: Location, since: datetime) -> bool:
    """Whether its driver had no trip, and it was measured since then."""
    return location.trip_id is None and location.recorded_at >= since


class Forgotten(NamedTuple):
    """Stands for the positions of a driver that were measured until then."""

    recorded_at: datetime


class MemoryPositions:
    """Positions within this process."""

    def __init__(self, tell: Tell, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._index = CellIndex()
        self._kept = ExpiringMap[UUID, Location | Forgotten](MAX_KEPT, on_removed=self._index.leave)
        self.since_s = clock()

    async def put(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        return await self.put_here(location, topics, ttl_s=ttl_s)

    async def put_under(self, lease: Lease, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        return await self.put_here(location, topics, ttl_s=ttl_s) if lease.is_held else Stored.UNSURE

    async def put_here(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """Store and publish."""
        stored = self.keep(location, ttl_s)
        if stored is Stored.NEW:
            self._tell(topics, location)
        return stored

    def keep(self, location: Location, ttl_s: float) -> Stored:
        """Store a position that is newer than the last one."""
        now = self._clock()
        last = self._kept.get(location.driver_id, now_s=now)
        if last is not None and last.recorded_at >= location.recorded_at:
            return Stored.KNOWN if last.recorded_at == location.recorded_at else Stored.OUTDATED
        if location.trip_id is None:
            self._index.enter(location.driver_id, location.point)
        else:
            self._index.leave(location.driver_id)
        self._kept.put(location.driver_id, location, until_s=now + ttl_s, now_s=now)
        return Stored.NEW

    async def forget(self, driver_id: UUID, at: datetime, *, ttl_s: float) -> None:
        self.forget_here(driver_id, at, ttl_s=ttl_s)

    def forget_here(self, driver_id: UUID, at: datetime, *, ttl_s: float) -> None:
        """Delete the position, unless it is newer."""
        now = self._clock()
        last = self._kept.get(driver_id, now_s=now)
        if last is None or last.recorded_at <= at:
            self._kept.put(driver_id, Forgotten(at), until_s=now + ttl_s, now_s=now)
            self._index.leave(driver_id)

    def newest(self, driver_id: UUID) -> datetime | None:
        """When the last position was measured."""
        last = self._live(driver_id)
        return last.recorded_at if last is not None else None

    async def last(self, driver_ids: Sequence[UUID]) -> Mapping[UUID, Location]:
        """The last positions."""
        found = ((driver_id, self._live(driver_id)) for driver_id in driver_ids)
        return {driver_id: location for driver_id, location in found if location is not None}

    async def near(self, center: GeoPoint, radius_m: float, *, since: datetime) -> Sequence[Location]:
        """The last positions in the cells of the area."""
        found = (self._live(driver_id) for driver_id in self._index.around(center, radius_m))
        free = [location for location in found if location is not None and is_free(location, since)]
        return heapq.nsmallest(MAX_NEAR, free, key=lambda location: distance_m(center, location.point))

    async def free(self, *, limit: int) -> Sequence[UUID]:
        """The drivers of the index."""
        return self._index.some(limit)

    async def count_free(self) -> int:
        """Those whose position has not expired."""
        found = map(self._live, self._index.some(MAX_COUNTED))
        return sum(location is not None and location.trip_id is None for location in found)

    def forgotten(self) -> Sequence[tuple[UUID, datetime, float]]:
        """The drivers whose positions are forgotten, until when measured, and for how many seconds more."""
        now = self._clock()
        return [
            (driver_id, last.recorded_at, until_s - now)
            for driver_id, last, until_s in self._kept.items()
            if isinstance(last, Forgotten) and until_s > now
        ]

    async def repeat_forgotten(self) -> None:
        """There is nothing to do."""

    async def remove_expired(self) -> None:
        """There is nothing to do: the index forgets with the positions."""

    @property
    def whole_s(self) -> float | None:
        """Since this process started."""
        return self._clock() - self.since_s

    def _live(self, driver_id: UUID) -> Location | None:
        last = self._kept.get(driver_id, now_s=self._clock())
        return last if isinstance(last, Location) else None
