from pathlib import Path

import pytest

from tests.clients.checks import (
    check_accounts,
    check_connections,
    check_events,
    check_pages,
    check_ride,
    check_screens,
)
from tests.clients.network import Network, happens_unseen
from tests.clients.script import running
from tests.conftest import LiveServer, SignUp
from tests.support.api import PASSWORD

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)

CLIENTS = ["graphql-ws", "apollo", "urql", "graphcache", "relay"]
CACHING_BY_ID = {"apollo", "graphcache", "relay"}


def test_the_clients_compile_with_types_generated_from_the_schema(scripts: Path) -> None:
    assert {f"{client}.js" for client in CLIENTS} <= {path.name for path in scripts.iterdir()}


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_makes_a_whole_trip_and_has_the_current_state_after_a_lost_connection(
    client: str, scripts: Path, photo: Path, live_server: LiveServer, person: SignUp
) -> None:
    async with (
        Network(live_server.url) as network,
        running("node", scripts / f"{client}.js", network.url, photo, PASSWORD) as script,
    ):
        trip_id = (await script.first("rider", "underWay"))["id"]

        network.cut()
        await script.first("rider", "closed")
        await script.first("driver", "closed")
        other_trip_id = await happens_unseen(person, trip_id)
        network.restore()

        await script.finish()

    check_accounts(script, has_token=client != "graphql-ws")
    check_events(script, trip_id=trip_id, other_trip_id=other_trip_id)
    check_ride(script)
    check_connections(script)
    assert script.complaints == []
    assert [again["trip"]["status"] for again in script.all("rider", "again")] == ["COMPLETED"] * (
        client == "relay"
    )
    assert script.all("rider", "known") == [{"trip": True}] * (client in CACHING_BY_ID)
    # Apollo's policy keeps the name of the rider that the driver has driven; the event has null.
    *_, offer, _ = script.all("driver", "pool")
    assert offer["driverPool"]["trip"]["rider"]["username"] == (
        "rider@example.com" if client == "apollo" else None
    )
    if client in CACHING_BY_ID:
        check_pages(script, trip_id=trip_id)
    check_screens(
        script, trip_id=trip_id, caches_by_id=client in CACHING_BY_ID, lists=client in {"apollo", "graphcache"}
    )
