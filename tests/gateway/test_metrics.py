"""Metrics count the right events."""

import re

import pytest

from application.settings import Settings
from tests.conftest import LiveServer, SignUp
from tests.support.api import POOL, Api

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
