"""Leases: a process may cache data of a user until any process begins to change that data."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID, uuid4

from services.events.redis_clients import Script, in_order
from services.events.redis_errors import LINK_ERRORS
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.runtime.batches import Batches

# The longest time for which a process uses cached data without checking it against the database, in seconds.
MAX_UNCHECKED_S = 2.0
# A change that is never ended counts as running for this long: longer than any statement, and than any cached data
# is used.
LONGEST_CHANGE_S = 65.0
# The end of a change goes to Redis with the next call, or alone after this time: no caller waits for it.
END_AT_LATEST_S = 0.1
# When an unused lease expires in Redis, in seconds.
LEASE_TTL_S = 600
MAX_LEASES = 100_000
TIMEOUT_S = 1.0
MAX_CONNECTIONS = 8
# Bounds how long one script blocks Redis.
MAX_CALLS = 256

_BEGIN, _END, _TAKE = b"begin", b"end", b"take"
_CHANGING = re.compile(rb"!\d+")
_NO_ANSWER = b"!"
# The value of a key is a lease, or "!" and the number of running changes; empty means none. Returns for each call
# the value of the key after it, or "!" and the error of Redis.
_SCRIPT = """
local answers = {}
for i = 1, #KEYS do
    local call = ARGV[2 * i + 1]
    local value = redis.call('GET', KEYS[i]) or ''
    local changes = tonumber(string.match(value, '^!(%d+)$')) or 0
    local wanted, ttl_ms = value, ARGV[1]
    if call == 'begin' then
        wanted = '!' .. changes + 1
    elseif call == 'end' and changes > 1 then
        wanted = '!' .. changes - 1
    elseif call == 'end' then
        wanted, ttl_ms = '', 1
    elseif value == '' then
        wanted, ttl_ms = ARGV[2 * i + 2], ARGV[2]
    end
    answers[i] = wanted
    if wanted ~= value then
        local kept = redis.pcall('SET', KEYS[i], wanted, 'PX', ttl_ms)
        if kept.err then answers[i] = '!' .. kept.err end
    end
end
return answers
"""


class Lease(Protocol):
    """A lease on a user. It covers data that was read after the lease was taken."""

    @property
    def token(self) -> bytes:
        """The value of ``Topics.lease`` in Redis while the lease is held. Not used without Redis."""
        ...

    @property
    def is_held(self) -> bool:
        """Whether the lease is held, as far as this process knows. With Redis, only Redis knows for certain."""
        ...


class Leases(Protocol):
    """Lets processes cache data of a user, and ends that before the data becomes outdated.

    A reader takes a lease, then reads, and uses the data only while the lease is held. A writer calls
    ``begin_change`` before it commits: that ends all leases on the user, and none is given until ``end_change``.
    So no process uses data that a committed change has made outdated.
    """

    async def begin_change(self, user_ids: Collection[UUID]) -> bool:
        """End all leases on these users. False: not all processes could be told.

        Others may then use outdated data for at most ``MAX_UNCHECKED_S`` seconds after the commit.
        """
        ...

    def end_change(self, user_ids: Collection[UUID], *, since: float) -> bool:
        """The change is committed. Without this call it counts as running for ``LONGEST_CHANGE_S`` seconds.

        ``since``: when it began (``time.monotonic``). False: not all processes have known of it since then, as in
        ``begin_change``.
        """
        ...

    async def take(self, user_ids: Collection[UUID]) -> Mapping[UUID, Lease]:
        """Take a lease on each of these users who is not being changed."""
        ...


class _ProcessLease:
    __slots__ = ("is_held",)

    token = b""

    def __init__(self) -> None:
        self.is_held = True


class ProcessLeases:
    """Leases within this process."""

    def __init__(self) -> None:
        # In the order in which they were taken.
        self._leases: OrderedDict[UUID, _ProcessLease] = OrderedDict()
        # For each user the number of running changes, and until when they count if they are not ended.
        self._changes: dict[UUID, tuple[int, float]] = {}

    async def begin_change(self, user_ids: Collection[UUID]) -> bool:
        until = time.monotonic() + LONGEST_CHANGE_S
        for user_id in user_ids:
            self._changes[user_id] = (self._under_way(user_id) + 1, until)
            self._drop(user_id)
        return True

    def end_change(self, user_ids: Collection[UUID], *, since: float) -> bool:
        for user_id in user_ids:
            under_way = self._under_way(user_id)
            if under_way > 1:
                self._changes[user_id] = (under_way - 1, self._changes[user_id][1])
            else:
                self._changes.pop(user_id, None)
        return True

    async def take(self, user_ids: Collection[UUID]) -> Mapping[UUID, Lease]:
        taken: dict[UUID, Lease] = {}
        for user_id in user_ids:
            if not self._under_way(user_id):
                taken[user_id] = self._leases.setdefault(user_id, _ProcessLease())
        while len(self._leases) > MAX_LEASES:
            self._drop(next(iter(self._leases)))
        return taken

    def _under_way(self, user_id: UUID) -> int:
        count, until = self._changes.get(user_id, (0, 0.0))
        return count if until > time.monotonic() else 0

    def _drop(self, user_id: UUID) -> None:
        lease = self._leases.pop(user_id, None)
        if lease is not None:
            lease.is_held = False


class _SharedLease:
    __slots__ = ("_epoch", "_link", "token")

    def __init__(self, token: bytes, link: RedisLink, epoch: int) -> None:
        self.token = token
        self._link = link
        self._epoch = epoch

    @property
    def is_held(self) -> bool:
        return self._link.is_healthy and self._link.epoch == self._epoch


class SharedLeases:
    """Leases in Redis, shared by all processes.

    While Redis is unavailable, no leases are given or held. Nor are they given while other processes may use
    another Redis, where a change would not end them.
    """

    def __init__(self, link: RedisLink, topics: Topics) -> None:
        self._link = link
        self._topics = topics
        self._redis = link.clients(timeout_s=TIMEOUT_S, max_connections=MAX_CONNECTIONS)
        self._script = Script(self._redis, _SCRIPT)
        self._calls: Batches[tuple[bytes, UUID], bytes] = Batches(self._send, at_most=MAX_CALLS)
        # The users of whom changes have ended, which Redis has not been told yet.
        self._ended: list[UUID] = []
        self._ending: asyncio.TimerHandle | None = None

    async def begin_change(self, user_ids: Collection[UUID]) -> bool:
        if not self._link.is_up:
            return False
        answers = await asyncio.gather(*(self._calls.run((_BEGIN, user_id)) for user_id in user_ids))
        return self._link.is_shared and all(_CHANGING.fullmatch(answer) for answer in answers)

    def end_change(self, user_ids: Collection[UUID], *, since: float) -> bool:
        if not self._link.is_up:
            return False
        self._ended += user_ids
        if self._ending is None:
            self._ending = asyncio.get_running_loop().call_later(END_AT_LATEST_S, self._end_now)
        return self._link.shared_since <= since

    def _end_now(self) -> None:
        self._ending = None
        if self._ended and self._link.is_up:
            self._calls.run((_END, self._ended.pop()))

    async def take(self, user_ids: Collection[UUID]) -> Mapping[UUID, Lease]:
        if not self._link.is_healthy or not self._link.is_shared:
            return {}
        # Read the epoch first: an outage while the leases are taken must end them.
        epoch = self._link.epoch
        tokens = await asyncio.gather(*(self._calls.run((_TAKE, user_id)) for user_id in user_ids))
        return {
            user_id: _SharedLease(token, self._link, epoch)
            for user_id, token in zip(user_ids, tokens, strict=True)
            if not token.startswith(b"!")
        }

    async def _send(self, asked: Sequence[tuple[bytes, UUID]], since: float) -> Sequence[bytes]:
        ended, self._ended = self._ended, []
        calls = [*((_END, user_id) for user_id in ended), *asked]
        keys = [self._topics.lease(user_id) for _, user_id in calls]
        groups = self._redis.by_slot(keys)
        try:
            async with asyncio.timeout_at(since + TIMEOUT_S):
                answers: list[bytes] = in_order(
                    groups,
                    await self._script.run(
                        [
                            ([keys[each] for each in group], _arguments([calls[each][0] for each in group]))
                            for group in groups
                        ]
                    ),
                )
        except LINK_ERRORS as error:
            self._link.failed(error)
            return [_NO_ANSWER] * len(asked)
        for answer in answers:
            if answer.startswith(b"!") and not _CHANGING.fullmatch(answer):
                self._link.failed(answer[1:].decode())
        return answers[len(ended) :]


def _arguments(calls: Sequence[bytes]) -> Sequence[bytes | str | int]:
    return [
        round(LONGEST_CHANGE_S * 1000),
        LEASE_TTL_S * 1000,
        *(arg for call in calls for arg in (call, uuid4().hex if call is _TAKE else b"")),
    ]
