"""The bus: the broker confirms a subscription first, and the bus recovers from every failure of the broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection
from structlog.testing import capture_logs

from services.events import redis_backend
from services.events.bus import Bus, BusState
from services.events.redis_backend import RedisBackend
from services.events.redis_link import RedisLink
from services.runtime import tasks
from services.runtime.counters import Counters
from tests.support.brokers import Broker, broker, subscriptions
from tests.support.buses import process
from tests.support.waiting import PATIENCE_S, until


@pytest.fixture
def quick_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(redis_backend, "CONNECT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(redis_backend, "PUBLISH_TIMEOUT_S", 0.3)


@pytest.fixture
async def own_broker(quick_heartbeat: None) -> AsyncIterator[Broker]:
    async with broker() as running:
        yield running


@pytest.fixture
def url(backend: str, request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("redis_url") if backend == "production" else None


# Both buses


async def test_published_messages_are_received_in_order(url: str | None) -> None:
    async with process(url) as one, one.listen("a") as heard:
        assert await one.publish("a", b"1", b"2")
        assert await one.publish("a", b"\x00\xff3")
        assert [await heard.next() for _ in range(3)] == [b"1", b"2", b"\x00\xff3"]


async def test_a_message_for_several_topics_is_received_on_each_and_on_no_other(url: str | None) -> None:
    async with process(url) as one, one.listen("a") as a, one.listen("b") as b, one.listen("c") as c:
        await one.bus.publish([([one.topic("a"), one.topic("b")], b"both"), ([one.topic("c")], b"c")])
        assert [await a.next(), await b.next(), await c.next()] == [b"both", b"both", b"c"]


async def test_nothing_is_received_from_a_topic_that_was_left(url: str | None) -> None:
    async with process(url) as one, one.listen("b") as other:
        async with one.listen("a"):
            pass
        await one.publish("a", b"nobody hears this")
        await one.publish("b", b"sentinel")
        assert await other.next() == b"sentinel"
        async with one.listen("a") as heard:
            await one.publish("a", b"sentinel")
            assert await heard.next() == b"sentinel"


async def test_listening_that_is_cancelled_at_any_step_can_begin_again(url: str | None) -> None:
    async with process(url) as one:
        for steps in range(8):

            async def listen() -> None:
                async with one.listen("a") as heard:
                    await heard.next()

            task = asyncio.create_task(listen())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with one.listen("a") as heard:
            await one.publish("a", b"sentinel")
            assert await heard.next() == b"sentinel"
        assert one.gaps == (1 if url else 0)
        if url is not None:
            await until(lambda: _is_silent(url, one.prefix))


async def _is_silent(url: str, prefix: str) -> bool:
    return await subscriptions(url, prefix) == {}


# Over Redis


async def test_the_broker_has_confirmed_when_listening_begins(redis_url: str) -> None:
    async with process(redis_url) as one, Redis.from_url(redis_url) as publisher:
        for round_ in range(50):
            async with one.listen(f"a{round_}") as heard:
                # A publisher beside the bus: the number of receivers that the broker reports shows the confirmed
                # subscriptions.
                assert await publisher.publish(one.topic(f"a{round_}"), b"1") == 1
                assert await heard.next() == b"1"


async def test_a_hundred_topics_entered_at_once_are_all_confirmed(redis_url: str) -> None:
    async with process(redis_url) as one, AsyncExitStack() as stack:
        heard = await asyncio.gather(*(stack.enter_async_context(one.listen(f"a{n}")) for n in range(100)))
        await one.bus.publish([([one.topic(f"a{n}")], str(n).encode()) for n in range(100)])
        assert [await each.next() for each in heard] == [str(n).encode() for n in range(100)]


async def test_a_cancelled_subscription_does_not_confirm_the_next_one_early(redis_url: str) -> None:
    async with process(redis_url) as one, Redis.from_url(redis_url) as publisher:
        for _ in range(50):
            leaving = asyncio.create_task(one.listen("a").__aenter__())
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait([leaving])
            async with one.listen("a") as heard:
                assert await publisher.publish(one.topic("a"), b"1") == 1
                assert await heard.next() == b"1"


async def test_processes_with_one_prefix_receive_each_others_messages(redis_url: str) -> None:
    async with process(redis_url) as one, process(redis_url, one.prefix) as other, other.listen("a") as heard:
        await one.publish("a", b"1")
        assert await heard.next() == b"1"


async def test_processes_with_different_prefixes_do_not_receive_each_others_messages(redis_url: str) -> None:
    async with process(redis_url) as one, process(redis_url) as other, other.listen("a") as heard:
        await one.publish("a", b"not for others")
        await other.publish("a", b"sentinel")
        assert await heard.next() == b"sentinel"


async def test_after_a_restart_of_the_broker_all_topics_are_subscribed_again_and_the_gap_is_reported(
    own_broker: Broker,
) -> None:
    async with process(own_broker.url) as one, one.listen("a") as heard:
        assert one.gaps == 1
        await own_broker.stop()
        await until(lambda: one.bus.state is BusState.DEGRADED)
        gap = asyncio.create_task(one.gap())
        await own_broker.start()
        await gap
        assert one.bus.state is BusState.OK
        assert await one.publish("a", b"after")
        assert await heard.next() == b"after"


async def test_a_lost_link_is_reconnected_and_the_gap_is_reported(own_broker: Broker) -> None:
    async with process(own_broker.url) as one, one.listen("a") as heard, own_broker.client() as client:
        gap = asyncio.create_task(one.gap())
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await gap
        await one.publish("a", b"after")
        assert await heard.next() == b"after"


async def test_a_frozen_broker_is_noticed_after_three_missed_heartbeats(own_broker: Broker) -> None:
    async with process(own_broker.url) as one, one.listen("a") as heard:
        own_broker.freeze()
        began = asyncio.get_running_loop().time()
        await until(lambda: one.bus.state is BusState.DEGRADED)
        # Three to four intervals.
        assert asyncio.get_running_loop().time() - began > 0.25
        gap = asyncio.create_task(one.gap())
        own_broker.thaw()
        await gap
        await one.publish("a", b"after")
        # Messages that were published during the freeze may arrive late; the hub compares versions.
        while (message := await heard.next()) != b"after":
            assert message == b""


async def test_a_subscription_to_a_frozen_broker_begins_when_the_link_counts_as_lost(own_broker: Broker) -> None:
    async with process(own_broker.url) as one:
        own_broker.freeze()
        async with asyncio.timeout(PATIENCE_S), one.listen("a") as heard:
            assert one.bus.state is BusState.DEGRADED
            gap = asyncio.create_task(one.gap())
            own_broker.thaw()
            await gap
            await one.publish("a", b"after")
            assert await heard.next() == b"after"


async def test_publishing_to_an_unreachable_broker_fails_immediately(own_broker: Broker) -> None:
    async with process(own_broker.url) as one:
        await own_broker.stop()
        await until(lambda: one.bus.state is BusState.DEGRADED)
        assert not await one.publish("a", b"1")


async def test_publishing_to_a_frozen_broker_times_out(own_broker: Broker) -> None:
    async with process(own_broker.url) as one:
        own_broker.freeze()
        async with asyncio.timeout(PATIENCE_S):
            assert not await one.publish("a", b"1")


async def test_a_bus_without_its_broker_starts_degraded_and_finds_it_later(own_broker: Broker) -> None:
    await own_broker.stop()
    async with process(own_broker.url) as one, one.listen("a") as heard:
        assert (one.bus.state, one.gaps) == (BusState.DEGRADED, 0)
        gap = asyncio.create_task(one.gap())
        await own_broker.start()
        await gap
        await one.publish("a", b"after")
        assert await heard.next() == b"after"


async def test_topics_left_while_the_broker_was_away_are_not_subscribed_to_again(own_broker: Broker) -> None:
    async with process(own_broker.url) as one, one.listen("kept"):
        async with one.listen("left"):
            await own_broker.stop()
            await until(lambda: one.bus.state is BusState.DEGRADED)
        gap = asyncio.create_task(one.gap())
        await own_broker.start()
        await gap
        assert await subscriptions(own_broker.url, one.prefix) == {one.topic("kept"): 1}


async def test_a_failure_in_the_handling_of_a_gap_does_not_end_the_bus(own_broker: Broker) -> None:
    async with process(own_broker.url) as one, one.listen("a") as heard:
        on_gap, calls = one._on_gap, 0

        def fail_once() -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ValueError("a failure of ours")
            on_gap()

        cast("Any", one.bus)._redis._on_gap = fail_once
        gap = asyncio.create_task(one.gap())
        await own_broker.restart()
        await gap
        await one.publish("a", b"after")
        assert await heard.next() == b"after"


async def test_events_arrive_again_after_the_supervisor_of_the_link_has_failed(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.0)
    async with process(own_broker.url) as one, one.listen("a") as heard:
        assert one.link is not None
        went_down = one.link.went_down

        async def fail_once(error: BaseException) -> None:
            monkeypatch.setattr(one.link, "went_down", went_down)
            await went_down(error)
            raise RuntimeError("a failure of ours")

        monkeypatch.setattr(one.link, "went_down", fail_once)
        gap = asyncio.create_task(one.gap())
        with capture_logs() as logs:
            await own_broker.restart()
            await gap
        await one.publish("a", b"after")
        assert await heard.next() == b"after"
    assert ("bus link", "error") in [(entry.get("task"), entry["log_level"]) for entry in logs]


async def test_events_arrive_again_after_broadcaster_has_failed_and_a_gap_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "RESTART_DELAY_S", 0.0)
    gaps, counters = asyncio.Event(), Counters()
    bus = Bus(None, counters, heartbeats=[], on_gap=gaps.set)
    backend = cast("Any", bus)._broadcast._backend
    next_published = backend.next_published

    async def fail_once() -> object:
        await next_published()
        monkeypatch.setattr(backend, "next_published", next_published)
        raise RuntimeError("a failure of theirs")

    monkeypatch.setattr(backend, "next_published", fail_once)
    await bus.connect()
    async with bus.listen("a") as messages, asyncio.timeout(PATIENCE_S):
        await bus.publish([(["a"], b"lost")])
        await gaps.wait()
        await bus.publish([(["a"], b"after")])
        assert await anext(aiter(messages)) == b"after"
    await bus.disconnect()
    assert counters.restarted_tasks == 1


async def test_too_many_waiting_events_cause_a_gap_and_no_growth(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_backend, "MAX_WAITING_EVENTS", 10)
    gaps = 0

    def on_gap() -> None:
        nonlocal gaps
        gaps += 1

    # Without broadcaster, nothing reads the events.
    backend = RedisBackend(RedisLink(own_broker.url), Counters(), heartbeats=["heartbeat"], on_gap=on_gap)
    await backend.connect()
    try:
        await backend.subscribe("a")
        await backend.publish_all([(["a"], b"1")] * 50)
        await until(lambda: gaps > 1)
        assert cast("Any", backend)._events.qsize() == 10
    finally:
        await backend.disconnect()


async def test_each_heartbeat_measures_the_way_through_the_broker(own_broker: Broker) -> None:
    counters = Counters()
    backend = RedisBackend(RedisLink(own_broker.url), counters, heartbeats=["heartbeat"], on_gap=lambda: None)
    await backend.connect()
    try:
        await until(lambda: counters.bus_lag.buckets()[-1][1] >= 3)
        assert counters.bus_lag.sum_s > 0
    finally:
        await backend.disconnect()


async def test_the_password_of_the_address_is_used() -> None:
    async with broker() as locked:
        async with locked.client() as client:
            await client.config_set("requirepass", "open-sesame")
        url = locked.url.replace("//", "//:open-sesame@")
        async with process(url) as one, one.listen("a") as heard:
            await one.publish("a", b"1")
            assert await heard.next() == b"1"


async def test_a_rediss_address_uses_tls_and_its_password() -> None:
    link = RedisLink("rediss://me:pass%40word@redis.example:6390/2")
    backend = RedisBackend(link, Counters(), heartbeats=["h"], on_gap=lambda: None)
    connection = cast("Any", backend)._redis.at(None).connection_pool.make_connection()
    assert isinstance(connection, SSLConnection)
    assert (connection.host, connection.port, connection.username, connection.password) == (
        "redis.example",
        6390,
        "me",
        "pass@word",
    )
    await backend.disconnect()


async def test_nothing_runs_after_disconnecting(redis_url: str) -> None:
    before = asyncio.all_tasks()
    async with process(redis_url) as one, one.listen("a"):
        assert asyncio.all_tasks() > before
    await until(lambda: asyncio.all_tasks() <= before)
