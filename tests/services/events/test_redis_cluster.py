"""A Redis Cluster keeps the promises of a single Redis: real nodes, of which each has a part of the names."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from redis.crc import key_slot
from structlog.testing import capture_logs

from models.geo import GeoPoint
from models.values import Location
from services.events import redis_backend
from services.events.bus import BusState
from services.events.leases import SharedLeases
from services.events.redis_errors import UnusableRedis
from services.events.redis_link import RedisLink
from services.events.topics import Topics
from services.limits.log_in_rate import LogInRate
from services.limits.rates import Rate, RateLimit, RateLimited
from services.limits.throttle import SharedThrottle
from services.positions.redis_positions import RedisPositions
from services.positions.store import MAX_NEAR, Stored
from tests.support.brokers import broker, free_port
from tests.support.buses import Process, process
from tests.support.positions import location
from tests.support.redis_clusters import RedisCluster, redis_cluster
from tests.support.waiting import PATIENCE_S, until

# One cluster for all: it takes two seconds to start.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

# A promotion takes the node's time-out, the election, and the next attempt of the link.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting() -> AsyncIterator[RedisCluster]:
    async with redis_cluster() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(lasting: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisCluster]:
    """A cluster that a test may change: it is whole when the next test begins."""
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(redis_backend, "LONGEST_BACKOFF_S", 0.2)
    yield lasting
    for node in lasting.nodes:
        node.thaw()
        if not node.is_running:
            await node.start()
    await until(lasting.is_whole)


class City(Process):
    """A process with all that uses Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(url, prefix)
        assert self.link is not None
        # The positions that its own listeners are told of.
        self.told: list[Location] = []
        self.positions = RedisPositions(
            self.link, self.bus, self.topics, lambda _, position: self.told.append(position)
        )
        self.leases = SharedLeases(self.link, self.topics)
        self.throttle = SharedThrottle(self.link, self.topics)

    async def put(self, position: Location, trip_id: UUID | None = None) -> Stored:
        topics = [self.topics.driver(position.driver_id)]
        if trip_id is not None:
            topics.append(self.topics.car(trip_id))
        return await self.positions.put(position, topics, ttl_s=60)

    async def is_up(self) -> None:
        assert self.link is not None
        link = self.link
        await until(lambda: link.is_healthy)


@asynccontextmanager
async def cities(cluster: RedisCluster, count: int) -> AsyncIterator[list[City]]:
    """Processes with one prefix."""
    async with AsyncExitStack() as stack:
        prefix = f"cluster-{uuid4().hex}"
        running: list[City] = []
        for _ in range(count):
            city = City(cluster.url, prefix)
            await city.bus.connect()
            stack.push_async_callback(city.bus.disconnect)
            assert city.bus.state is BusState.OK
            running.append(city)
        yield running


# All works.


async def test_a_hundred_topics_on_all_nodes_are_confirmed_and_cross_in_order(cluster: RedisCluster) -> None:
    async with cities(cluster, 2) as (one, other), AsyncExitStack() as stack:
        heard = [await stack.enter_async_context(other.listen(f"a{n}")) for n in range(100)]
        for round_ in (b"1", b"2"):
            assert await one.bus.publish([([one.topic(f"a{n}") for n in range(100)], round_)])
        assert [[await each.next(), await each.next()] for each in heard] == [[b"1", b"2"]] * 100
        assert set(await one.bus.followed([one.topic("a1"), one.topic("a99"), one.topic("nobody")])) == {
            one.topic("a1"),
            one.topic("a99"),
        }


async def test_of_a_rate_of_ten_a_minute_ten_pass_through_four_processes(cluster: RedisCluster) -> None:
    async with cities(cluster, 4) as processes:
        limits = [RateLimit(Rate(10, 60), name="any") for _ in processes]
        for name in ("rosa", "ravi", "kofi", "mei"):
            outcomes = await asyncio.gather(
                *(
                    city.throttle.take((limit, name))
                    for city, limit in zip(processes, limits, strict=True)
                    for _ in range(10)
                ),
                return_exceptions=True,
            )
            assert Counter(map(type, outcomes)) == {type(None): 10, RateLimited: 30}


async def test_an_address_and_a_name_are_counted_together(cluster: RedisCluster) -> None:
    async with cities(cluster, 2) as (one, other):
        rates = [LogInRate("log-in", Rate(10, 60), city.throttle) for city in (one, other)]
        for _ in range(5):
            for rate in rates:
                await rate.count(name="rosa", address="203.0.113.1")
        for rate in rates:
            with pytest.raises(RateLimited):
                await rate.count(name="rosa", address="203.0.113.1")
        await rates[0].succeeded(name="rosa")
        await rates[1].count(name="rosa", address="203.0.113.2")
        assert one.link is not None
        assert one.link.is_healthy


async def test_limits_on_several_nodes_cannot_be_counted_together(cluster: RedisCluster) -> None:
    async with cities(cluster, 1) as (one,):
        limits = [RateLimit(Rate(10, 60), name=name) for name in ("five", "three")]
        with pytest.raises(ValueError, match="group"):
            await one.throttle.take((limits[0], "rosa"), (limits[1], "here"))


async def test_all_of_two_hundred_positions_are_stored_published_and_found(cluster: RedisCluster) -> None:
    positions = [location() for _ in range(200)]
    trips = [uuid4() for _ in positions]
    async with cities(cluster, 2) as (one, other), AsyncExitStack() as stack:
        topics = [other.topics.driver(position.driver_id) for position in positions]
        topics += [other.topics.car(trip_id) for trip_id in trips]
        heard = [await stack.enter_async_context(other.bus.listen(topic)) for topic in topics]
        stored = await asyncio.gather(*map(one.put, positions, trips))
        assert stored == [Stored.NEW] * 200
        assert one.told == positions
        async with asyncio.timeout(PATIENCE_S):
            messages = [Location.from_json(await anext(aiter(each))) for each in heard]
        assert messages == [*positions, *positions]
        ids = [position.driver_id for position in positions]
        assert await other.positions.last(ids) == dict(zip(ids, positions, strict=True))
        assert set(await other.positions.free(limit=1000)) == set(ids)
        assert len(await other.positions.free(limit=10)) == 10
        assert await other.positions.count_free() == len(ids)
        nearest = [replace(location(), point=GeoPoint(52.0 + n / 10_000, 13.0)) for n in range(MAX_NEAR)]
        await asyncio.gather(*(one.put(position) for position in nearest))
        near = await other.positions.near(GeoPoint(52.0, 13.0), 100_000, since=positions[0].recorded_at)
        assert {each.driver_id for each in near} == {each.driver_id for each in nearest}
        assert one.link is not None
        assert one.link.is_healthy


async def test_a_node_that_has_forgotten_the_scripts_makes_no_other_one_run_them_twice(
    cluster: RedisCluster,
) -> None:
    async with cities(cluster, 1) as (one,):
        limit = RateLimit(Rate(2, 60), name="any")
        names = [f"rider-{number}" for number in range(40)]
        await asyncio.gather(*(one.put(location()) for _ in names))
        await asyncio.gather(*(one.throttle.take((limit, name)) for name in names))
        # As if its replica, which has never seen the scripts, had been promoted.
        await (await cluster.owner(one.topics.pool)).execute("SCRIPT", "FLUSH")
        positions = [location() for _ in names]
        assert await asyncio.gather(*map(one.put, positions)) == [Stored.NEW] * len(positions)
        assert one.told[-len(positions) :] == positions
        await asyncio.gather(*(one.throttle.take((limit, name)) for name in names))
        assert one.link is not None
        assert one.link.is_healthy


async def test_places_of_positions_that_have_expired_are_swept_on_all_nodes(cluster: RedisCluster) -> None:
    async with cities(cluster, 1) as (one,):
        positions = [location() for _ in range(50)]
        for position in positions:
            await one.positions.put(position, [], ttl_s=0.001)
        await one.positions.put(kept := location(), [], ttl_s=60)
        await one.positions.remove_expired()
        assert await one.positions.free(limit=1000) == [kept.driver_id]


async def test_a_lease_that_is_ended_by_another_process_gives_no_position_away(cluster: RedisCluster) -> None:
    async with cities(cluster, 2) as (one, other):
        positions = [location() for _ in range(20)]
        ids = [position.driver_id for position in positions]
        leases = await one.leases.take(ids)
        assert leases.keys() == set(ids)
        assert await other.leases.begin_change(ids[:10])
        stored = [
            await one.positions.put_under(leases[position.driver_id], position, [], ttl_s=60)
            for position in positions
        ]
        assert stored == [Stored.UNSURE] * 10 + [Stored.NEW] * 10


# Faults.


async def witnessed(one: City, other: City, cluster: RedisCluster) -> None:
    """Everything works between the two."""
    await asyncio.gather(one.is_up(), other.is_up())
    async with AsyncExitStack() as stack:
        heard = [await stack.enter_async_context(other.listen(f"after-{n}")) for n in range(30)]
        assert await one.bus.publish([([one.topic(f"after-{n}")], b"after") for n in range(30)])
        assert [await each.next() for each in heard] == [b"after"] * 30
    position = location()
    assert await one.put(position) is Stored.NEW
    assert await other.positions.last([position.driver_id]) == {position.driver_id: position}


async def test_a_slot_that_moves_is_a_gap_and_events_come_from_its_new_node(cluster: RedisCluster) -> None:
    async with cities(cluster, 2) as (one, other), other.listen("a") as heard:
        topic = other.topic("a")
        source = await cluster.owner(topic)
        target = await cluster.another_primary(source)
        gaps = [asyncio.create_task(each.gap()) for each in (one, other)]
        await cluster.move(key_slot(topic.encode()), target)
        await asyncio.gather(*gaps)
        await asyncio.gather(one.is_up(), other.is_up())
        assert (one.gaps, other.gaps) == (2, 2)
        assert await one.publish("a", b"after")
        assert await heard.next() == b"after"
        await witnessed(one, other, cluster)


async def test_while_a_slot_moves_events_arrive_and_what_is_not_stored_is_told(cluster: RedisCluster) -> None:
    async with cities(cluster, 2) as (one, other), other.listen("a") as heard:
        topic = other.topic("a")
        slot = key_slot(topic.encode())
        driver_id = next(each for each in iter(uuid4, None) if key_slot(one.topics.lease(each).encode()) == slot)
        position = location(driver_id)
        source = await cluster.owner(topic)
        target = await cluster.another_primary(source)

        async def in_between() -> None:
            assert await one.publish("a", b"on its way")
            assert await heard.next() == b"on its way"
            async with other.bus.listen(other.topics.driver(driver_id)) as positions, asyncio.timeout(PATIENCE_S):
                # The keys are on both nodes, or on none: Redis refuses the script.
                assert await one.put(position) is Stored.NEW
                assert Location.from_json(await anext(aiter(positions))) == position
            assert one.told == [position]
            assert one.link is not None
            assert one.link.is_up
            assert not one.link.is_healthy

        await cluster.move(slot, target, in_between=in_between())
        await witnessed(one, other, cluster)


async def test_a_node_that_is_killed_is_an_outage_until_its_replica_is_promoted(cluster: RedisCluster) -> None:
    with capture_logs() as logs:
        async with cities(cluster, 2) as (one, other), other.listen("a") as heard:
            killed = await cluster.owner(other.topic("a"))
            async with cluster.without_promotion(killed):
                await killed.kill()
                await until(lambda: one.bus.state is other.bus.state is BusState.DEGRADED)
                assert not await one.publish("a", b"within the process")
                gaps = [asyncio.create_task(each.gap()) for each in (one, other)]
            await asyncio.gather(*gaps)
            assert await cluster.owner(other.topic("a")) is not killed
            assert await one.publish("a", b"after")
            assert await heard.next() == b"after"
            await witnessed(one, other, cluster)
    lines = [line for line in logs if line["log_level"] == "warning" and "away" in line["event"]]
    assert [line["event"].endswith("no more") for line in lines].count(True) == 2
    assert all(line["setting"] == "TAXIRANK_REDIS_URL" for line in lines if "setting" in line)


async def test_a_replica_that_is_promoted_in_order_is_a_gap(cluster: RedisCluster) -> None:
    async with cities(cluster, 2) as (one, other), other.listen("a") as heard:
        primary = await cluster.owner(other.topic("a"))
        replica = await cluster.replica_of(primary)
        gaps = [asyncio.create_task(each.gap()) for each in (one, other)]
        await replica.execute("CLUSTER", "FAILOVER")
        await asyncio.gather(*gaps)
        await asyncio.gather(one.is_up(), other.is_up())
        assert await one.publish("a", b"after")
        assert await heard.next() == b"after"
        await witnessed(one, other, cluster)


async def test_a_node_that_hangs_is_noticed_by_its_heartbeats_alone(cluster: RedisCluster) -> None:
    async with cities(cluster, 2) as (one, other), other.listen("a") as heard:
        frozen = await cluster.owner(other.topic("a"))
        async with cluster.without_promotion(frozen):
            frozen.freeze()
            await until(lambda: one.bus.state is other.bus.state is BusState.DEGRADED)
            gaps = [asyncio.create_task(each.gap()) for each in (one, other)]
        await asyncio.gather(*gaps)
        assert await one.publish("a", b"after")
        assert await heard.next() == b"after"
        frozen.thaw()
        await witnessed(one, other, cluster)


async def test_a_lease_does_not_survive_the_move_of_its_slot(cluster: RedisCluster) -> None:
    """The new node may have lost the end of it."""
    async with cities(cluster, 1) as (one,):
        driver_id = uuid4()
        lease = (await one.leases.take([driver_id]))[driver_id]
        replica = await cluster.replica_of(await cluster.owner(one.topics.lease(driver_id)))
        gap = asyncio.create_task(one.gap())
        await replica.execute("CLUSTER", "FAILOVER")
        await gap
        assert not lease.is_held


# At the start.


async def refusal(url: str) -> str:
    link = RedisLink(url)
    with pytest.raises(UnusableRedis) as refused:
        await link.check(Topics("test", is_cluster=link.is_cluster).heartbeats())
    text = str(refused.value)
    assert "\n" not in text
    return text


async def test_an_address_of_the_other_kind_is_refused_and_says_what_to_write(cluster: RedisCluster) -> None:
    assert "write redis+cluster://HOST:PORT" in await refusal(cluster.nodes[0].url)
    async with broker() as single:
        assert "write redis://" in await refusal(single.url.replace("redis://", "redis+cluster://"))


async def test_a_cluster_whose_configured_nodes_are_all_replicas_or_away_is_found(cluster: RedisCluster) -> None:
    replica = await cluster.replica_of(await cluster.owner("any"))
    link = RedisLink(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{replica.port}")
    await link.check(Topics("test", is_cluster=True).heartbeats())
    async with process(f"redis+cluster://127.0.0.1:{replica.port}") as one:
        assert one.bus.state is BusState.OK


async def test_a_cluster_that_is_away_stops_no_start() -> None:
    await RedisLink(f"redis+cluster://127.0.0.1:{free_port()}").check(Topics("test", is_cluster=True).heartbeats())


async def test_a_cluster_without_slots_is_an_outage_that_says_so(cluster: RedisCluster) -> None:
    async with broker(**{"cluster-enabled": "yes"}) as empty:
        url = empty.url.replace("redis://", "redis+cluster://")
        await RedisLink(url).check(Topics("test", is_cluster=True).heartbeats())
        with capture_logs() as logs:
            async with process(url) as one:
                assert (one.bus.state, one.gaps) == (BusState.DEGRADED, 0)
    assert "cluster is down" in logs[0]["error"]
