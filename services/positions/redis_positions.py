"""The last position of every driver, in Redis for all processes."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

import structlog
from redis.exceptions import ResponseError

from models.geo import GeoPoint
from models.values import Location
from services.events.bus import Bus
from services.events.leases import Lease
from services.events.redis_clients import Command, in_order
from services.events.redis_errors import LINK_ERRORS, is_of_replica
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.positions.free_drivers import FreeDrivers
from services.positions.store import Forgotten, MemoryPositions, Stored, Tell
from services.positions.storing_script import Put, StoringScript, read
from services.runtime.batches import Batches

_log = structlog.stdlib.get_logger(__name__)

TIMEOUT_S = 2.0
MAX_CONNECTIONS = 8
# The number of positions in one script: Redis does nothing else in the meantime.
MAX_PUT = 256
# The number of positions that are read at once, and that are decoded in one iteration of the event loop.
MAX_READ = 500
READ_AT_ONCE = 100
_WORDS = {stored.value.encode(): stored for stored in Stored}


class RedisPositions:
    """Positions in Redis, which lets them expire; this process also remembers the positions that were reported to
    it.

    While Redis is away, and after it has lost its data, this process answers from its memory. It delivers a new
    position to its own listeners directly. Other processes receive it from Redis, even if Redis cannot store it,
    as long as Redis publishes. While a batch is under way, new positions wait and go together in the next one.
    """

    def __init__(self, link: RedisLink, bus: Bus, topics: Topics, tell: Tell) -> None:
        self._link = link
        self._redis = link.clients(timeout_s=TIMEOUT_S, max_connections=MAX_CONNECTIONS)
        self._script = StoringScript(self._redis, bus, topics)
        self._bus = bus
        self._topics = topics
        self._free_drivers = FreeDrivers(self._redis, topics, self._in_redis)
        self._tell = tell
        self._memory = MemoryPositions(tell)
        self._puts: Batches[Put, bytes] = Batches(self._put_all, at_most=MAX_PUT)

    async def put(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """Store and publish, in one round trip of at most ``TIMEOUT_S``."""
        remembered = self._memory.keep(location, ttl_s)
        # Redis may have lost the newer one since.
        if remembered is Stored.OUTDATED:
            return remembered
        message = self._bus.mark_origin(location.to_json())
        stored = remembered
        try:
            if self._link.is_up:
                answer = await self._puts.run(_put(location, topics, ttl_s, b"", message))
                stored = self._understand(answer, location, ttl_s)
        except ResponseError as error:
            # Redis refuses the script, but still publishes.
            self._link.failed(error)
            await self._bus.publish_to_others([(topics, message)])
        except LINK_ERRORS as error:
            self._link.failed(error)
        if stored is Stored.NEW:
            self._tell(topics, location)
        return stored

    async def put_under(self, lease: Lease, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """``put`` under a lease, which Redis checks too."""
        if not lease.is_held:
            return Stored.UNSURE
        message = self._bus.mark_origin(location.to_json())
        try:
            answer = await self._puts.run(_put(location, topics, ttl_s, lease.token, message))
        except ResponseError as error:
            self._link.failed(error)
            return Stored.UNSURE
        except LINK_ERRORS as error:
            self._link.failed(error)
            return Stored.UNANSWERED
        stored = self._understand(answer, location, ttl_s, is_leased=True)
        if stored in (Stored.NEW, Stored.KNOWN):
            self._memory.keep(location, ttl_s)
        if stored is Stored.NEW:
            self._tell(topics, location)
        return stored

    async def put_here(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """Store and publish, without Redis."""
        return await self._memory.put_here(location, topics, ttl_s=ttl_s)

    async def forget(self, driver_id: UUID, at: datetime, *, ttl_s: float) -> None:
        self._memory.forget_here(driver_id, at, ttl_s=ttl_s)
        await self._forget(driver_id, at, ttl_s)

    async def repeat_forgotten(self) -> None:
        forgotten = self._memory.forgotten()
        for first in range(0, len(forgotten), MAX_PUT):
            await asyncio.gather(*(self._forget(*each) for each in forgotten[first : first + MAX_PUT]))

    async def _forget(self, driver_id: UUID, at: datetime, ttl_s: float) -> None:
        if self._link.is_up:
            try:
                await self._puts.run(Put(driver_id, at, None, (), ttl_s, b"", b""))
            except (ResponseError, *LINK_ERRORS) as error:
                self._link.failed(error)

    @property
    def whole_s(self) -> float | None:
        """Since this process has reached the same Redis without a failure."""
        return time.monotonic() - self._link.whole_since if self._link.is_healthy else None

    async def _put_all(self, puts: Sequence[Put], since: float) -> Sequence[bytes]:
        # For the whole call: the client's own time-outs are for each step.
        async with asyncio.timeout_at(since + TIMEOUT_S):
            return await self._script.store(puts)

    def _understand(self, answer: bytes, location: Location, ttl_s: float, *, is_leased: bool = False) -> Stored:
        if (stored := _WORDS.get(answer)) is not None:
            return stored
        if answer[:1].isdigit():
            # Remembered, so that older positions are known to be outdated.
            newer = read(answer)
            if isinstance(newer, Forgotten):
                self._memory.forget_here(location.driver_id, newer.recorded_at, ttl_s=ttl_s)
            elif newer is not None:
                self._memory.keep(newer, ttl_s + (newer.recorded_at - location.recorded_at).total_seconds())
            return Stored.OUTDATED
        if answer.startswith(b"!"):
            error = answer[1:].decode()
            self._link.failed(error)
            return Stored.UNANSWERED if is_of_replica(error) and is_leased else Stored.NEW
        raise ValueError(f"Redis answered {answer[:60]!r}.")

    def newest(self, driver_id: UUID) -> datetime | None:
        """When the newest position was measured that was reported to this process, or that it has learnt from
        Redis.
        """
        return self._memory.newest(driver_id)

    async def last(self, driver_ids: Sequence[UUID]) -> Mapping[UUID, Location]:
        """The last positions: the newer one of Redis and of this process."""
        found, epoch = dict(await self._memory.last(driver_ids)), self._link.epoch
        if not self._link.is_sure:
            return found
        try:
            async with asyncio.timeout(TIMEOUT_S):
                read = await self._in_redis(driver_ids)
        except LINK_ERRORS as error:
            self._link.failed(error)
            return found
        if not self._link.is_still(epoch):
            return found
        for driver_id, stored in read.items():
            known = found.get(driver_id)
            if known is not None and known.recorded_at > stored.recorded_at:
                continue
            if isinstance(stored, Location):
                found[driver_id] = stored
            else:
                # Another process has forgotten it.
                found.pop(driver_id, None)
        return found

    async def near(self, center: GeoPoint, radius_m: float, *, since: datetime) -> Sequence[Location]:
        """The last positions in Redis; without Redis, those that were reported to this process."""
        if not self._link.is_sure:
            return await self._memory.near(center, radius_m, since=since)
        epoch = self._link.epoch
        try:
            async with asyncio.timeout(TIMEOUT_S):
                near = await self._free_drivers.near(center, radius_m, since)
            if self._link.is_still(epoch):
                return near
        except ResponseError as error:
            # GEOSEARCH knows no poles.
            _log.debug("Redis found no drivers", error=str(error))
        except LINK_ERRORS as error:
            self._link.failed(error)
        return await self._memory.near(center, radius_m, since=since)

    async def free(self, *, limit: int) -> Sequence[UUID]:
        """The drivers without a trip in Redis; without Redis, those who reported to this process."""
        if self._link.is_sure:
            epoch = self._link.epoch
            try:
                free = await self._free_drivers.some(limit)
                if self._link.is_still(epoch):
                    return free
            except LINK_ERRORS as error:
                self._link.failed(error)
        return await self._memory.free(limit=limit)

    async def count_free(self) -> int:
        """The drivers without a trip in Redis; without Redis, those who reported to this process."""
        if self._link.is_sure:
            try:
                return await self._free_drivers.count()
            except (ResponseError, *LINK_ERRORS) as error:
                self._link.failed(error)
        return await self._memory.count_free()

    async def remove_expired(self) -> None:
        """Delete the places of drivers whose positions have expired, in Redis for all processes."""
        if not self._link.is_sure:
            return
        try:
            await self._free_drivers.remove_expired()
        except (ResponseError, *LINK_ERRORS) as error:
            self._link.failed(error)

    async def _in_redis(self, driver_ids: Sequence[UUID]) -> dict[UUID, Location | Forgotten]:
        if not driver_ids:
            return {}
        found: dict[UUID, Location | Forgotten] = {}
        for first in range(0, len(driver_ids), MAX_READ):
            some = driver_ids[first : first + MAX_READ]
            keys = [self._topics.last_location(driver_id) for driver_id in some]
            groups = self._redis.by_slot(keys)
            values = in_order(
                groups, await self._redis.run([_get([keys[each] for each in group]) for group in groups])
            )
            for number, (driver_id, value) in enumerate(zip(some, values, strict=True), 1):
                stored = read(cast("bytes", value)) if value is not None else None
                if stored is not None:
                    found[driver_id] = stored
                if number % READ_AT_ONCE == 0:
                    await asyncio.sleep(0)
        return found


def _get(keys: Sequence[str]) -> tuple[str, Command]:
    return keys[0], lambda client: client.mget(keys)


def _put(location: Location, topics: Sequence[str], ttl_s: float, lease: bytes, message: bytes) -> Put:
    free_at = location.point if location.trip_id is None else None
    return Put(location.driver_id, location.recorded_at, free_at, topics, ttl_s, lease, message)
