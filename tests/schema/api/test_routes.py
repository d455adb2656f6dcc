"""`Trip.route`, `dropOffEta` and `tripEstimate` with a routing engine that answers, hangs or fails."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.services.positions.test_routing import END, LINE, ROUTE, START, TIMEOUT_S, Engine
from tests.support.api import REPORT_LOCATION, Api
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)

DRIVE = "encodedPolyline distanceM durationS estimated"
TRIP = f"query ($id: ID!) {{ trip(id: $id) {{ dropOffEta route {{ {DRIVE} }} }} }}"
ESTIMATE = f"""query ($from: GeoPointInput!, $to: GeoPointInput!) {{
    tripEstimate(pickUp: $from, dropOff: $to) {{ estimated durationS route {{ {DRIVE} }} }}
}}"""
FROM, TO = {"lat": START.lat, "lng": START.lng}, {"lat": END.lat, "lng": END.lng}
KNOWN = {"encodedPolyline": LINE, "distanceM": 1886, "durationS": 260, "estimated": False}


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """An engine that has not been told what to say: it hangs."""
    engine = Engine()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    engine.port = server.sockets[0].getsockname()[1]
    yield engine
    server.close()


@pytest.fixture
async def live_server(settings: Settings, engine: Engine) -> AsyncIterator[LiveServer]:
    """A server that asks the engine."""
    changes = {
        "routing_url": f"http://127.0.0.1:{engine.port}",
        "routing_timeout_s": PATIENCE_S,
        "location_rate": "off",
    }
    async with serving(settings.model_copy(update=changes)) as server:
        yield server


async def begun(rider: Api, driver: Api) -> str:
    """A trip under way, whose driver is at the pick-up."""
    trip = await rider.create_trip(pickUp=FROM, dropOff=TO)
    await driver.update_trip(trip["id"], "STARTED")
    await driver.update_trip(trip["id"], "IN_PROGRESS")
    await report(driver)
    return trip["id"]


async def report(driver: Api) -> None:
    position = {"point": FROM, "recordedAt": datetime.now(UTC).isoformat()}
    assert (await driver.data(REPORT_LOCATION, input=position))["errors"] == []


async def metric(server: LiveServer, api: Api, name: str) -> float:
    text = (await api.http.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"taxirank_{name} "))


async def test_a_trip_and_an_estimate_have_the_engines_route_and_positions_ask_nothing(
    live_server: LiveServer, engine: Engine, rider: Api, driver: Api
) -> None:
    engine.says(ROUTE)
    trip_id = await begun(rider, driver)

    for _ in range(3):
        await report(driver)
        for api in (rider, driver):
            assert await api.data(TRIP, id=trip_id) == {"dropOffEta": 260, "route": KNOWN}
    assert len(engine.asked) == 1, "once for the trip and leg, not for each reader or position"

    estimate = await rider.data(ESTIMATE, **{"from": FROM, "to": TO})
    assert estimate == {"estimated": False, "durationS": 260, "route": KNOWN}
    assert await metric(live_server, rider, "routing_up") == 1
    assert await metric(live_server, rider, "routing_failures_total") == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param("", None, id="hangs"),
        pytest.param("500 Internal Server Error", b"oops", id="fails"),
        pytest.param("429 Too Many Requests", ROUTE, id="too many"),
        pytest.param("429 Too Many Requests", {"code": "TooManyRequests"}, id="too many, in the engine's form"),
        pytest.param("200 OK", b"<html>", id="nonsense"),
        pytest.param("200 OK", {"code": "Ok", "routes": [{"duration": -1}]}, id="impossible"),
    ],
)
async def test_without_an_answer_the_straight_line_is_told_as_estimated_and_counted(
    status: str,
    body: Any,
    live_server: LiveServer,
    engine: Engine,
    rider: Api,
    driver: Api,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router = cast("Any", live_server.application.router)
    if status:
        engine.says(body, status)
    else:
        monkeypatch.setattr(router, "_timeout_s", TIMEOUT_S)
    trip_id = await begun(rider, driver)

    shown = await rider.data(TRIP, id=trip_id)

    assert shown["route"]["estimated"]
    assert shown["dropOffEta"] == shown["route"]["durationS"] > 0
    assert await metric(live_server, rider, "routing_up") == 0
    assert await metric(live_server, rider, "routing_failures_total") == 1
    estimate = await rider.data(ESTIMATE, **{"from": FROM, "to": TO})
    assert estimate["estimated"]
    monkeypatch.setattr(router, "_timeout_s", PATIENCE_S)
    engine.says(ROUTE)
    assert (await rider.data(ESTIMATE, **{"from": FROM, "to": TO}))["route"] == KNOWN
    assert await metric(live_server, rider, "routing_up") == 1
