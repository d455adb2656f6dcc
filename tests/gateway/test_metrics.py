"""Metrics count the right events."""

import re

import pytest

from application.settings import Settings
from tests.conftest import LiveServer, SignUp
from tests.support.api import POOL, Api
from tests.support.positions import report

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a listed origin, so that its layer exists too, and small bodies."""
    return settings.model_copy(update={"allowed_origins": ("https://app.example",), "max_body_bytes": 1024})


async def metrics(server: LiveServer) -> dict[str, float]:
    async with Api(server.url) as api:
        text = (await api.http.get("/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^(taxirank_\w+) (\S+)$", text, re.MULTILINE)}


async def test_one_execution_is_counted_for_two_deliveries(
    live_server: LiveServer, rider: Api, driver: Api, person: SignUp
) -> None:
    other = await person("DRIVER")
    async with driver.socket() as one, other.socket() as two:
        pools = [await one.start(POOL), await two.start(POOL)]
        for pool in pools:
            await pool.next()
        before = await metrics(live_server)
        await rider.create_trip()
        for pool in pools:
            await pool.next()
        after = await metrics(live_server)

    def grown(name: str) -> float:
        return after[name] - before[name]

    assert grown("taxirank_executions_total") == 1
    assert grown("taxirank_deliveries_total") == 2
    assert grown("taxirank_events_total") == 1
    assert (after["taxirank_sockets"], after["taxirank_subscribers"], after["taxirank_live_sessions"]) == (2, 2, 2)
    assert (after["taxirank_bus_up"], after["taxirank_topics"]) == (1, 3), (
        "the pool, and the own topic of each driver"
    )
    assert after["taxirank_store_up"] == 1
    assert after["taxirank_outbox_age_seconds"] >= 0


async def test_requests_are_timed_by_path_and_status(live_server: LiveServer, rider: Api) -> None:
    await rider.http.get("/media/nothing-there.webp")
    await rider.http.get("/healthz")
    text = (await rider.http.get("/metrics")).text
    assert 'taxirank_request_seconds_count{path="/healthz",status="200"} 1.0' in text
    assert 'taxirank_request_seconds_count{path="",status="404"} 1.0' in text
    assert "nothing-there" not in text


@pytest.mark.attack("abuse")
async def test_no_label_comes_from_text_that_a_client_chose(live_server: LiveServer, settings: Settings) -> None:
    foreign = {"Host": "evil.example"}
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    async with Api(live_server.url) as api:
        for name in ("one", "two", "x" * 5000):
            for method in ("GET", "POST", "PROPFIND"):
                await api.http.request(method, f"/{name}/{name}", headers=foreign)
                await api.http.request(method, f"/{name}", content=bytes(settings.max_body_bytes + 1))
            await api.http.options(f"/{name}", headers=preflight)
            await api.http.get("/graphql", headers=foreign)
        text = (await api.http.get("/metrics")).text
    labels = set(re.findall(r'request_seconds_count{path="([^"]*)",status="(\d+)"}', text))
    assert labels == {("", "421"), ("", "413"), ("", "400"), ("/graphql", "421")}


async def test_operations_are_timed_by_their_root_field(live_server: LiveServer, rider: Api) -> None:
    await rider.create_trip()
    async with rider.socket() as socket:
        (answer,) = [await (await socket.start("{ trips(first: 1) { nodes { id } } }")).next()]
        assert answer
    await rider.http.post("/graphql", json={"query": "{ a: __typename b: __typename }"})
    await rider.http.post(
        "/graphql", json={"query": "query Own { chosenByClient: trips(first: 1) { nodes { id } } }"}
    )
    text = (await rider.http.get("/metrics")).text
    counted = re.findall(r'operation_seconds_count\{field="(\w+)",type="(\w+)"\} (\S+)', text)
    assert {("createTrip", "mutation", "1.0"), ("trips", "query", "2.0"), ("several", "query", "1.0")} <= set(
        counted
    )
    assert "chosenByClient" not in text


async def test_a_first_acceptance_and_a_delivery_are_timed_and_drivers_are_counted(
    live_server: LiveServer, rider: Api, driver: Api
) -> None:
    async with driver.socket() as socket:
        pool = await socket.start(POOL)
        await pool.next()
        trip = await rider.create_trip()
        await pool.next()
        await report(driver, 52.5)
        before = await metrics(live_server)
        await driver.update_trip(trip["id"], "STARTED")
        after = await metrics(live_server)
    assert before["taxirank_drivers_available"] == 1
    assert (before["taxirank_time_to_accept_seconds_count"], before["taxirank_delivery_seconds_count"]) == (0, 1)
    assert after["taxirank_time_to_accept_seconds_count"] == 1
    assert after["taxirank_delivery_seconds_count"] > 1


async def test_a_trip_that_was_given_back_is_not_timed_again(
    live_server: LiveServer, rider: Api, driver: Api, person: SignUp
) -> None:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    await driver.update_trip(trip["id"], "REQUESTED")
    await (await person("DRIVER")).update_trip(trip["id"], "STARTED")
    assert (await metrics(live_server))["taxirank_time_to_accept_seconds_count"] == 1
