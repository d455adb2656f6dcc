"""Applies rate limits within this process, or across all processes that share a Redis."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from models.visibility import Actor
from services.events.redis_clients import Script, in_order
from services.events.redis_errors import LINK_ERRORS
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.limits.rates import Rate, RateLimit, RateLimited
from services.runtime.batches import Batches

# The longest wait for an unresponsive Redis. After one timeout no request waits, until Redis has worked again for
# a while. Not shorter, so that a busy machine does not count as an outage.
TIMEOUT_S = 1.0
MAX_CONNECTIONS = 64
# Bounds how long one script blocks Redis.
MAX_TAKES = 256

_MICROSECONDS = 1_000_000
# Handles several takes. A take has one or more keys and counts all of them or none. Uses the clock of Redis, in
# microseconds. Returns how long each take has to wait.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local waits, key, arg = {}, 0, 1
while arg <= #ARGV do
    local keys = tonumber(ARGV[arg])
    local used, wait = {}, 0
    for i = 1, keys do
        local interval, period = tonumber(ARGV[arg + 2 * i - 1]), tonumber(ARGV[arg + 2 * i])
        used[i] = math.max(now, tonumber(redis.call('GET', KEYS[key + i]) or now)) + interval
        wait = math.max(wait, used[i] - now - period)
    end
    if wait <= 0 then
        for i = 1, keys do
            local left_ms = math.ceil((used[i] - now) / 1000)
            redis.call('SET', KEYS[key + i], string.format('%.0f', used[i]), 'PX', left_ms)
        end
    end
    waits[#waits + 1] = math.ceil(wait)
    key, arg = key + keys, arg + 1 + 2 * keys
end
return waits
"""
_GIVE_BACK = """
for i = 1, #KEYS do
    local used = redis.call('GET', KEYS[i])
    if used then redis.call('SET', KEYS[i], string.format('%.0f', used - ARGV[i]), 'KEEPTTL') end
end
"""

# A limit, and the key that it counts by.
Claim = tuple[RateLimit, str]


class Throttle(Protocol):
    """Counts uses against rate limits."""

    async def take(self, *claims: Claim) -> None:
        """Count one for each claim. The limits of several claims must have the same ``group``.

        Raises:
            RateLimited: one of the limits is exhausted; then nothing is counted.
        """
        ...

    async def give_back(self, *claims: Claim) -> None:
        """Take back the counts."""
        ...


class ProcessThrottle:
    """Counts in this process alone."""

    async def take(self, *claims: Claim) -> None:
        """Count one for each claim, or none. Raises: RateLimited."""
        for done, (limit, key) in enumerate(claims):
            try:
                limit.check(key)
            except RateLimited:
                _give_back(claims[:done])
                raise

    async def give_back(self, *claims: Claim) -> None:
        """Take back the counts."""
        _give_back(claims)


class SharedThrottle:
    """Counts in Redis for all processes, and in this one.

    A key that has exhausted a limit in this process is refused without asking Redis. While Redis is away, slow
    or takes no writes, each process counts for itself: limits still apply, no caller is refused because of
    the outage, and none waits long. Calls that arrive during a round trip go together in the next one.
    """

    def __init__(self, link: RedisLink, topics: Topics) -> None:
        self._redis = link.clients(timeout_s=TIMEOUT_S, max_connections=MAX_CONNECTIONS)
        self._take = Script(self._redis, _TAKE)
        self._give_back = Script(self._redis, _GIVE_BACK)
        self._link = link
        self._topics = topics
        self._here = ProcessThrottle()
        self._takes: Batches[Sequence[Claim], float] = Batches(self._wait_s, at_most=MAX_TAKES)

    async def take(self, *claims: Claim) -> None:
        """Count one for each claim, or none. Raises: RateLimited."""
        claims = tuple(claim for claim in claims if claim[0].rate is not None)
        if not claims:
            return
        if len(claims) > 1 and len({limit.group or limit for limit, _ in claims}) > 1:
            raise ValueError("limits that are counted together need one group: on a cluster, one node counts them")
        await self._here.take(*claims)
        if not self._link.is_healthy:
            return
        wait_s = await self._takes.run(claims)
        if wait_s > 0:
            _give_back(claims)
            raise RateLimited(wait_s)

    async def give_back(self, *claims: Claim) -> None:
        """Take back the counts, in Redis too if it is available."""
        claims = tuple(claim for claim in claims if claim[0].rate is not None)
        _give_back(claims)
        if not claims or not self._link.is_healthy:
            return
        try:
            async with asyncio.timeout(TIMEOUT_S):
                keys = [self._key(claim) for claim in claims]
                intervals = [_microseconds(limit.rate.interval_s) for limit, _ in claims if limit.rate is not None]
                await self._give_back.run([(keys, intervals)])
        except LINK_ERRORS as error:
            self._link.failed(error)

    async def _wait_s(self, takes: Sequence[Sequence[Claim]], __: float) -> Sequence[float]:
        """How long each take has to wait, in seconds; 0 means that it was counted."""
        if not self._link.is_healthy:
            return [0.0] * len(takes)
        epoch = self._link.epoch
        groups = self._redis.by_slot([self._key(claims[0]) for claims in takes])
        try:
            async with asyncio.timeout(TIMEOUT_S):
                waits = in_order(
                    groups, await self._take.run([self._call([takes[each] for each in group]) for group in groups])
                )
        except LINK_ERRORS as error:
            self._link.failed(error)
            return [0.0] * len(takes)
        if not self._link.is_still(epoch):
            return [0.0] * len(takes)
        return [wait / _MICROSECONDS for wait in waits]

    def _call(self, takes: Sequence[Sequence[Claim]]) -> tuple[Sequence[str], Sequence[int]]:
        keys = [self._key(claim) for claims in takes for claim in claims]
        args: list[int] = []
        for claims in takes:
            args.append(len(claims))
            for limit, _ in claims:
                assert limit.rate is not None, "those without a rate are not asked for"
                args += _microseconds(limit.rate.interval_s), _microseconds(limit.rate.period_s)
        return keys, args

    def _key(self, claim: Claim) -> str:
        limit, key = claim
        return self._topics.rate(limit.name, key, group=limit.group)


class PerUser:
    """Limits how often each user may do something; failures count too."""

    def __init__(self, what: str, rate: Rate | None, throttle: Throttle) -> None:
        """``what``: the name of the limit, unique among all limits."""
        self._throttle = throttle
        self._limit = RateLimit(rate, name=what)

    async def count(self, actor: Actor) -> None:
        """Count one use. Raises: RateLimited; then nothing is counted."""
        if self._limit.rate is not None:
            await self._throttle.take((self._limit, str(actor.id)))


def _give_back(claims: Sequence[Claim]) -> None:
    for limit, key in claims:
        limit.give_back(key)


def _microseconds(seconds: float) -> int:
    return round(seconds * _MICROSECONDS)
