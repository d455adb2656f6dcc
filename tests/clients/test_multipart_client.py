"""Apollo Client's own link follows trips over HTTP, without a socket."""

from pathlib import Path

import pytest

from tests.clients.network import Network
from tests.clients.script import running
from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_IN, PASSWORD

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)


async def test_apollos_own_link_follows_a_trip_through_a_lost_connection_to_its_end(
    scripts: Path, live_server: LiveServer, person: SignUp
) -> None:
    rider, driver = await person("RIDER"), await person("DRIVER")
    trip_id = (await rider.create_trip())["id"]
    logged_in = await rider.data(LOG_IN, username=rider.user["username"], password=PASSWORD, issueToken=True)
    async with (
        Network(live_server.url) as network,
        running("node", scripts / "multipart.js", network.url, logged_in["token"], trip_id) as script,
    ):
        await script.first("rider", "watching")
        await driver.update_trip(trip_id, "STARTED")
        await script.first("rider", "underWay")
        network.cut()
        await driver.update_trip(trip_id, "IN_PROGRESS")
        network.restore()
        await script.first("rider", "again")
        await driver.update_trip(trip_id, "COMPLETED")
        await script.finish()

    *events, end = script.all("rider", "trip")
    states = [(event["tripUpdated"]["version"], event["tripUpdated"]["status"]) for event in events]
    assert states == [(1, "REQUESTED"), (2, "STARTED"), (3, "IN_PROGRESS"), (4, "COMPLETED")]
    assert end == {"complete": True}
    (cached,) = script.all("rider", "cached")
    assert cached["trip"]["status"] == "REQUESTED"
    *events, end = script.all("rider", "mine")
    kinds = [event["myTripsUpdated"]["__typename"] for event in events]
    assert kinds == ["MyTripsSnapshot", "TripChanged", "MyTripsSnapshot", "TripChanged"]
    assert end == {"error": '"UNAUTHENTICATED"'}
    assert script.all("rider", "missing") == [{"error": '"NOT_FOUND"'}]
    assert script.complaints == []
