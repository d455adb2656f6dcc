"""The script that stores and publishes positions in Redis."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog

from models.geo import GeoPoint
from models.values import Location
from services.events.bus import Bus
from services.events.redis_clients import Clients, Script, in_order
from services.events.redis_publishing import publish_command
from services.events.topics import Topics
from services.positions.store import Forgotten, Stored

_log = structlog.stdlib.get_logger(__name__)

# Sixteen digits of microseconds, then the location, so that the script compares ages without parsing JSON.
_AGE_DIGITS = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NEW = Stored.NEW.value.encode()
# For each position: the number of topics, age, time to live, message, lease, the driver's id, longitude (empty: on
# a trip) and latitude, topics. Returns for each position a word, or the newer position that is known, or "!" and
# why Redis did not store it; then it is still published, but not on a replica: its new primary may have ended the
# lease.
_STORE = f"""
local answers, arg = {{}}, 1
for i = 1, (#KEYS - 1) / 2 do
    local key, topics, age = KEYS[2 * i], tonumber(ARGV[arg]), ARGV[arg + 1]
    local message, lease = ARGV[arg + 3], ARGV[arg + 4]
    local last = redis.pcall('GET', key)
    if type(last) ~= 'string' then last = '' end
    local last_age = string.sub(last, 1, {_AGE_DIGITS})
    if lease ~= '' and redis.pcall('GET', KEYS[2 * i + 1]) ~= lease then
        answers[i] = 'unsure'
    elseif last_age > age then
        answers[i] = last
    elseif last_age == age then
        answers[i] = 'known'
    else
        answers[i] = 'new'
        local kept = redis.pcall('SET', key, age .. message, 'PX', ARGV[arg + 2])
        if kept.err then answers[i] = '!' .. kept.err end
        if ARGV[arg + 6] == '' then
            redis.pcall('ZREM', KEYS[1], ARGV[arg + 5])
        else
            redis.pcall('GEOADD', KEYS[1], ARGV[arg + 6], ARGV[arg + 7], ARGV[arg + 5])
        end
        if not string.find(answers[i], 'READONLY', 1, true) then
            for topic = arg + 8, arg + 7 + topics do
                local told = redis.pcall('PUBLISH', ARGV[topic], message)
                if type(told) == 'table' then answers[i] = '!' .. told.err end
            end
        end
    end
    arg = arg + 8 + topics
end
return answers
"""


class Put(NamedTuple):
    """A position on its way to Redis; an empty ``message`` forgets the positions until then.

    ``free_at``: where the driver is without a trip.
    """

    driver_id: UUID
    recorded_at: datetime
    free_at: GeoPoint | None
    topics: Sequence[str]
    ttl_s: float
    lease: bytes
    message: bytes


class StoringScript:
    """Stores positions, and publishes those that are new; on a cluster once for the drivers of each slot."""

    def __init__(self, redis: Clients, bus: Bus, topics: Topics) -> None:
        self._redis = redis
        self._script = Script(redis, _STORE.replace("PUBLISH", publish_command(redis)))
        self._bus = bus
        self._topics = topics

    async def store(self, puts: Sequence[Put]) -> Sequence[bytes]:
        """For each position a word, or the newer position that is known, or "!" and an error of Redis.

        Raises: LINK_ERRORS: some may have been stored and published.
        """
        groups = self._redis.by_slot([self._topics.of_driver(put.driver_id).last_location for put in puts])
        calls = [self._call([puts[each] for each in group]) for group in groups]
        answers: list[bytes] = in_order(groups, await self._script.run(calls))
        await self._publish_elsewhere(puts, answers)
        return answers

    def _call(self, puts: Sequence[Put]) -> tuple[Sequence[str], Sequence[str | bytes | float]]:
        """The keys and arguments for positions of one slot."""
        keys = [self._topics.of_driver(puts[0].driver_id).free_drivers]
        args: list[str | bytes | float] = []
        for put in puts:
            names = self._topics.of_driver(put.driver_id)
            keys += names.last_location, names.lease
            age = f"{(put.recorded_at - _EPOCH) // _MICROSECOND:0{_AGE_DIGITS}d}"
            topics = put.topics
            if self._redis.is_cluster:
                topics = [topic for topic in topics if self._is_with_driver(topic, put.driver_id)]
            args += len(topics), age, max(1, int(put.ttl_s * 1000)), put.message, put.lease, put.driver_id.bytes
            args += (put.free_at.lng, put.free_at.lat) if put.free_at is not None else ("", "")
            args += topics
        return keys, args

    def _is_with_driver(self, topic: str, driver_id: UUID) -> bool:
        """Whether the script can publish on the topic: on a cluster, that of a trip may be on another node."""
        return self._redis.slot(topic) == self._redis.slot(self._topics.of_driver(driver_id).last_location)

    async def _publish_elsewhere(self, puts: Sequence[Put], answers: Sequence[bytes]) -> None:
        """Publish what the script has stored, or could only publish, on the topics that it could not."""
        if not self._redis.is_cluster:
            return
        elsewhere = [
            (topics, put.message)
            for put, answer in zip(puts, answers, strict=True)
            if answer == _NEW or answer.startswith(b"!")
            if (topics := [each for each in put.topics if not self._is_with_driver(each, put.driver_id)])
        ]
        if elsewhere:
            await self._bus.publish_to_others(elsewhere)


def read(value: bytes) -> Location | Forgotten | None:
    """What is stored under the key of a driver; None: it is not readable."""
    if len(value) == _AGE_DIGITS:
        return Forgotten(_EPOCH + int(value) * _MICROSECOND)
    try:
        return Location.from_json(value[_AGE_DIGITS:])
    except (ValueError, KeyError, TypeError) as error:
        # Written by another version of this server, during an update.
        _log.warning("a position is not readable", error=str(error) or type(error).__name__)
        return None
