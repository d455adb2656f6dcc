"""Rates hold across all processes that share a Redis, and within each process without it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from services.events import redis_backend
from services.events.bus import Bus
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.limits import rates
from services.limits import throttle as throttle_module
from services.limits.log_in_rate import LogInRate
from services.limits.rates import MAX_KEYS, Rate, RateLimit, RateLimited
from services.limits.throttle import Claim, ProcessThrottle, SharedThrottle, Throttle
from services.runtime.counters import Counters
from tests.support.brokers import broker
from tests.support.waiting import PATIENCE_S, until

attack = pytest.mark.attack("abuse")
DAY_S = 86_400


async def taken(throttle: Throttle, *claims: Claim, times: int) -> int:
    """How many of that many simultaneous uses pass."""
    outcomes = await asyncio.gather(*(throttle.take(*claims) for _ in range(times)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {RateLimited, type(None)}, outcomes
    return sum(outcome is None for outcome in outcomes)


def limits() -> tuple[RateLimit, RateLimit]:
    """The limits of a process: five and three a day."""
    return RateLimit(Rate(5, DAY_S), name="five", group="both"), RateLimit(
        Rate(3, DAY_S), name="three", group="both"
    )


Shared = Callable[[], Awaitable[SharedThrottle]]


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[Shared]:
    """Creates throttles of processes that share one Redis."""
    topics = Topics(f"test-{uuid4().hex}")
    async with AsyncExitStack() as stack:
        yield lambda: stack.enter_async_context(of_a_process(redis_url, topics))


@asynccontextmanager
async def of_a_process(url: str, topics: Topics) -> AsyncIterator[SharedThrottle]:
    """The throttle of one process, on its link to Redis."""
    link = RedisLink(url)
    bus = Bus(link, Counters(), heartbeats=topics.heartbeats(), on_gap=lambda: None)
    await bus.connect()
    try:
        yield SharedThrottle(link, topics)
    finally:
        await bus.disconnect()


@pytest.fixture(params=["process", "shared"])
async def throttle(request: pytest.FixtureRequest) -> AsyncIterator[Throttle]:
    if request.param == "process":
        yield ProcessThrottle()
        return
    async with of_a_process(request.getfixturevalue("redis_url"), Topics(f"test-{uuid4().hex}")) as throttle:
        yield throttle


@attack
async def test_of_many_simultaneous_calls_as_many_pass_as_the_rate_allows(throttle: Throttle) -> None:
    five, _ = limits()
    assert await taken(throttle, (five, "rosa"), times=20) == 5
    assert await taken(throttle, (five, "ravi"), times=3) == 3
    with pytest.raises(RateLimited) as refusal:
        await throttle.take((five, "rosa"))
    assert DAY_S / 5 - 60 < refusal.value.retry_after_s <= DAY_S / 5


async def test_a_call_that_one_limit_refuses_is_not_counted_by_another(throttle: Throttle) -> None:
    five, three = limits()
    assert await taken(throttle, (five, "rosa"), (three, "here"), times=10) == 3
    assert await taken(throttle, (five, "rosa"), times=10) == 2


async def test_a_count_that_is_given_back_can_be_used_again(throttle: Throttle) -> None:
    five, three = limits()
    assert await taken(throttle, (five, "rosa"), (three, "here"), times=3) == 3
    await throttle.give_back((three, "here"))
    assert await taken(throttle, (three, "here"), times=3) == 1
    assert await taken(throttle, (five, "rosa"), times=5) == 2
    await throttle.give_back((five, "nobody"))
    assert await taken(throttle, (five, "nobody"), times=9) == 5


@attack
async def test_processes_share_the_remaining_rate(shared: Shared) -> None:
    here, there = await shared(), await shared()
    one, _ = limits()
    other, _ = limits()
    counts = await asyncio.gather(taken(here, (one, "rosa"), times=10), taken(there, (other, "rosa"), times=10))
    assert sum(counts) == 5
    # A process with counts gives one back. Which uses passed is random; they may be of one process.
    (giver, given), (taker, wanted) = ((here, one), (there, other)) if counts[0] else ((there, other), (here, one))
    await giver.give_back((given, "rosa"))
    assert await taken(taker, (wanted, "rosa"), times=3) == 1


async def test_redis_has_no_names_and_keeps_counts_only_for_a_while(redis_url: str) -> None:
    topics = Topics(f"test-{uuid4().hex}")
    async with of_a_process(redis_url, topics) as throttle:
        attempts = LogInRate("log-in", Rate(10, 60), throttle)
        await attempts.count(name="rosa@example.com", address="203.0.113.1")
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        keys = await client.keys(f"{topics.rate('', '')[:-2]}:*")
        assert len(keys) == 2
        assert "rosa" not in " ".join(keys)
        assert sorted([await client.pttl(key) for key in keys])[1] <= 6_000


async def test_simultaneous_calls_go_to_redis_together(shared: Shared, redis_url: str) -> None:
    throttle = await shared()
    await throttle.take((RateLimit(Rate(5, 60), name="first"), "loads the script"))
    async with Redis.from_url(redis_url) as client:
        before = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
        limit = RateLimit(Rate(1, DAY_S), name="once")
        await asyncio.gather(*(throttle.take((limit, str(number))) for number in range(200)))
        asked = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"] - before
    # Another test may use the same Redis now.
    assert asked < 50


# Redis goes away.


@attack
async def test_without_redis_each_process_counts_for_itself_and_nobody_waits_or_is_refused_for_that() -> None:
    topics = Topics("test")
    loop = asyncio.get_running_loop()
    async with broker() as redis, of_a_process(redis.url, topics) as throttle:
        five, _ = limits()
        assert await taken(throttle, (five, "rosa"), times=2) == 2
        await redis.stop()
        began = loop.time()

        # Earlier counts are kept.
        assert await taken(throttle, (five, "rosa"), times=10) == 3
        assert await taken(throttle, (five, "ravi"), times=10) == 5
        await throttle.give_back((five, "ravi"))

        # Twenty-one time-outs would be three and a half minutes.
        assert loop.time() - began < PATIENCE_S


@attack
async def test_a_redis_that_does_not_answer_delays_one_round_only_and_is_asked_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    # Meanwhile it does not notice by itself.
    monkeypatch.setattr(redis_backend, "MISSED_HEARTBEATS", 1_000)
    monkeypatch.setattr(redis_backend, "UNHEARD_HEARTBEATS", 1_000)
    topics = Topics("test")
    async with (
        broker() as redis,
        of_a_process(redis.url, topics) as throttle,
        of_a_process(redis.url, topics) as other,
    ):
        five, _ = limits()
        await throttle.take((five, "rosa"))
        with monkeypatch.context() as frozen:
            frozen.setattr(throttle_module, "TIMEOUT_S", 0.5)
            redis.freeze()
            began = loop.time()
            assert await taken(throttle, (five, "rosa"), times=100) == 4
            # A hundred time-outs would be fifty seconds.
            assert loop.time() - began < PATIENCE_S
            began = loop.time()
            for number in range(100):
                await throttle.take((five, str(number)))
            assert loop.time() - began < PATIENCE_S
            redis.thaw()

        link = throttle._link  # pyright: ignore[reportPrivateUsage]
        await until(lambda: link.is_healthy)
        await throttle.take((five, "ravi"))
        assert await taken(other, (limits()[0], "ravi"), times=10) == 4


@attack
async def test_while_redis_is_full_each_process_counts_for_itself_and_then_they_share_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    topics = Topics("test")
    async with (
        broker() as redis,
        of_a_process(redis.url, topics) as here,
        of_a_process(redis.url, topics) as there,
    ):
        await redis.execute("CONFIG", "SET", "maxmemory", "1")
        for throttle in (here, there):
            assert await taken(throttle, (limits()[0], "rosa"), times=10) == 5
            assert not throttle._link.is_healthy  # pyright: ignore[reportPrivateUsage]
        await redis.execute("CONFIG", "SET", "maxmemory", "0")
        for throttle in (here, there):
            link = throttle._link  # pyright: ignore[reportPrivateUsage]
            await until(lambda link=link: link.is_healthy)
        counts = [await taken(throttle, (limits()[0], "ravi"), times=10) for throttle in (here, there)]
        assert counts == [5, 0]


async def test_while_redis_is_known_to_be_away_it_is_not_even_asked() -> None:
    throttle = SharedThrottle(RedisLink("redis://127.0.0.1:1/0"), Topics("test"))

    async def fail(_calls: Any) -> Any:
        raise AssertionError("asked")

    throttle._take.run = fail  # pyright: ignore[reportPrivateUsage]
    five, _ = limits()
    assert await taken(throttle, (five, "rosa"), times=10) == 5


async def test_an_unexpected_failure_lets_no_caller_wait_for_ever(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    throttle = await shared()
    five, _ = limits()

    async def fail(_calls: Any) -> Any:
        raise ValueError("a fault")

    with monkeypatch.context() as broken:
        broken.setattr(throttle._take, "run", fail)  # pyright: ignore[reportPrivateUsage]
        async with asyncio.timeout(PATIENCE_S):
            outcomes = await asyncio.gather(
                *(throttle.take((five, "rosa")) for _ in range(3)), return_exceptions=True
            )
        assert {type(outcome) for outcome in outcomes} == {ValueError}
    await throttle.take((five, "ravi"))


async def test_a_cancelled_caller_does_not_block_the_others(shared: Shared) -> None:
    throttle = await shared()
    five, _ = limits()
    leaving = [asyncio.create_task(throttle.take((five, "rosa"))) for _ in range(3)]
    staying = asyncio.create_task(throttle.take((five, "ravi")))
    await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await staying
    assert await taken(throttle, (five, "rosa"), times=5) <= 2


# Memory.


@attack
async def test_a_flood_of_names_takes_a_bounded_amount_of_memory() -> None:
    throttle = ProcessThrottle()
    attempts = LogInRate("log-in", Rate(10, DAY_S), throttle)
    for number in range(2 * MAX_KEYS):
        await attempts.count(name=f"name-{number}" * 20, address=f"address-{number}")
    kept = [vars(attempts)[name]._used for name in ("_by_address", "_by_name")]
    assert [len(each) for each in kept] == [MAX_KEYS, MAX_KEYS]
    key_bytes = max(sys.getsizeof(key) for each in kept for key in each._entries)
    assert key_bytes < 100


@attack
async def test_a_flood_does_not_make_room_for_itself() -> None:
    limit = RateLimit(Rate(1, DAY_S), max_keys=100)
    for number in range(100):
        limit.check(number)
    with pytest.raises(RateLimited):
        limit.check(99)
    assert len(limit._used) == 100  # pyright: ignore[reportPrivateUsage]


# Nobody is locked out for long.


@attack
async def test_an_attack_from_everywhere_leaves_the_owner_of_a_name_a_place_every_few_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: now))
    attempts = LogInRate("log-in", Rate(10, 60), ProcessThrottle())
    addresses = iter(range(100_000))

    async def attack(times: int) -> int:
        refused = 0
        for _ in range(times):
            try:
                await attempts.count(name="rosa", address=f"attacker {next(addresses)}")
            except RateLimited:
                refused += 1
        return refused

    assert await attack(1_000) == 900
    with pytest.raises(RateLimited) as refusal:
        await attempts.count(name="rosa", address="the owner")
    # Asking makes it no longer, neither for the owner nor for the attacker.
    assert refusal.value.retry_after_s <= 0.6
    await attack(1_000)
    now += 0.6
    await attempts.count(name="rosa", address="the owner")
    await attempts.succeeded(name="rosa")
    now += 60
    for _ in range(9):
        await attempts.count(name="rosa", address="the owner")
