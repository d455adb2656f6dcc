"""Without Redis the server still serves; when Redis is back, all clients have the current state."""

from collections.abc import AsyncIterator

import pytest

from application.settings import Settings
from services.events import redis_backend
from services.events import sweep as sweep_module
from services.events.bus import BusState
from tests.conftest import LiveServer, SignUp, serving
from tests.support.api import LOG_OUT, MY_TRIPS, POOL, TRIP_UPDATED, Api
from tests.support.brokers import Broker, broker
from tests.support.positions import DRIVER_LOCATION, report, shows
from tests.support.waiting import until

pytestmark = pytest.mark.parametrize("backend", ["production"], indirect=True)


@pytest.fixture
async def own_broker() -> AsyncIterator[Broker]:
    async with broker() as running:
        yield running


@pytest.fixture
async def live_server(
    settings: Settings, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveServer]:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(redis_backend, "LONGEST_BACKOFF_S", 0.2)
    monkeypatch.setattr(sweep_module, "SWEEP_INTERVAL_S", 0.1)
    async with serving(settings.model_copy(update={"redis_url": own_broker.url})) as server:
        yield server


async def readiness(server: LiveServer, api: Api) -> tuple[int, str]:
    response = await api.http.get("/readyz")
    return response.status_code, response.json()["bus"]


async def test_without_redis_the_server_is_ready_and_all_resync_when_it_is_back(
    live_server: LiveServer, own_broker: Broker, rider: Api, driver: Api, person: SignUp
) -> None:
    taker = await person("DRIVER")
    bus = live_server.application.bus
    async with rider.socket() as rider_socket, driver.socket() as driver_socket:
        pool, mine = await driver_socket.start(POOL), await rider_socket.start(MY_TRIPS)
        before = await rider.create_trip()
        watched = await rider_socket.start(TRIP_UPDATED, id=before["id"])
        assert (await watched.next())["version"] == 1
        snapshot = await pool.next()
        if not snapshot["offers"]:
            assert (await pool.next())["trip"]["id"] == before["id"]
        if not (await mine.next())["trips"]:
            await mine.next()

        await own_broker.stop()
        await until(lambda: bus.state is BusState.DEGRADED)
        assert await readiness(live_server, rider) == (200, "degraded")

        # Changes commit; new subscriptions get their snapshot.
        during = await rider.create_trip()
        await taker.update_trip(before["id"], "STARTED")
        # Subscribers of this process receive them; others do when Redis is back.
        assert (await pool.next())["trip"]["id"] == during["id"]
        assert (await pool.next())["reason"] == "TAKEN"
        assert (await watched.next())["version"] == 2
        assert {(await mine.next())["trip"]["version"] for _ in range(2)} == {1, 2}
        late = await driver_socket.start(POOL)
        assert [offer["id"] for offer in (await late.next())["offers"]] == [during["id"]]

        await own_broker.start()
        await until(lambda: bus.state is BusState.OK)
        assert await readiness(live_server, rider) == (200, "ok")
        for events in (pool, late):
            assert [offer["id"] for offer in (await events.next())["offers"]] == [during["id"]]
        assert {(t["id"], t["version"]) for t in (await mine.next())["trips"]} == {
            (before["id"], 2),
            (during["id"], 1),
        }

        # The notes in the outbox are published now, and are not new to anybody.
        application = live_server.application

        async def is_empty() -> bool:
            return not await application.database.fetch("SELECT id FROM outbox")

        await until(is_empty)
        last = await rider.create_trip()
        for events in (pool, late, mine):
            assert (await events.next())["trip"]["id"] == last["id"]


async def test_a_redis_that_becomes_a_replica_is_reported_as_degraded_and_its_notes_are_kept_and_swept(
    live_server: LiveServer, own_broker: Broker, rider: Api, driver: Api
) -> None:
    application = live_server.application
    async with driver.socket() as socket:
        pool = await socket.start(POOL)
        await pool.next()
        await own_broker.execute("REPLICAOF", "127.0.0.1", "1")
        trip = await rider.create_trip()
        await until(lambda: application.bus.state is BusState.DEGRADED)
        assert await readiness(live_server, rider) == (200, "degraded")
        # Subscribers of this process have received it, others have not, so the note stays.
        assert (await pool.next())["trip"]["id"] == trip["id"]
        assert await application.database.fetch("SELECT id FROM outbox")

        await own_broker.execute("REPLICAOF", "NO", "ONE")

        assert [offer["id"] for offer in (await pool.next())["offers"]] == [trip["id"]]

        async def is_empty() -> bool:
            return not await application.database.fetch("SELECT id FROM outbox")

        await until(is_empty)


async def test_while_redis_is_full_the_rider_sees_the_car_and_health_and_metrics_say_degraded(
    live_server: LiveServer, own_broker: Broker, rider: Api, driver: Api
) -> None:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    async with rider.socket() as socket:
        car = await socket.start(DRIVER_LOCATION, tripId=trip["id"])
        await own_broker.execute("CONFIG", "SET", "maxmemory", "1")
        await report(driver, 52.5)
        await shows(car, 52.5)
    ready = (await rider.http.get("/readyz")).json()
    assert (ready["bus"], ready["store"]) == ("ok", "degraded")
    metrics = (await rider.http.get("/metrics")).text
    assert ("taxirank_bus_up 1.0" in metrics, "taxirank_store_up 0.0" in metrics) == (True, True)


async def test_without_redis_a_log_out_closes_the_sessions_sockets(
    live_server: LiveServer, own_broker: Broker, driver: Api
) -> None:
    async with driver.socket() as socket:
        await own_broker.stop()
        await until(lambda: live_server.application.bus.state is BusState.DEGRADED)
        await driver.data(LOG_OUT)
        assert (await socket.closed()).code == 4401


async def test_a_frozen_redis_delays_no_change_and_no_subscription_for_long(
    live_server: LiveServer, own_broker: Broker, rider: Api, driver: Api
) -> None:
    async with driver.socket() as socket:
        pool = await socket.start(POOL)
        await pool.next()
        own_broker.freeze()
        trip = await rider.create_trip()
        mine = await socket.start(MY_TRIPS)
        assert (await mine.next())["trips"] == []
        own_broker.thaw()
        # The trip arrives by its event or by the resync.
        seen = await pool.next()
        while trip["id"] not in str(seen):
            seen = await pool.next()


async def test_after_a_gap_a_redis_that_had_not_heard_of_it_forgets_the_position_of_who_went_off_duty(
    live_server: LiveServer, own_broker: Broker, driver: Api
) -> None:
    await report(driver, 52.5)
    async with own_broker.client() as client:
        (key,) = await client.keys(f"{live_server.application.settings.redis_prefix}:last-location:*")
        kept = await client.get(key)
        await driver.data("mutation { setOnDuty(onDuty: false) { errors { code } } }")
        forgotten = await client.get(key)
        assert forgotten != kept
        # As a replica has it that the last commands have not reached.
        await client.set(key, kept)
        await own_broker.execute("CLIENT", "KILL", "TYPE", "pubsub")

        async def is_forgotten() -> bool:
            return await client.get(key) == forgotten

        await until(is_forgotten)
