"""Every failure of Redis is an outage: logged once, however many parts notice it, and over when Redis works."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from application.paths import ROOT
from models.values import Location
from services.events import redis_backend, redis_errors, redis_link
from services.events.bus import BusState
from services.events.leases import SharedLeases
from services.events.redis_errors import UnusableRedis
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.limits.rates import Rate, RateLimit
from services.limits.throttle import SharedThrottle
from services.positions.redis_positions import RedisPositions
from services.positions.store import Stored
from tests.support.brokers import Broker, broker, free_port, lasting_broker
from tests.support.buses import process
from tests.support.positions import location
from tests.support.waiting import until

PASSWORD = "open-sesame"
ALL = ("~*", "&*", "+@all")


@pytest.fixture(scope="module")
def one_broker() -> Iterator[Broker]:
    with lasting_broker() as running:
        yield running


@pytest.fixture
async def redis(one_broker: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    """A Redis that a test may change."""
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(redis_backend, "LONGEST_BACKOFF_S", 0.2)
    monkeypatch.setattr(redis_backend, "CONNECT_TIMEOUT_S", 1.0)
    yield one_broker
    await one_broker.execute("REPLICAOF", "NO", "ONE")
    await one_broker.execute("CONFIG", "SET", "maxmemory", "0")
    await one_broker.execute("ACL", "DELUSER", "somebody")


def address_of_somebody(redis: Broker, *, password: str = PASSWORD, database: int = 0) -> str:
    at = urlsplit(redis.url).netloc
    return f"redis://somebody:{password}@{at}/{database}"


def of_redis(logs: list[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [line for line in logs if line["log_level"] != "debug"]


# The link.


async def test_a_redis_that_becomes_a_replica_is_an_outage_and_a_gap(redis: Broker) -> None:
    async with process(redis.url) as one, one.listen("a") as heard:
        await redis.execute("REPLICAOF", "127.0.0.1", "1")
        await until(lambda: one.bus.state is BusState.DEGRADED)
        assert not await one.publish("a", b"within the process")
        gap = asyncio.create_task(one.gap())
        await redis.execute("REPLICAOF", "NO", "ONE")
        await gap
        assert one.bus.state is BusState.OK
        assert await one.publish("a", b"to all")
        assert [await heard.next(), await heard.next()] == [b"within the process", b"to all"]


async def test_what_is_published_on_a_replica_before_anybody_noticed_does_not_count_as_published(
    redis: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 60.0)
    async with process(redis.url) as one:
        await redis.execute("REPLICAOF", "127.0.0.1", "1")
        assert one.bus.state is BusState.OK
        assert not await one.publish("a", b"1")


@pytest.mark.parametrize("use", ["position", "rate", "lease", "sweep"])
async def test_any_answer_of_a_read_only_replica_is_an_outage_before_the_next_heartbeat(
    redis: Broker, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 60.0)
    topics = Topics(f"test-{uuid4().hex}")
    async with process(redis.url) as one:
        link = one.link
        assert link is not None
        positions = RedisPositions(link, one.bus, topics, lambda *_: None)
        leases, throttle = SharedLeases(link, topics), SharedThrottle(link, topics)
        uses = {
            "position": lambda: positions.put(location(), [], ttl_s=60),
            "rate": lambda: throttle.take((RateLimit(Rate(5, 60), name="any"), "rosa")),
            "lease": lambda: leases.take([uuid4()]),
            "sweep": positions.remove_expired,
        }
        # Not by the check of a new connection.
        await uses[use]()
        await redis.execute("REPLICAOF", "127.0.0.1", "1")
        assert one.bus.state is BusState.OK
        await uses[use]()
        await until(lambda: one.bus.state is BusState.DEGRADED)


async def test_a_lease_that_a_replica_still_has_gives_no_position_away(
    redis: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its new primary may have ended the lease, with the trip."""
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 60.0)
    topics, position = Topics(f"test-{uuid4().hex}"), location()
    told: list[Location] = []
    async with process(redis.url) as one, redis.client() as client, client.pubsub() as replica:
        assert one.link is not None
        positions = RedisPositions(one.link, one.bus, topics, lambda _, each: told.append(each))
        lease = (await SharedLeases(one.link, topics).take([position.driver_id]))[position.driver_id]
        await positions.put(location(), [], ttl_s=60)
        await replica.subscribe("a")
        told.clear()
        await redis.execute("REPLICAOF", "127.0.0.1", "1")
        assert await positions.put_under(lease, position, ["a"], ttl_s=60) is Stored.UNANSWERED
        assert told == []
        await redis.execute("PUBLISH", "a", "sentinel")
        heard = [await anext(aiter(replica.listen())) for _ in range(2)]
        assert [each["data"] for each in heard] == [1, "sentinel"]


async def test_a_replica_at_the_start_is_an_outage_until_it_is_the_primary(redis: Broker) -> None:
    await redis.execute("REPLICAOF", "127.0.0.1", "1")
    with capture_logs() as logs:
        async with process(redis.url) as one:
            assert (one.bus.state, one.gaps) == (BusState.DEGRADED, 0)
            await redis.execute("REPLICAOF", "NO", "ONE")
            await until(lambda: one.bus.state is BusState.OK)
    begin, end = of_redis(logs)
    assert (begin["setting"], begin["error"]) == ("TAXIRANK_REDIS_URL", "is a read-only replica")
    assert "primary" in begin["hint"]
    assert end["event"] == "redis is away no more"


@asynccontextmanager
async def movable(target: Broker) -> AsyncIterator[tuple[str, list[str]]]:
    """An address whose new connections lead to the last server of a list. Open connections stay."""
    targets = [target.url]

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at = urlsplit(targets[-1])
        far_reader, far_writer = await asyncio.open_connection(at.hostname, at.port)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", targets
    finally:
        server.close()


async def test_when_the_address_changes_publishing_uses_the_same_server_as_listening(
    redis: Broker, redis_url: str
) -> None:
    async with movable(redis) as (url, targets), process(url) as one, one.listen("a") as heard:
        assert await one.publish("a", b"before")
        assert await heard.next() == b"before"
        targets.append(redis_url)
        gap = asyncio.create_task(one.gap())
        await redis.execute("CLIENT", "KILL", "TYPE", "pubsub")
        await gap
        assert await one.publish("a", b"after")
        assert await heard.next() == b"after"
        assert one.gaps == 2


async def test_a_user_who_may_not_publish_is_an_outage_and_no_endless_row_of_gaps(redis: Broker) -> None:
    await redis.execute("ACL", "SETUSER", "somebody", "reset", "on", f">{PASSWORD}", *ALL, "-publish")
    async with process(address_of_somebody(redis)) as one:
        assert (one.bus.state, one.gaps) == (BusState.DEGRADED, 0)
        gap = asyncio.create_task(one.gap())
        await redis.execute("ACL", "SETUSER", "somebody", "+publish")
        await gap
        assert one.bus.state is BusState.OK


async def test_a_password_that_is_changed_while_the_server_runs_is_an_outage_that_says_so(redis: Broker) -> None:
    await redis.execute("ACL", "SETUSER", "somebody", "reset", "on", f">{PASSWORD}", *ALL)
    with capture_logs() as logs:
        async with process(address_of_somebody(redis)) as one:
            await redis.execute("ACL", "SETUSER", "somebody", "resetpass", ">another")
            await redis.execute("CLIENT", "KILL", "USER", "somebody")
            await until(lambda: one.bus.state is BusState.DEGRADED)
            await until(lambda: of_redis(logs))
            await redis.execute("ACL", "SETUSER", "somebody", f">{PASSWORD}")
            await until(lambda: one.bus.state is BusState.OK)
    assert len(of_redis(logs)) == 2
    assert PASSWORD not in str(logs)


async def test_an_outage_is_two_log_lines_and_the_first_names_the_setting(redis: Broker) -> None:
    topics = Topics(f"test-{uuid4().hex}")
    limit = RateLimit(Rate(1_000, 60), name="any")
    await redis.execute("ACL", "SETUSER", "somebody", "reset", "on", f">{PASSWORD}", *ALL)
    with capture_logs() as logs:
        async with process(address_of_somebody(redis), topics.rate("", "")) as one:
            assert one.link is not None
            positions = RedisPositions(one.link, one.bus, topics, lambda *_: None)
            throttle = SharedThrottle(one.link, topics)

            async def use() -> None:
                position = location()
                await one.publish("a", b"1")
                await positions.put(position, [one.topic("b")], ttl_s=60)
                await positions.last([position.driver_id])
                await throttle.take((limit, "rosa"))
                await throttle.give_back((limit, "rosa"))

            await use()
            assert of_redis(logs) == []
            await redis.stop()
            # Before and after it has been noticed.
            await asyncio.gather(*(use() for _ in range(10)))
            await until(lambda: one.bus.state is BusState.DEGRADED)
            await asyncio.gather(*(use() for _ in range(10)))
            await redis.start()
            await redis.execute("ACL", "SETUSER", "somebody", "reset", "on", f">{PASSWORD}", *ALL)
            await until(lambda: one.link is not None and one.link.is_healthy)
            await use()
    begin, end = of_redis(logs)
    at = urlsplit(redis.url).netloc
    assert (begin["setting"], begin["server"]) == ("TAXIRANK_REDIS_URL", f"redis://{at}/0")
    assert begin["hint"].startswith("start it")
    assert "away" in begin["event"]
    assert end["lasted_s"] > 0
    assert PASSWORD not in str(logs)


# Partial outages.


async def test_a_full_redis_carries_events_and_is_reported_as_keeping_nothing(redis: Broker) -> None:
    with capture_logs() as logs:
        async with process(redis.url) as one, one.listen("a") as heard:
            link = one.link
            assert link is not None
            assert link.is_healthy
            await redis.execute("CONFIG", "SET", "maxmemory", "1")
            await until(lambda: not link.is_healthy)
            assert await one.publish("a", b"1")
            assert await heard.next() == b"1"
            assert (one.bus.state, one.gaps) == (BusState.OK, 1)
            await redis.execute("CONFIG", "SET", "maxmemory", "0")
            await until(lambda: link.is_healthy)
    begin, end = of_redis(logs)
    assert (begin["setting"], begin["hint"]) == ("TAXIRANK_REDIS_URL", "raise its maxmemory")
    assert end["event"] == "redis fails in part no more"


async def test_intermittent_failures_are_one_outage() -> None:
    link = RedisLink("redis://127.0.0.1:1/0")
    with capture_logs() as logs:
        link.went_up()
        for _ in range(5):
            link.failed("OOM")
            for _ in range(redis_link.QUIET_HEARTBEATS - 1):
                link.heartbeat_returned(None)
                assert not link.is_healthy
        link.heartbeat_returned(None)
        assert link.is_healthy
    assert len(of_redis(logs)) == 2


# At the start.


async def refusal(url: str) -> str:
    with pytest.raises(UnusableRedis) as refused:
        await RedisLink(url).check([f"test-{uuid4().hex}"])
    text = str(refused.value)
    assert "\n" not in text
    assert PASSWORD not in text
    return text


async def test_a_node_of_a_cluster_is_refused() -> None:
    async with broker(**{"cluster-enabled": "yes"}) as cluster:
        assert "Redis Cluster" in await refusal(cluster.url)
        async with process(cluster.url) as one:
            assert (one.bus.state, one.gaps) == (BusState.DEGRADED, 0)


async def test_a_wrong_password_a_wrong_database_and_a_user_without_rights_are_refused(redis: Broker) -> None:
    await redis.execute("ACL", "SETUSER", "somebody", "reset", "on", ">another", *ALL)
    assert "password" in await refusal(address_of_somebody(redis))
    await redis.execute("ACL", "SETUSER", "somebody", f">{PASSWORD}")
    await RedisLink(address_of_somebody(redis)).check(["test"])
    assert "number of the database" in await refusal(address_of_somebody(redis, database=99))
    for right in ("-publish", "-subscribe", "-eval", "resetkeys", "resetchannels"):
        await redis.execute("ACL", "SETUSER", "somebody", "reset", "on", f">{PASSWORD}", *ALL)
        await redis.execute("ACL", "SETUSER", "somebody", right)
        assert "docs/operations.md" in await refusal(address_of_somebody(redis)), right
    assert "not the address" in await refusal(f"{redis.url}?colour=red")


async def test_a_user_with_the_rights_that_the_documentation_lists_is_enough(redis: Broker) -> None:
    prefix = f"test-{uuid4().hex}"
    topics = Topics(prefix)
    documented = re.search(r"`(~PREFIX:\* [^`]+)`", (ROOT / "docs" / "operations.md").read_text())
    assert documented is not None
    rights = documented[1].replace("PREFIX", prefix).split()
    await redis.execute("ACL", "SETUSER", "somebody", "reset", "on", f">{PASSWORD}", *rights)
    await RedisLink(address_of_somebody(redis)).check(topics.heartbeats())
    async with process(address_of_somebody(redis), prefix) as one, one.listen("a") as heard:
        assert one.link is not None
        position, claim = location(), (RateLimit(Rate(5, 60), name="any"), "rosa")
        positions, throttle = (
            RedisPositions(one.link, one.bus, topics, lambda *_: None),
            SharedThrottle(one.link, topics),
        )
        leases = SharedLeases(one.link, topics)
        await positions.put(position, [one.topic("a")], ttl_s=60)
        assert await positions.last([position.driver_id]) == {position.driver_id: position}
        await throttle.take(claim)
        await throttle.give_back(claim)
        assert position.driver_id in await leases.take([position.driver_id])
        assert await leases.begin_change([position.driver_id])
        leases.end_change([position.driver_id], since=0.0)
        assert await one.publish("a", b"1")
        await heard.next()
        assert one.link.is_healthy


async def test_a_redis_that_is_away_full_or_a_replica_stops_no_start(redis: Broker) -> None:
    await RedisLink(f"redis://127.0.0.1:{free_port()}/0").check(["test"])
    await redis.execute("CONFIG", "SET", "maxmemory", "1")
    await RedisLink(redis.url).check(["test"])
    await redis.execute("REPLICAOF", "127.0.0.1", "1")
    await RedisLink(redis.url).check(["test"])


@pytest.mark.parametrize(
    ("hello", "error"),
    [
        ([b"mode", b"sentinel"], "Sentinel"),
        ([b"mode", b"cluster", b"role", b"master"], "Cluster"),
        ([b"mode", b"standalone", b"role", b"replica"], "replica"),
    ],
)
def test_a_server_that_is_no_primary_is_refused(hello: list[bytes], error: str) -> None:
    with pytest.raises(redis_errors.LINK_ERRORS, match=error):
        redis_errors.check_role(hello)
    redis_errors.check_role([b"mode", b"standalone", b"role", b"master", b"modules", []])
