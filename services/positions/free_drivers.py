"""The drivers without a trip, in geo sets of Redis. ``redis_positions.py`` adds them with their positions."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from models.geo import GeoPoint
from models.values import Location
from services.events.redis_clients import Clients, Command, Script
from services.events.topics import Topics
from services.positions.store import MAX_COUNTED, MAX_NEAR, Forgotten, is_free
from services.runtime.pieces import Pieces

# How many drivers a search looks at, if too few of the nearest were heard of lately.
SEARCHED = (MAX_NEAR, 10 * MAX_NEAR, 50 * MAX_NEAR)
SWEEP_INTERVAL_S = 60.0
# The number of drivers in one step of a sweep, and how long a step may take.
SWEPT = 500
STEP_TIMEOUT_S = 2.0
# How many members of the set are decoded in one iteration of the event loop.
MEMBERS_AT_ONCE = 500

# For each driver: their last position, and their member of the set. A script, because one may report meanwhile.
_REMOVE_GONE = """
for i = 2, #KEYS do
    if redis.call('EXISTS', KEYS[i]) == 0 then redis.call('ZREM', KEYS[1], ARGV[i - 1]) end
end
"""


class FreeDrivers:
    """Searches and sweeps the sets: one, on a cluster one with each part of the drivers.

    Members do not expire by themselves, as the last positions do.
    """

    def __init__(
        self,
        redis: Clients,
        topics: Topics,
        last: Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, Location | Forgotten]]],
    ) -> None:
        """``last`` reads the last positions in Redis."""
        self._redis = redis
        self._topics = topics
        self._last = last
        self._remove = Script(redis, _REMOVE_GONE)

    async def near(self, center: GeoPoint, radius_m: float, since: datetime) -> Sequence[Location]:
        """See ``PositionStore.near``. Raises: what Redis raises."""
        found: list[Location] = []
        # The nearest may all be silent: drivers who have gone home without going off duty.
        for count in SEARCHED:
            pages = await self._redis.run(
                [(key, _nearest(key, center, radius_m, count)) for key in self._topics.free_drivers]
            )
            members = heapq.nsmallest(
                count, (member for page in pages for member in page), key=lambda member: member[1]
            )
            ids = [UUID(bytes=cast("bytes", member)) for member, _ in members]
            last = await self._last(ids)
            await self._remove_gone([driver_id for driver_id in ids if driver_id not in last])
            found = [each for each in last.values() if isinstance(each, Location) and is_free(each, since)]
            if len(found) >= MAX_NEAR or len(members) < count:
                break
        return found[:MAX_NEAR]

    async def some(self, limit: int) -> list[UUID]:
        """Up to ``limit`` drivers of the sets. Raises: what Redis raises."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            pages = await self._redis.run([(key, _first(key, limit)) for key in self._topics.free_drivers])
        members = [member for page in pages for member in page][:limit]
        drivers: list[UUID] = []
        async for some in Pieces(members, MEMBERS_AT_ONCE):
            drivers += [UUID(bytes=cast("bytes", member)) for member in some]
        return drivers

    async def count(self) -> int:
        """The number of members, up to ``MAX_COUNTED``. Raises: what Redis raises."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            counts = await self._redis.run([(key, _size(key)) for key in self._topics.free_drivers])
        return min(sum(counts), MAX_COUNTED)

    async def remove_expired(self) -> None:
        """Remove the drivers whose positions have expired. Of all processes one does it in ``SWEEP_INTERVAL_S``.

        Raises: what Redis raises.
        """
        ttl_ms = int(SWEEP_INTERVAL_S * 900)
        sweep = self._topics.free_drivers_sweep
        if not await self._redis.of(sweep).set(sweep, b"", nx=True, px=ttl_ms):
            return
        for key in self._topics.free_drivers:
            cursor = 0
            while True:
                async with asyncio.timeout(STEP_TIMEOUT_S):
                    cursor, page = await self._redis.of(key).zscan(key, cursor, count=SWEPT)
                    await self._remove_gone([UUID(bytes=cast("bytes", member)) for member, _ in page])
                if not cursor:
                    break

    async def _remove_gone(self, driver_ids: Sequence[UUID]) -> None:
        calls: list[tuple[Sequence[str], Sequence[bytes]]] = []
        keys = [self._topics.last_location(driver_id) for driver_id in driver_ids]
        for group in self._redis.by_slot(keys) if keys else []:
            members = self._topics.free_drivers_with(driver_ids[group[0]])
            calls.append(([members, *(keys[each] for each in group)], [driver_ids[each].bytes for each in group]))
        if calls:
            await self._remove.run(calls)


def _nearest(key: str, center: GeoPoint, radius_m: float, count: int) -> Command:
    return lambda client: client.geosearch(
        key,
        longitude=center.lng,
        latitude=center.lat,
        radius=radius_m,
        unit="m",
        sort="ASC",
        count=count,
        withdist=True,
    )


def _size(key: str) -> Command:
    return lambda client: client.zcard(key)


def _first(key: str, count: int) -> Command:
    return lambda client: client.zrange(key, 0, count - 1)
