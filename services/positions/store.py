"""The last position of every driver: in Redis for all processes, or in this one alone. Never in the database."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Protocol, cast
from uuid import UUID

import structlog
from redis.exceptions import ResponseError

from models.values import Location
from services.events.bus import Bus
from services.events.redis_link import LINK_ERRORS, RedisLink
from services.events.topics import Topics

_log = structlog.stdlib.get_logger(__name__)

TIMEOUT_S = 2.0
MAX_KEPT = 100_000
MAX_CONNECTIONS = 32

# Sixteen digits of microseconds, then the location, so that the script compares ages without reading JSON.
_AGE_DIGITS = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Answers what became of it and, if Redis did not keep it, why; then it is told all the same.
_STORE = f"""
local last = redis.call('GET', KEYS[1])
if last then
    local age = string.sub(last, 1, {_AGE_DIGITS})
    if age > ARGV[1] then return {{'stale'}} end
    if age == ARGV[1] then return {{'known'}} end
end
local kept = redis.pcall('SET', KEYS[1], ARGV[1] .. ARGV[3], 'PX', ARGV[2])
for i = 4, #ARGV do redis.call('PUBLISH', ARGV[i], ARGV[3]) end
if kept.err then return {{'new', kept.err}} end
return {{'new'}}
"""


class Stored(Enum):
    """The result of storing a position."""

    NEW = "new"
    KNOWN = "known"
    STALE = "stale"


class LocationStore(Protocol):
    """Keeps the last position of every driver, and tells of each new one."""

    async def put(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """Keep a position that is newer than the last for so many seconds, and publish it on the topics.

        The newest wins a race.
        """
        ...

    def newest(self, driver_id: UUID) -> datetime | None:
        """When the last position of a driver was measured that this process knows of, without asking Redis."""
        ...

    async def last(self, driver_ids: Sequence[UUID]) -> Mapping[UUID, Location]:
        """The last position of each driver who has one that has not expired."""
        ...


class MemoryLocations:
    """Positions within this process."""

    def __init__(self, bus: Bus, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        # With the moment at which each expires; the one that came first, first.
        self._kept: OrderedDict[UUID, tuple[Location, float]] = OrderedDict()

    async def put(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        stored = self.keep(location, ttl_s)
        if stored is Stored.NEW:
            await self._bus.publish([(topics, location.to_json())])
        return stored

    def keep(self, location: Location, ttl_s: float) -> Stored:
        """Keep a position that is newer than the last."""
        last = self._live(location.driver_id)
        if last is not None and last.recorded_at >= location.recorded_at:
            return Stored.KNOWN if last.recorded_at == location.recorded_at else Stored.STALE
        now = self._clock()
        self._kept[location.driver_id] = (location, now + ttl_s)
        self._kept.move_to_end(location.driver_id)
        while len(self._kept) > MAX_KEPT or next(iter(self._kept.values()))[1] < now:
            self._kept.popitem(last=False)
        return Stored.NEW

    def newest(self, driver_id: UUID) -> datetime | None:
        """When the last position was measured."""
        last = self._live(driver_id)
        return last.recorded_at if last is not None else None

    async def last(self, driver_ids: Sequence[UUID]) -> Mapping[UUID, Location]:
        """The last positions."""
        found = ((driver_id, self._live(driver_id)) for driver_id in driver_ids)
        return {driver_id: location for driver_id, location in found if location is not None}

    def _live(self, driver_id: UUID) -> Location | None:
        location, expires = self._kept.get(driver_id, (None, 0.0))
        return location if expires > self._clock() else None


class RedisLocations:
    """Positions in Redis, with the expiry there; what this process was told is remembered here too.

    While Redis is away, and after it has forgotten everything, this process answers from what it remembers. A
    position that Redis does not keep is published all the same: to all processes if Redis
    passes it on, else within this
    process.
    """

    def __init__(self, link: RedisLink, bus: Bus, topics: Topics) -> None:
        self._link = link
        self._redis = link.client(timeout_s=TIMEOUT_S, max_connections=2 * MAX_CONNECTIONS)
        self._store = self._redis.register_script(_STORE)
        self._bus = bus
        self._topics = topics
        self._memory = MemoryLocations(bus)
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def put(self, location: Location, topics: Sequence[str], *, ttl_s: float) -> Stored:
        """Keep and publish, in one round trip."""
        remembered = self._memory.keep(location, ttl_s)
        # Redis may have forgotten the newer one since.
        if remembered is Stored.STALE:
            return remembered
        message = location.to_json()
        if not self._link.is_up:
            self._bus.publish_here([(topics, message)])
            return remembered
        age = f"{(location.recorded_at - _EPOCH) // _MICROSECOND:0{_AGE_DIGITS}d}"
        try:
            # Of the whole: the client's own time-outs are those of each step.
            async with asyncio.timeout(TIMEOUT_S), self._slots:
                stored, *refusal = await self._store(
                    keys=[self._topics.last_location(location.driver_id)],
                    args=[age, max(1, int(ttl_s * 1000)), message, *topics],
                )
        except ResponseError as error:
            # It refuses the script, not what is published.
            self._link.failed(error)
            await self._bus.publish([(topics, message)])
            return remembered
        except LINK_ERRORS as error:
            self._link.failed(error)
            self._bus.publish_here([(topics, message)])
            return remembered
        if refusal:
            self._link.failed(refusal[0].decode())
        became = Stored(stored.decode())
        if became is Stored.STALE:
            await self._learn_newer(location, ttl_s)
        return became

    async def _learn_newer(self, than: Location, ttl_s: float) -> None:
        """Remember what another process was told, so that what else is older is known to be stale here."""
        newer = (await self.last([than.driver_id])).get(than.driver_id)
        if newer is not None:
            self._memory.keep(newer, ttl_s + (newer.recorded_at - than.recorded_at).total_seconds())

    def newest(self, driver_id: UUID) -> datetime | None:
        """When the last position was measured that this process was told, or has learnt of."""
        return self._memory.newest(driver_id)

    async def last(self, driver_ids: Sequence[UUID]) -> Mapping[UUID, Location]:
        """The last positions; the newer one of Redis and of this process."""
        found = dict(await self._memory.last(driver_ids))
        if not self._link.is_up:
            return found
        try:
            async with asyncio.timeout(TIMEOUT_S), self._slots:
                values = await self._redis.mget(
                    [self._topics.last_location(driver_id) for driver_id in driver_ids]
                )
        except LINK_ERRORS as error:
            self._link.failed(error)
            return found
        for driver_id, value in zip(driver_ids, values, strict=True):
            location = _read(cast("bytes", value)) if value is not None else None
            known = found.get(driver_id)
            if location is not None and (known is None or known.recorded_at < location.recorded_at):
                found[driver_id] = location
        return found


def _read(value: bytes) -> Location | None:
    try:
        return Location.from_json(value[_AGE_DIGITS:])
    except (ValueError, KeyError, TypeError) as error:
        # Written by another version of this server, during an update.
        _log.warning("a position is not readable", error=str(error) or type(error).__name__)
        return None
