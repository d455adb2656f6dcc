"""Leases: cached data of a user may be used until a change of it begins."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest

from services.events import leases as leases_module
from services.events import redis_backend
from services.events.bus import Bus, BusState
from services.events.leases import Lease, Leases, ProcessLeases, SharedLeases
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.runtime.counters import Counters
from tests.support.brokers import Broker, broker, free_port
from tests.support.waiting import PATIENCE_S, until


class Shared:
    """The leases of one of several processes on one Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        self.topics = Topics(prefix)
        self.link = RedisLink(url)
        self.bus = Bus(self.link, Counters(), heartbeats=self.topics.heartbeats(), on_gap=lambda: None)
        self.leases = SharedLeases(self.link, self.topics)


async def shared(stack: AsyncExitStack, url: str, prefix: str) -> Shared:
    process = Shared(url, prefix)
    await process.bus.connect()
    stack.push_async_callback(process.bus.disconnect)
    return process


class Pair:
    """A process that caches, and one that changes: two on one Redis, or the same one."""

    def __init__(self, remembers: Leases, changes: Leases, is_held: Callable[[Lease], Awaitable[bool]]) -> None:
        self.remembers = remembers
        self.changes = changes
        self.user_id = uuid4()
        self._is_held = is_held

    async def take(self) -> Lease | None:
        return (await self.remembers.take([self.user_id])).get(self.user_id)

    async def is_held(self, lease: Lease | None) -> bool:
        assert lease is not None
        return await self._is_held(lease)

    async def begin(self) -> None:
        assert await self.changes.begin_change([self.user_id])

    def end(self) -> None:
        self.changes.end_change([self.user_id], since=time.monotonic())

    async def can_take(self) -> bool:
        return await self.take() is not None


@pytest.fixture(params=["in the process", "in Redis"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "in the process":
        leases = ProcessLeases()

        async def is_held_here(lease: Lease) -> bool:
            return lease.is_held

        yield Pair(leases, leases, is_held_here)
        return
    url, prefix = request.getfixturevalue("redis_url"), f"leases-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        one, other = await shared(stack, url, prefix), await shared(stack, url, prefix)
        redis = one.link.clients(timeout_s=1, max_connections=1).at(None)

        async def is_held(lease: Lease) -> bool:
            return lease.is_held and await redis.get(one.topics.lease(pair.user_id)) == lease.token

        pair = Pair(one.leases, other.leases, is_held)
        yield pair


async def test_a_lease_is_held_until_a_change_begins_and_there_is_another_after_it(pair: Pair) -> None:
    lease = await pair.take()
    assert await pair.is_held(lease)

    await pair.begin()

    assert not await pair.is_held(lease)
    assert await pair.take() is None
    pair.end()
    await until(pair.can_take)
    assert not await pair.is_held(lease)
    assert await pair.is_held(await pair.take())


async def test_all_processes_that_cache_share_one_lease(pair: Pair) -> None:
    first, second = await pair.take(), await pair.take()
    assert await pair.is_held(first)
    assert await pair.is_held(second)
    await pair.begin()
    assert not await pair.is_held(first)
    assert not await pair.is_held(second)


async def test_of_two_simultaneous_changes_both_must_end_before_there_is_a_lease(pair: Pair) -> None:
    await pair.begin()
    await pair.begin()
    pair.end()
    # Redis runs one call after the other: the second look comes after the end.
    for _ in range(2):
        assert await pair.take() is None
    pair.end()
    await until(pair.can_take)


async def test_a_change_of_one_user_does_not_affect_another(pair: Pair) -> None:
    lease = await pair.take()
    await pair.changes.begin_change([uuid4()])
    assert await pair.is_held(lease)


async def test_a_change_that_is_never_ended_expires(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "LONGEST_CHANGE_S", 0.05)
    await pair.begin()
    await until(pair.can_take)


async def test_the_end_of_a_change_goes_together_with_another_call(redis_url: str) -> None:
    async with AsyncExitStack() as stack:
        process = await shared(stack, redis_url, f"leases-{uuid4().hex}")
        one, other = uuid4(), uuid4()
        sent: list[int] = []
        script = process.leases._script  # pyright: ignore[reportPrivateUsage]

        run = script.run

        async def counted(calls: Any) -> Any:
            sent.extend(len(keys) for keys, _ in calls)
            return await run(calls)

        with patch.object(script, "run", counted):
            await process.leases.begin_change([one])
            process.leases.end_change([one], since=time.monotonic())
            await process.leases.begin_change([other])
            assert sent == [1, 2]
            assert one in await process.leases.take([one])
            process.leases.end_change([other], since=time.monotonic())
            # No other call is made: it goes alone.
            await until(lambda: sent == [1, 2, 1, 1])
            assert other in await process.leases.take([other])


async def test_a_process_gives_no_more_leases_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "MAX_LEASES", 2)
    leases = ProcessLeases()
    ids = [uuid4() for _ in range(3)]
    taken = await leases.take(ids)
    assert [taken[user_id].is_held for user_id in ids] == [False, True, True]


# Redis goes and comes back.


@pytest.fixture
async def own_broker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(redis_backend, "LONGEST_BACKOFF_S", 0.2)
    async with broker() as running:
        yield running


async def test_data_cached_before_an_outage_of_redis_does_not_count_afterwards(
    own_broker: Broker,
) -> None:
    user_id = uuid4()
    async with AsyncExitStack() as stack:
        process = await shared(stack, own_broker.url, "leases")
        lease = (await process.leases.take([user_id]))[user_id]
        assert lease.is_held
        await own_broker.stop()
        await until(lambda: process.bus.state is BusState.DEGRADED)
        assert not lease.is_held
        assert await process.leases.take([user_id]) == {}
        assert not await process.leases.begin_change([user_id])
        await own_broker.start()
        await until(lambda: process.link.is_healthy)
        assert not lease.is_held
        assert (await process.leases.take([user_id]))[user_id].is_held


async def test_data_cached_before_a_failure_of_redis_does_not_count_afterwards(own_broker: Broker) -> None:
    user_id = uuid4()
    async with AsyncExitStack() as stack:
        process = await shared(stack, own_broker.url, "leases")
        lease = (await process.leases.take([user_id]))[user_id]
        process.link.failed("it was slow")
        await until(lambda: process.link.is_healthy)
        assert not lease.is_held


@pytest.mark.parametrize(
    "spoil",
    [("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "min-replicas-to-write", "1")],
    ids=["full", "too few replicas"],
)
async def test_a_redis_that_refuses_writes_ends_no_lease_and_gives_none(
    own_broker: Broker, spoil: tuple[str, ...]
) -> None:
    user_id = uuid4()
    async with AsyncExitStack() as stack:
        process = await shared(stack, own_broker.url, "leases")
        lease = (await process.leases.take([user_id]))[user_id]
        await own_broker.execute(*spoil)
        assert not await process.leases.begin_change([user_id])
        assert not lease.is_held
        assert not process.link.is_healthy
        assert await process.leases.take([user_id]) == {}


async def test_a_redis_that_does_not_answer_delays_a_change_by_its_time_out(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "TIMEOUT_S", 0.2)
    # Meanwhile it does not notice by itself.
    monkeypatch.setattr(redis_backend, "MISSED_HEARTBEATS", 1_000)
    async with AsyncExitStack() as stack:
        process = await shared(stack, own_broker.url, "leases")
        own_broker.freeze()
        changes = (process.leases.begin_change([uuid4()]) for _ in range(3))
        async with asyncio.timeout(PATIENCE_S):
            assert await asyncio.gather(*changes) == [False] * 3
        own_broker.thaw()


async def test_without_redis_from_the_start_nothing_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_backend, "CONNECT_TIMEOUT_S", 0.1)
    async with AsyncExitStack() as stack:
        process = await shared(stack, f"redis://127.0.0.1:{free_port()}/0", "leases")
        assert await process.leases.take([uuid4()]) == {}
        assert not await process.leases.begin_change([uuid4()])
