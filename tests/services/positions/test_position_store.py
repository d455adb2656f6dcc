"""The last position of every driver: the newest wins, it expires, and Redis may go and come back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import cast
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from models.values import Location
from services.events import redis_backend
from services.events.bus import Bus, BusState
from services.events.leases import Lease, Leases, ProcessLeases, SharedLeases
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.positions import redis_positions
from services.positions import store as position_store
from services.positions.redis_positions import RedisPositions
from services.positions.store import MemoryPositions, PositionStore, Stored
from services.positions.storing_script import Put
from services.runtime.counters import Counters
from tests.support.brokers import Broker, broker, free_port
from tests.support.positions import location
from tests.support.waiting import PATIENCE_S, until

TTL_S = 60.0


class Process:
    """The store of one process, on its bus."""

    def __init__(self, url: str | None, prefix: str) -> None:
        self.topics = Topics(prefix)
        self.link = RedisLink(url) if url is not None else None
        self.bus = Bus(self.link, Counters(), heartbeats=self.topics.heartbeats(), on_gap=lambda: None)
        self.store: PositionStore = (
            RedisPositions(self.link, self.bus, self.topics, self.tell)
            if self.link
            else MemoryPositions(self.tell)
        )
        self.leases: Leases = SharedLeases(self.link, self.topics) if self.link else ProcessLeases()
        # In another process, if the backend allows it.
        self.others: Leases = SharedLeases(self.link, self.topics) if self.link else self.leases
        # The positions that local listeners received.
        self.told: list[Location] = []

    def tell(self, topics: Sequence[str], position: Location) -> None:
        assert len(topics) == 1
        self.told.append(position)

    async def put(self, position: Location, *, ttl_s: float = TTL_S, lease: Lease | None = None) -> Stored:
        topics = [self.topics.driver(position.driver_id)]
        if lease is None:
            return await self.store.put(position, topics, ttl_s=ttl_s)
        return await self.store.put_under(lease, position, topics, ttl_s=ttl_s)

    async def last(self, driver_id: UUID) -> Location | None:
        return (await self.store.last([driver_id])).get(driver_id)

    async def is_connected(self) -> None:
        await until(lambda: self.bus.state is BusState.OK)


@asynccontextmanager
async def process(url: str | None, prefix: str | None = None) -> AsyncIterator[Process]:
    running = Process(url, prefix or f"locations-{uuid4().hex}")
    await running.bus.connect()
    try:
        yield running
    finally:
        await running.bus.disconnect()


@pytest.fixture(params=["in the process", "in Redis"])
async def here(request: pytest.FixtureRequest) -> AsyncIterator[Process]:
    """A process with either store."""
    url = request.getfixturevalue("redis_url") if request.param == "in Redis" else None
    async with process(url) as running:
        yield running


async def test_the_newest_is_kept_and_an_older_one_is_stale(here: Process) -> None:
    driver_id = uuid4()
    first, second = location(driver_id, age_s=2), location(driver_id, age_s=1)
    assert await here.last(driver_id) is None

    assert await here.put(first) is Stored.NEW
    assert await here.put(second) is Stored.NEW
    assert await here.put(first) is Stored.OUTDATED

    assert await here.last(driver_id) == second


async def test_the_same_position_again_is_known(here: Process) -> None:
    position = location()
    assert await here.put(position) is Stored.NEW
    assert await here.put(position) is Stored.KNOWN
    assert await here.last(position.driver_id) == position


async def test_times_that_differ_by_a_microsecond_are_distinguished(here: Process) -> None:
    driver_id = uuid4()
    later = location(driver_id)
    for _ in range(50):
        earlier = later
        later = location(driver_id)
        if earlier.recorded_at != later.recorded_at:
            assert await here.put(later) is Stored.NEW
            assert await here.put(earlier) is Stored.OUTDATED


async def test_of_twenty_simultaneous_positions_the_newest_is_left(here: Process) -> None:
    driver_id = uuid4()
    positions = [location(driver_id, age_s=number) for number in range(20)]
    newest = positions[0]
    random.shuffle(positions)

    results = await asyncio.gather(*(here.put(position) for position in positions))

    assert await here.last(driver_id) == newest
    assert results[positions.index(newest)] is Stored.NEW
    assert Stored.KNOWN not in results


async def test_drivers_have_one_each(here: Process) -> None:
    one, other = location(), location()
    await here.put(one)
    await here.put(other)
    found = await here.store.last([one.driver_id, other.driver_id, uuid4()])
    assert found == {one.driver_id: one, other.driver_id: other}


async def test_only_a_new_position_is_published(here: Process) -> None:
    driver_id = uuid4()
    first, second, third = (location(driver_id, age_s=age_s) for age_s in (3, 2, 1))
    for position in (second, second, first, third):
        await here.put(position)
    assert here.told == [second, third]


async def test_under_a_lease_that_is_not_held_nothing_is_done(here: Process) -> None:
    first, second, third = (location(age_s=age_s) for age_s in (3, 2, 1))
    driver_id = first.driver_id
    second, third = replace(second, driver_id=driver_id), replace(third, driver_id=driver_id)
    lease = (await here.leases.take([driver_id]))[driver_id]
    assert await here.put(first, lease=lease) is Stored.NEW
    assert await here.put(first, lease=lease) is Stored.KNOWN
    assert await here.put(location(driver_id, age_s=9), lease=lease) is Stored.OUTDATED

    # Reported to another process, from which this one receives nothing.
    await here.others.begin_change([driver_id])

    assert await here.put(second, lease=lease) is Stored.UNSURE
    assert (here.told, here.store.newest(driver_id)) == ([first], first.recorded_at)
    assert await here.last(driver_id) == first
    assert await here.put(third) is Stored.NEW
    assert here.told == [first, third]


async def test_an_expired_position_is_gone(here: Process) -> None:
    position = location()
    await here.put(position, ttl_s=0.05)

    async def is_gone() -> bool:
        return await here.last(position.driver_id) is None

    await until(is_gone)
    assert await here.put(position) is Stored.NEW, "nothing is known of it any more"


async def test_memory_keeps_no_expired_positions_and_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position_store, "MAX_KEPT", 10)
    now = 0.0
    store = MemoryPositions(lambda *_: None, clock=lambda: now)
    positions = [location() for _ in range(15)]
    for position in positions:
        store.keep(position, TTL_S)
    assert len(store._kept) == 10  # pyright: ignore[reportPrivateUsage]
    assert list(await store.last([p.driver_id for p in positions])) == [p.driver_id for p in positions[5:]]

    now += TTL_S + 1
    store.keep(location(), TTL_S)

    assert len(store._kept) == 1  # pyright: ignore[reportPrivateUsage]


async def test_one_key_a_driver_in_redis_and_it_expires(redis_url: str) -> None:
    position = location()
    async with process(redis_url) as here, Redis.from_url(redis_url) as redis:
        await here.put(position, ttl_s=5)
        key = here.topics.last_location(position.driver_id)
        assert await redis.keys(f"{key.split(':')[0]}:last-location:*") == [key.encode()]
        assert 0 < await redis.pttl(key) <= 5_000
        assert await here.put(location(), ttl_s=1e-6) is Stored.NEW


async def test_calls_during_a_round_trip_go_together_in_the_next(redis_url: str) -> None:
    async with process(redis_url) as here:
        store = cast("RedisPositions", here.store)
        await here.put(location())
        with count_scripts(store) as scripts:
            assert await asyncio.gather(*(here.put(location()) for _ in range(100))) == [Stored.NEW] * 100
        assert scripts == [100]
        assert len(here.told) == 101


@contextmanager
def count_scripts(store: RedisPositions) -> Iterator[list[int]]:
    """The number of positions in each script of the block."""
    sent: list[int] = []
    script = store._script  # pyright: ignore[reportPrivateUsage]
    stored = script.store

    async def counted(puts: Sequence[Put]) -> Sequence[bytes]:
        sent.append(len(puts))
        return await stored(puts)

    with patch.object(script, "store", counted):
        yield sent


async def test_a_position_that_redis_refuses_does_not_affect_the_others_of_its_batch(redis_url: str) -> None:
    positions = [location() for _ in range(3)]
    async with process(redis_url) as here, Redis.from_url(redis_url) as redis:
        await redis.lpush(here.topics.last_location(positions[1].driver_id), "x")  # pyright: ignore
        assert await asyncio.gather(*(here.put(position) for position in positions)) == [Stored.NEW] * 3
        assert [await here.last(position.driver_id) for position in positions] == positions


async def test_other_processes_receive_a_position_and_this_one_delivers_it_once(redis_url: str) -> None:
    prefix, driver_id = f"locations-{uuid4().hex}", uuid4()
    one, two = location(driver_id, age_s=1), location(driver_id)
    async with (
        process(redis_url, prefix) as here,
        process(redis_url, prefix) as there,
        here.bus.listen(here.topics.driver(driver_id)) as heard_here,
        there.bus.listen(there.topics.driver(driver_id)) as heard_there,
    ):
        await here.put(one)
        # The sentinel: nothing came before it.
        await there.put(two)
        async with asyncio.timeout(PATIENCE_S):
            assert Location.from_json(await anext(aiter(heard_here))) == two
            assert Location.from_json(await anext(aiter(heard_there))) == one
    assert (here.told, there.told) == ([one], [two])


async def test_twenty_drivers_are_one_round_trip(redis_url: str) -> None:
    async with process(redis_url) as here:
        positions = [location() for _ in range(20)]
        await asyncio.gather(*(here.put(position) for position in positions))
        commands: list[object] = []
        execute = Redis.execute_command

        async def counted(self: Redis, *args: object, **options: object) -> object:
            commands.append(args[0])
            return await execute(self, *args, **options)

        with patch.object(Redis, "execute_command", counted):
            assert len(await here.store.last([position.driver_id for position in positions])) == 20
    assert [command for command in commands if command != "PUBLISH"] == ["MGET"]


async def test_any_number_of_simultaneous_reports_needs_only_a_few_connections(redis_url: str) -> None:
    async with process(redis_url) as here:
        results = await asyncio.gather(*(here.put(location()) for _ in range(500)))
        redis = cast("RedisPositions", here.store)._redis  # pyright: ignore[reportPrivateUsage]
        pool = redis.at(None).connection_pool
        assert len(pool._available_connections) <= redis_positions.MAX_CONNECTIONS
    assert results == [Stored.NEW] * 500


async def test_a_position_reported_to_another_process_is_learnt_with_the_first_stale_one(redis_url: str) -> None:
    prefix, driver_id = f"locations-{uuid4().hex}", uuid4()
    older, old, newest = (location(driver_id, age_s=age_s) for age_s in (3, 2, 1))
    async with process(redis_url, prefix) as one, process(redis_url, prefix) as other:
        await one.put(newest)
        assert other.store.newest(driver_id) is None
        assert await other.put(old) is Stored.OUTDATED
        assert other.store.newest(driver_id) == newest.recorded_at
        assert await other.put(older) is Stored.OUTDATED


@pytest.mark.parametrize(
    "value", [b"", b"nonsense", b"9" * 16, b"9" * 16 + b"{}", b"9" * 16 + b"[]", b"9" * 16 + b"1"]
)
async def test_an_unreadable_value_in_redis_counts_as_no_position(redis_url: str, value: bytes) -> None:
    driver_id = uuid4()
    async with process(redis_url) as here, Redis.from_url(redis_url) as redis:
        await redis.set(here.topics.last_location(driver_id), value)
        assert await here.last(driver_id) is None


async def test_a_key_of_another_type_in_redis_delays_nothing(redis_url: str) -> None:
    position = location()
    async with process(redis_url) as here, Redis.from_url(redis_url) as redis:
        await redis.lpush(here.topics.last_location(position.driver_id), "x")  # pyright: ignore
        assert await here.put(position) is Stored.NEW
        assert await here.last(position.driver_id) == position


# Redis goes and comes back.


@pytest.fixture
async def own_broker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(redis_backend, "LONGEST_BACKOFF_S", 0.2)
    async with broker() as running:
        yield running


async def test_while_redis_is_away_a_process_answers_from_its_own_positions(own_broker: Broker) -> None:
    driver_id = uuid4()
    before, during = location(driver_id, age_s=2), location(driver_id, age_s=1)
    async with process(own_broker.url) as here:
        await here.put(before)
        await own_broker.stop()
        # Whether or not the outage has been noticed.
        assert await here.last(driver_id) == before
        await until(lambda: here.bus.state is BusState.DEGRADED)
        assert await here.put(during) is Stored.NEW
        assert await here.put(before) is Stored.OUTDATED
        assert await here.last(driver_id) == during


async def test_while_redis_is_away_a_position_is_delivered_within_the_process(own_broker: Broker) -> None:
    position = location()
    before = location(position.driver_id, age_s=1)
    async with process(own_broker.url) as here:
        await own_broker.stop()
        # Whether or not the outage has been noticed.
        await here.put(before)
        await until(lambda: here.bus.state is BusState.DEGRADED)
        await here.put(position)
    assert here.told == [before, position]


@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
        (["ACL", "SETUSER", "default", "-evalsha"], ["ACL", "SETUSER", "default", "+evalsha"]),
        (
            ["CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "10"],
            ["CONFIG", "SET", "min-replicas-to-write", "0"],
        ),
    ],
    ids=["full", "no right to scripts", "too few replicas"],
)
async def test_a_position_that_redis_cannot_store_is_delivered_to_all_and_the_store_counts_as_degraded(
    own_broker: Broker, spoil: list[str], mend: list[str]
) -> None:
    driver_id = uuid4()
    first, second = location(driver_id, age_s=1), location(driver_id)
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(process(own_broker.url, "shared"))
        there = await stack.enter_async_context(process(own_broker.url, "shared"))
        heard = await stack.enter_async_context(there.bus.listen(there.topics.driver(driver_id)))
        await own_broker.execute(*spoil)

        assert await here.put(first) is Stored.NEW

        async with asyncio.timeout(PATIENCE_S):
            assert Location.from_json(await anext(aiter(heard))) == first
        assert here.link is not None
        assert (here.bus.state, here.link.is_healthy) == (BusState.OK, False)
        assert await here.last(driver_id) == first

        await own_broker.execute(*mend)
        assert await here.put(second) is Stored.NEW
        assert await there.last(driver_id) == second
        link = here.link
        await until(lambda: link.is_healthy)


async def test_scripts_that_redis_has_forgotten_are_sent_again(own_broker: Broker) -> None:
    driver_id = uuid4()
    async with process(own_broker.url) as here:
        await here.put(location(driver_id, age_s=1))
        await own_broker.execute("SCRIPT", "FLUSH")
        position = location(driver_id)
        await here.put(position)
        async with own_broker.client() as client:
            assert str(position.driver_id) in (await client.get(here.topics.last_location(driver_id)) or "")
        assert here.link is not None
        assert here.link.is_healthy


async def test_after_redis_lost_its_data_one_report_makes_a_position_known_everywhere(
    own_broker: Broker,
) -> None:
    driver_id = uuid4()
    before, after = location(driver_id, age_s=2), location(driver_id, age_s=1)
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(process(own_broker.url, "shared"))
        there = await stack.enter_async_context(process(own_broker.url, "shared"))
        await here.put(before)
        assert await there.last(driver_id) == before
        await own_broker.restart()
        await here.is_connected()
        await there.is_connected()
        assert await here.last(driver_id) == before
        assert await there.last(driver_id) is None
        assert await here.put(location(driver_id, age_s=9)) is Stored.OUTDATED, (
            "Redis has forgotten; this process not"
        )
        assert await there.last(driver_id) is None

        assert await here.put(after) is Stored.NEW

        assert await there.last(driver_id) == after


async def test_a_report_that_redis_did_not_accept_is_accepted_when_it_is_sent_again(own_broker: Broker) -> None:
    position = location()
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(process(own_broker.url, "shared"))
        there = await stack.enter_async_context(process(own_broker.url, "shared"))
        await own_broker.stop()
        await here.put(position)
        await own_broker.start()
        await here.is_connected()
        await there.is_connected()
        assert await there.last(position.driver_id) is None

        assert await here.put(position) is Stored.NEW

        assert await there.last(position.driver_id) == position


async def test_a_redis_that_hangs_delays_a_report_and_a_read_by_their_time_out_at_most(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_positions, "TIMEOUT_S", 0.2)
    # Meanwhile it does not notice by itself.
    monkeypatch.setattr(redis_backend, "MISSED_HEARTBEATS", 1_000)
    position = location()
    async with process(own_broker.url) as here:
        await here.put(location())
        own_broker.freeze()
        began = time.monotonic()
        assert await here.put(position) is Stored.NEW
        assert await here.last(position.driver_id) == position
        assert await asyncio.gather(*(here.put(location()) for _ in range(300))) == [Stored.NEW] * 300
        assert here.bus.state is BusState.OK
        # It takes three time-outs; 300 would be a minute.
        assert time.monotonic() - began < PATIENCE_S
        own_broker.thaw()


async def test_under_a_lease_a_redis_that_hangs_leaves_the_answer_open_and_no_time_to_ask_again(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_positions, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(redis_backend, "MISSED_HEARTBEATS", 1_000)
    position = location()
    async with process(own_broker.url) as here:
        lease = (await here.leases.take([position.driver_id]))[position.driver_id]
        own_broker.freeze()
        assert await here.put(position, lease=lease) is Stored.UNANSWERED
        assert (here.told, await here.last(position.driver_id), lease.is_held) == ([], None, False)
        # It would wait this long if it asked again.
        monkeypatch.setattr(redis_positions, "TIMEOUT_S", 60)
        async with asyncio.timeout(PATIENCE_S):
            assert await here.store.put_here(position, ["any"], ttl_s=TTL_S) is Stored.NEW
        assert here.told == [position]
        own_broker.thaw()


async def test_without_redis_from_the_start_a_process_answers_from_its_own_positions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_backend, "CONNECT_TIMEOUT_S", 0.1)
    position = location()
    async with process(f"redis://127.0.0.1:{free_port()}/0") as here:
        assert await here.put(position) is Stored.NEW
        assert await here.last(position.driver_id) == position
