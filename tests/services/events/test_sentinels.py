"""A Redis that sentinels watch: every process follows the primary, and relies on no other server.

Promotions by real sentinels; what they never do, or only for a moment, by sentinels that say what a test wants.
"""

import asyncio
import math
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme
from structlog.testing import capture_logs

from application.paths import ROOT
from services.events import redis_backend, redis_link, sentinel_target
from services.events.bus import Bus, BusState
from services.events.leases import SharedLeases
from services.events.redis_errors import UnusableRedis
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.limits.rates import Rate, RateLimit, RateLimited
from services.limits.throttle import SharedThrottle
from services.positions.redis_positions import RedisPositions
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait
from tests.support.brokers import Broker, broker, free_port
from tests.support.buses import Process, process
from tests.support.positions import location
from tests.support.sentinels import PROMOTED_WITHIN_S, SERVICE, FakeSentinel, Watched, address_of, watched
from tests.support.waiting import until

PASSWORD, SENTINEL_PASSWORD = "open-sesame", "watch-word"
# Shorter than in production.
SURE_S = 1.0
# Where a process must be sure of its server before all are: longer than a busy machine takes to connect.
LONG_SURE_S = 5.0


@pytest.fixture(autouse=True)
def quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(redis_backend, "LONGEST_BACKOFF_S", 0.2)
    monkeypatch.setattr(redis_backend, "CONNECT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(sentinel_target, "ASK_INTERVAL_S", 0.05)
    monkeypatch.setattr(sentinel_target, "AGREE_S", 0.3)
    monkeypatch.setattr(sentinel_target, "SURE_S", SURE_S)


def warnings(logs: list[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [line for line in logs if line["log_level"] == "warning"]


def outages(logs: list[MutableMapping[str, Any]]) -> tuple[list[Any], list[Any]]:
    """Where Redis was away: the lines that begin an outage, and those that end one.

    Beside them a busy process may say that it was unsure of its server for a moment.
    """
    begun = [line for line in warnings(logs) if line["event"].startswith("redis is away:")]
    return begun, [line for line in warnings(logs) if line["event"] == "redis is away no more"]


async def events_cross(one: Process, two: Process) -> None:
    """Events travel between two processes."""
    name = uuid4().hex
    async with one.listen(name) as heard, two.listen(name) as heard_too:
        assert await two.publish(name, b"by two")
        assert await one.publish(name, b"by one")
        assert {await heard.next(), await heard.next()} == {b"by one", b"by two"}
        assert {await heard_too.next(), await heard_too.next()} == {b"by one", b"by two"}


def link_of(process: Process) -> RedisLink:
    assert process.link is not None
    return process.link


async def settled(*processes: Process) -> None:
    """Return when all use the same server, and have reported it as a gap: their first one if they began slowly."""
    await until(lambda: all(link_of(each).is_shared and each.was_shared for each in processes))


@asynccontextmanager
async def gap_of(*processes: Process) -> AsyncGenerator[None]:
    """Each has a gap because of what happens in the block; returns when all are connected again."""
    before = [each.gaps for each in processes]
    yield

    def is_over() -> bool:
        gaps = all(each.gaps > former for each, former in zip(processes, before, strict=True))
        return gaps and all(each.bus.state is BusState.OK for each in processes)

    await until(is_over, PROMOTED_WITHIN_S)


# Real sentinels.


@pytest.fixture
async def redis() -> AsyncIterator[Watched]:
    async with watched() as running:
        yield running


async def test_after_a_planned_promotion_all_processes_use_the_new_primary_though_the_old_one_still_answers(
    redis: Watched,
) -> None:
    with capture_logs() as logs:
        async with process(redis.url) as one, process(redis.url, one.prefix) as two:
            await settled(one, two)
            await events_cross(one, two)
            former, next_one = await redis.primary(), await redis.replica()
            async with gap_of(one, two):
                await redis.fail_over()
            await events_cross(one, two)
            async with former.client() as client:
                assert await client.ping()
                assert not [each for each in await client.pubsub_channels() if each.startswith(one.prefix)]
            assert await redis.primary() is next_one
    begun, ended = outages(logs)
    assert len(begun) == len(ended) == 2, warnings(logs)
    assert next_one.place in begun[0]["error"]
    assert {line["primary"] for line in begun} == {former.place}
    assert {line["primary"] for line in ended} == {next_one.place}


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_when_the_primary_is_gone_all_processes_use_the_one_that_is_promoted(
    redis: Watched, fault: str
) -> None:
    async with process(redis.url) as one, process(redis.url, one.prefix) as two:
        await settled(one, two)
        former = await redis.primary()
        async with gap_of(one, two):
            if fault == "killed":
                former.kill()
            else:
                former.freeze()
            assert not await one.publish("a", b"1")
        assert await redis.primary() is not former
        await events_cross(one, two)
        # It comes back as a primary, and is demoted.
        if fault == "killed":
            await former.start()
        else:
            former.thaw()
        await until(redis.is_whole)
        await events_cross(one, two)
        assert one.bus.state is two.bus.state is BusState.OK


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_a_promotion_is_followed_although_one_sentinel_of_three_gives_no_answer(
    redis: Watched, fault: str
) -> None:
    missing = redis.sentinels[2]
    with capture_logs() as logs:
        async with process(redis.url) as one, process(redis.url, one.prefix) as two:
            if fault == "killed":
                missing.kill()
            else:
                missing.freeze()
            await settled(one, two)
            async with gap_of(one, two):
                await redis.fail_over()
            await events_cross(one, two)
            await until(lambda: any(line.get("sentinel") == missing.place for line in warnings(logs)))
            assert link_of(one).is_healthy
        # A process that starts meanwhile.
        async with process(redis.url) as late:
            assert late.bus.state is BusState.OK


async def test_passwords_of_the_primary_and_of_the_sentinels_are_used_where_they_belong() -> None:
    async with watched(sentinels=1, password=PASSWORD, sentinel_password=SENTINEL_PASSWORD) as redis:
        at = redis.url.partition("//")[2]
        url = f"redis+sentinel://:{PASSWORD}@{at}?sentinel_password={SENTINEL_PASSWORD}"
        await RedisLink(url).check("test")
        async with process(url) as one, process(url, one.prefix) as two:
            await events_cross(one, two)
        documented = re.search(r"`([^`]+sentinel\|master)`", (ROOT / "docs" / "operations.md").read_text())
        assert documented is not None
        await redis.sentinels[0].ask("ACL", "SETUSER", "watcher", "on", ">watching", *documented[1].split())
        await RedisLink(f"{url.partition('?')[0]}?sentinel_username=watcher&sentinel_password=watching").check(
            "test"
        )
        for wrong, told in (
            (url.replace(PASSWORD, "another"), "the user name and the password in the address"),
            (url.replace(f"={SENTINEL_PASSWORD}", "=another"), "sentinel_password"),
            (url.partition("?")[0], "sentinel_password"),
            (url.replace(f":{PASSWORD}@", ""), "the user name and the password in the address"),
        ):
            text = await refusal(wrong)
            assert told in text
            assert SENTINEL_PASSWORD not in text


# At the start.


async def refusal(url: str) -> str:
    with pytest.raises(UnusableRedis) as refused:
        await RedisLink(url).check(f"test-{uuid4().hex}")
    text = str(refused.value)
    assert "\n" not in text
    assert PASSWORD not in text
    return text


async def test_an_unknown_service_is_refused_and_a_plain_redis_among_the_sentinels(redis_url: str) -> None:
    async with FakeSentinel("127.0.0.1:1").listening() as one, FakeSentinel("127.0.0.1:1").listening() as two:
        at = address_of([one, two])
        assert "the service 'town'" in await refusal(at.replace(f"/{SERVICE}", "/town"))
        plain = redis_url.removeprefix("redis://").partition("/")[0]
        text = await refusal(at.replace(f"/{SERVICE}", f",{plain}/{SERVICE}"))
        assert f"{plain}: it is a Redis, not a Sentinel" in text
        # Their primary is away: that is an outage.
        await RedisLink(at).check("test")


async def test_a_start_without_any_sentinel_is_refused_and_one_with_a_single_sentinel_is_not(
    redis_url: str,
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    text = await refusal(f"redis+sentinel://:{PASSWORD}@{nowhere}/{SERVICE}")
    assert f"no sentinel answers ({nowhere}" in text
    primary = redis_url.removeprefix("redis://").partition("/")[0]
    async with FakeSentinel(primary).listening() as one:
        await RedisLink(f"redis+sentinel://{nowhere},{one.place}/{SERVICE}").check("test")


async def test_at_the_start_sentinels_may_take_longer_to_answer_than_later(
    stand: "Stand", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel_target, "ASK_TIMEOUT_S", 0.0)
    await RedisLink(address_of(await stand.sentinels())).check("test")


async def test_a_real_sentinel_with_a_wrong_name_or_address_is_refused(redis: Watched) -> None:
    assert "the service 'town'" in await refusal(redis.url.replace(f"/{SERVICE}", "/town"))
    await RedisLink(redis.url).check("test")
    assert "write redis+sentinel://" in await refusal(f"redis://{redis.sentinels[0].place}/0")


# Sentinels that say what a test wants, and two servers that both take requests as primaries.


class Stand:
    """Two servers, and sentinels of which each process may have its own: as if the network were divided."""

    def __init__(self, old: Broker, new: Broker, stack: AsyncExitStack) -> None:
        self.old = old
        self.new = new
        self._stack = stack

    async def sentinels(self, count: int = 3) -> list[FakeSentinel]:
        fakes = [FakeSentinel(self.old.place) for _ in range(count)]
        return [await self._stack.enter_async_context(fake.listening()) for fake in fakes]


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with AsyncExitStack() as stack, broker() as old, broker() as new:
        yield Stand(old, new, stack)


def promote(named: list[FakeSentinel], place: str) -> None:
    for each in named:
        each.promote(place)


async def test_what_counts_as_published_on_a_demoted_primary_is_older_than_the_second_gap_of_who_left_it_first(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the second gap subscribers read the state again, so they see what they could not hear of."""
    first, late = await stand.sentinels(), await stand.sentinels()
    async with process(address_of(first)) as one, process(address_of(late), one.prefix) as two:
        await settled(one, two)
        monkeypatch.setattr(sentinel_target, "SURE_S", LONG_SURE_S)
        gaps = one.gaps
        for each in late:
            each.hang()
        promote(first, stand.new.place)
        await until(lambda: one.gaps == gaps + 1)
        counted = 0
        while await two.publish("a", b"1"):
            counted += 1
            assert one.gaps == gaps + 1
            await asyncio.sleep(0.01)
        assert counted
        assert two.bus.state is BusState.DEGRADED
        await until(lambda: one.gaps == gaps + 2)
        # The first process is sure of its server all the time.
        assert one.bus.state is BusState.OK
        async with gap_of(two):
            promote(late, stand.new.place)
            for each in late:
                each.answer()
        await events_cross(one, two)


async def test_a_server_that_all_use_at_the_moment_after_a_gap_is_another_gap(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it comes before anything waits for it."""
    named = await stand.sentinels()
    since, gaps = math.inf, 0

    def on_gap() -> None:
        nonlocal since, gaps
        since, gaps = 0.0, gaps + 1

    monkeypatch.setattr(sentinel_target.SentinelTarget, "shared_since", property(lambda _: since))
    link = RedisLink(address_of(named))
    bus = Bus(link, Counters(), heartbeats=Topics(f"test-{uuid4().hex}").heartbeats(), on_gap=on_gap)
    await bus.connect()
    try:
        await until(lambda: gaps == 2)
    finally:
        await bus.disconnect()


async def test_after_a_break_without_a_promotion_there_is_one_gap(stand: Stand) -> None:
    named = await stand.sentinels()
    async with process(address_of(named)) as one:
        await settled(one)
        gaps = one.gaps
        async with gap_of(one):
            await stand.old.execute("CLIENT", "KILL", "TYPE", "pubsub")
        assert link_of(one).is_shared
        assert one.gaps == gaps + 1


async def test_a_demoted_primary_that_the_sentinels_still_name_is_an_outage_that_says_so(stand: Stand) -> None:
    """Waiting for another primary hides neither the outage nor its reason."""
    named = await stand.sentinels()
    with capture_logs() as logs:
        async with process(address_of(named)) as one:
            await stand.old.execute("REPLICAOF", "127.0.0.1", "1")
            await until(lambda: one.bus.state is BusState.DEGRADED)
            assert not await one.publish("a", b"1")
            await until(lambda: outages(logs)[0])
            async with gap_of(one):
                promote(named, stand.new.place)
    [begin], [end] = outages(logs)
    assert begin["error"] == "is a read-only replica"
    assert "sentinels" in begin["hint"]
    assert (begin["primary"], end["primary"]) == (stand.old.place, stand.new.place)


async def test_a_sentinel_that_says_something_old_or_alone_is_not_followed(stand: Stand) -> None:
    named = await stand.sentinels()
    async with process(address_of(named)) as one, process(address_of(named[::-1]), one.prefix) as two:
        await settled(one, two)
        gaps = one.gaps
        # One alone: not for as long as the others have not heard of it.
        named[0].promote(stand.new.place)
        await events_cross(one, two)
        assert one.gaps == gaps
        # The others hear of it, and one never does.
        async with gap_of(one, two):
            named[1].promote(stand.new.place)
        await events_cross(one, two)
        async with stand.new.client() as client:
            assert [each for each in await client.pubsub_channels() if each.startswith(one.prefix)]
        async with process(address_of(named[::-1]), one.prefix) as late:
            await events_cross(one, late)


async def test_of_two_sentinels_that_disagree_the_newer_answer_is_followed_and_told_as_degraded(
    stand: Stand,
) -> None:
    named = await stand.sentinels(2)
    with capture_logs() as logs:
        async with process(address_of(named)) as one, one.listen("a") as heard:
            named[1].promote(stand.new.place)
            await until(lambda: bool(warnings(logs)) and link_of(one).is_up)
            async with stand.new.client() as client:
                # Until one has heard it.
                await until(lambda: client.publish(one.topic("a"), "1"))
            assert await heard.next() == b"1"
            assert one.bus.state is BusState.DEGRADED
            await until(lambda: any("fails in part" in line["event"] for line in warnings(logs)))
            named[0].promote(stand.new.place)
            await until(lambda: one.bus.state is BusState.OK)


async def test_without_a_majority_of_the_sentinels_events_travel_and_nothing_is_relied_on(stand: Stand) -> None:
    named = await stand.sentinels()
    topics, position = Topics(f"test-{uuid4().hex}"), location()
    limit = RateLimit(Rate(1, 60), name="any")
    with capture_logs() as logs:
        async with (
            process(address_of(named)) as one,
            process(stand.old.url, one.prefix) as other,
            one.listen("a") as heard,
        ):
            link = link_of(one)
            await settled(one)
            lease = (await SharedLeases(link, topics).take([position.driver_id]))[position.driver_id]
            assert lease.is_held
            named[0].hang()
            named[1].hang()
            await until(lambda: not link.is_healthy)
            assert one.bus.state is BusState.DEGRADED
            # Others hear of it, but it may be a demoted primary.
            async with other.listen("a") as heard_too:
                assert not await one.publish("a", b"1")
                assert await heard_too.next() == b"1"
            assert {await heard.next(), await heard.next()} == {b"1"}
            assert not lease.is_held
            assert await SharedLeases(link, topics).take([position.driver_id]) == {}
            # What it keeps: not the position of the other process, nor its count.
            kept = RedisPositions(link_of(other), other.bus, topics, lambda *_: None)
            await kept.put(position, [], ttl_s=60)
            await SharedThrottle(link_of(other), topics).take((limit, "rosa"))
            positions = RedisPositions(link, one.bus, topics, lambda *_: None)
            assert await positions.last([position.driver_id]) == {}
            assert await positions.near(position.point, 100, since=position.recorded_at - timedelta(1)) == []
            assert await positions.free(limit=5) == []
            own = RateLimit(Rate(1, 60), name="any")
            await SharedThrottle(link, topics).take((own, "rosa"))
            await until(lambda: any("fails in part" in line["event"] for line in warnings(logs)))
            for each in named:
                each.answer()
            await until(lambda: link.is_healthy)
            assert await positions.last([position.driver_id]) == {position.driver_id: position}
            with pytest.raises(RateLimited):
                await SharedThrottle(link, topics).take((RateLimit(Rate(1, 60), name="any"), "rosa"))
            assert await one.publish("a", b"2")


async def test_what_a_server_answers_while_it_is_demoted_is_not_believed(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked before, and answers after this process has gone to the new primary."""
    named = await stand.sentinels()
    topics, position = Topics(f"test-{uuid4().hex}"), location()
    async with process(address_of(named)) as one:
        link = link_of(one)
        await settled(one)
        positions = RedisPositions(link, one.bus, topics, lambda *_: None)
        read, gaps = positions._in_redis, one.gaps  # pyright: ignore[reportPrivateUsage]

        async def late(driver_ids: Any) -> Any:
            found = await read(driver_ids)
            promote(named, stand.new.place)
            await until(lambda: one.gaps > gaps)
            return found

        other = RedisPositions(link, one.bus, topics, lambda *_: None)
        await other.put(position, [], ttl_s=60)
        assert await positions.last([position.driver_id]) == {position.driver_id: position}
        monkeypatch.setattr(positions, "_in_redis", late)
        assert await positions.last([position.driver_id]) == {}


async def test_a_position_that_was_forgotten_is_forgotten_by_a_replica_that_had_not_heard_of_it(
    stand: Stand,
) -> None:
    named = await stand.sentinels()
    topics, position = Topics(f"test-{uuid4().hex}"), location()
    async with process(address_of(named)) as one, process(stand.new.url) as ahead:
        await settled(one)
        link, told = link_of(one), position.recorded_at + timedelta(seconds=1)
        # As a replica has it that the last commands have not reached.
        replica = RedisPositions(link_of(ahead), ahead.bus, topics, lambda *_: None)
        await replica.put(position, [], ttl_s=60)
        forgetting = RedisPositions(link, one.bus, topics, lambda *_: None)
        await forgetting.forget(position.driver_id, told, ttl_s=60)
        async with gap_of(one):
            promote(named, stand.new.place)
        reading = RedisPositions(link, one.bus, topics, lambda *_: None)
        assert await reading.last([position.driver_id]) == {position.driver_id: position}
        await forgetting.repeat_forgotten()
        assert await reading.last([position.driver_id]) == {}
        assert await reading.near(position.point, 100, since=position.recorded_at) == []


async def test_until_all_processes_use_the_new_primary_no_lease_is_given_and_no_change_counts_as_known(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = await stand.sentinels()
    topics, user_id = Topics(f"test-{uuid4().hex}"), uuid4()
    async with process(address_of(named)) as one:
        link = link_of(one)
        leases = SharedLeases(link, topics)
        await settled(one)
        began = time.monotonic()
        assert await leases.begin_change([user_id])
        assert leases.end_change([user_id], since=began)
        began = time.monotonic()
        assert await leases.begin_change([user_id])
        monkeypatch.setattr(sentinel_target, "SURE_S", LONG_SURE_S)
        async with gap_of(one):
            promote(named, stand.new.place)
        # A change that was begun on the former primary.
        assert not leases.end_change([user_id], since=began)
        assert link.is_healthy
        assert not link.is_shared
        assert await leases.take([user_id]) == {}
        assert not await leases.begin_change([user_id])
        leases.end_change([user_id], since=began)
        await until(lambda: link.is_shared)
        assert not leases.end_change([user_id], since=began)
        assert user_id in await leases.take([user_id])


async def test_a_connection_that_was_being_made_to_the_former_primary_is_not_used(stand: Stand) -> None:
    named = await stand.sentinels()
    async with process(address_of(named)) as one:
        await settled(one)
        link = link_of(one)
        client = link.clients(timeout_s=5.0, max_connections=1).at(None)
        stand.old.freeze()
        asking = asyncio.create_task(client.execute_command("CONFIG", "GET", "port"))
        await asyncio.sleep(0)
        async with gap_of(one):
            promote(named, stand.new.place)
        stand.old.thaw()
        with pytest.raises((ConnectionError, *redis_link.LINK_ERRORS)):
            await asking
        async with stand.new.client() as direct:
            assert (await client.execute_command("CONFIG", "GET", "port"))[1].decode() == (
                await direct.config_get("port")
            )["port"]


# TLS.


@asynccontextmanager
async def encrypted(target: Broker, tls: ssl.SSLContext) -> AsyncGenerator[str]:
    """The place of a server with TLS that passes everything on."""

    serving: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.place.partition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await cancel_and_wait(serving)


async def test_with_tls_the_sentinels_and_each_primary_show_a_certificate(stand: Stand, tmp_path: Path) -> None:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    await asyncio.gather(stand.old.lock(PASSWORD), stand.new.lock(PASSWORD))
    async with (
        encrypted(stand.old, tls) as old,
        encrypted(stand.new, tls) as new,
        FakeSentinel(old, password=SENTINEL_PASSWORD).listening(tls) as sentinel,
    ):
        login = f"sentinel_password={SENTINEL_PASSWORD}"
        at = f"rediss+sentinel://:{PASSWORD}@{sentinel.place}/{SERVICE}?{login}"
        url = f"{at}&ssl_ca_certs={trusted}"
        await RedisLink(url).check("test")
        assert "CERTIFICATE_VERIFY_FAILED" in await refusal(at)
        async with process(url) as one, process(url, one.prefix) as two:
            await settled(one, two)
            await events_cross(one, two)
            async with gap_of(one, two):
                sentinel.promote(new)
            await events_cross(one, two)
