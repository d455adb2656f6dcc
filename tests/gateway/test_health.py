"""The health checks for load balancers."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from application.settings import Settings
from gateway import health
from services.errors import DatabaseUnavailable
from services.events.bus import BusState
from tests.conftest import LiveServer, serving
from tests.support.api import CREATE_TRIP, MY_TRIPS, TRIPS, Api
from tests.support.proxy import link
from tests.support.waiting import PATIENCE_S


async def _well() -> None:
    pass


def client(
    ping: Callable[[], Awaitable[None]] = _well,
    bus_state: BusState = BusState.OK,
    *,
    store_is_up: bool = True,
    photos_are_up: bool = True,
    mail_is_up: bool = True,
    replicas_are_up: bool | None = None,
) -> httpx.AsyncClient:
    app = Starlette(
        routes=health.health_routes(
            ping_database=ping,
            bus_state=lambda: bus_state,
            store_is_up=lambda: store_is_up,
            photos_are_up=lambda: photos_are_up,
            mail_is_up=lambda: mail_is_up,
            replicas_are_up=(lambda: replicas_are_up) if replicas_are_up is not None else None,
            is_draining=lambda: False,
        )
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://taxirank.test", verify=False)


async def test_a_server_with_everything_it_needs_is_ready(live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=live_server.url, timeout=PATIENCE_S) as http:
        healthz, readyz = await http.get("/healthz"), await http.get("/readyz")
    assert (healthz.status_code, healthz.json()) == (200, {"status": "ok"})
    assert (readyz.status_code, readyz.json()) == (
        200,
        {"status": "ok", "database": "ok", "bus": "ok", "store": "ok", "photos": "ok", "mail": "ok"},
    )


async def test_without_the_broker_it_is_ready_and_says_so() -> None:
    response = await client(bus_state=BusState.DEGRADED).get("/readyz")
    assert (response.status_code, response.json()["bus"]) == (200, "degraded")


async def test_while_redis_keeps_no_positions_and_rates_it_is_ready_and_says_so() -> None:
    response = await client(store_is_up=False).get("/readyz")
    assert (response.status_code, response.json()) == (
        200,
        {"status": "ok", "database": "ok", "bus": "ok", "store": "degraded", "photos": "ok", "mail": "ok"},
    )


async def test_while_no_photo_can_be_kept_it_is_ready_and_says_so() -> None:
    response = await client(photos_are_up=False).get("/readyz")
    assert (response.status_code, response.json()["photos"]) == (200, "degraded")


async def test_while_no_replica_is_read_it_is_ready_and_says_so() -> None:
    for are_up, told in ((True, "ok"), (False, "degraded")):
        readyz = await client(replicas_are_up=are_up).get("/readyz")
        assert (readyz.status_code, readyz.json()["replicas"]) == (200, told)
    assert "replicas" not in (await client().get("/readyz")).json()


async def test_while_no_letter_can_be_sent_it_is_ready_and_says_so() -> None:
    response = await client(mail_is_up=False).get("/readyz")
    assert (response.status_code, response.json()["mail"]) == (200, "degraded")


@pytest.mark.parametrize("error", [DatabaseUnavailable("gone"), OSError("gone"), RuntimeError("whatever")])
async def test_any_failure_of_the_database_makes_the_server_unready_and_not_dead(error: Exception) -> None:
    async def ping() -> None:
        raise error

    readyz, healthz = await client(ping).get("/readyz"), await client(ping).get("/healthz")
    assert readyz.status_code == 503
    assert readyz.json() == {
        "status": "unavailable",
        "database": "unreachable",
        "bus": "ok",
        "store": "ok",
        "photos": "ok",
        "mail": "ok",
    }
    assert "gone" not in readyz.text
    assert healthz.status_code == 200


async def test_a_database_that_does_not_answer_makes_it_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "READY_TIMEOUT_S", 0.01)
    response = await client(asyncio.Event().wait).get("/readyz")  # pyright: ignore[reportArgumentType]
    assert response.status_code == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_health_answers_only_get_and_head(method: str) -> None:
    assert (await client().request(method, "/readyz")).status_code == 405


@pytest.mark.parametrize("backend", ["production"], indirect=True)
async def test_without_the_database_the_server_is_unready_and_new_subscriptions_get_1013_and_afterwards_all_work(
    settings: Settings,
) -> None:
    # Unix socket paths are short.
    with tempfile.TemporaryDirectory(prefix="taxirank-") as folder:
        async with link(settings.database_url, Path(folder)) as database:
            changed = settings.model_copy(update={"database_url": database.url})
            async with serving(changed) as server, Api(server.url) as api:
                await api.sign_up("RIDER")
                async with api.socket() as socket:
                    await (await socket.start(MY_TRIPS)).next()
                    await database.cut()

                    assert (await api.http.get("/readyz")).status_code == 503
                    assert (await api.http.get("/healthz")).status_code == 200
                    failed = await api.http.post("/graphql", json={"query": TRIPS})
                    assert (failed.status_code, failed.headers["Retry-After"]) == (503, "1")
                    assert failed.json()["errors"][0]["extensions"].keys() == {"code", "incidentId"}
                    # Answered: clients would send a mutation again on the next socket, and it may have been done.
                    trip = {"pickUpAddress": "Central Station", "dropOffAddress": "Airport"}
                    refused = await (await socket.start(CREATE_TRIP, input=trip)).message()
                    assert refused["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL"
                    await socket.start(TRIPS)
                    assert (await socket.closed()).code == 1013

                await database.restore()
                assert (await api.http.get("/readyz")).status_code == 200
                async with api.socket() as socket:
                    assert (await (await socket.start(MY_TRIPS)).next())["trips"] == []
                    await database.cut()
                    await socket.start('subscription { tripUpdated(id: "' + api.user["id"] + '") { id } }')
                    assert (await socket.closed()).code == 1013
                await database.restore()
                assert await api.data("{ me { id } }") == {"id": api.user["id"]}
