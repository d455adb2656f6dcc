import sys
from pathlib import Path

import pytest

from tests.clients.checks import check_accounts, check_events, check_pages, check_ride
from tests.clients.conftest import ARIADNE, FOLDER
from tests.clients.network import Network, happens_unseen
from tests.clients.script import running
from tests.conftest import LiveServer, SignUp
from tests.support.api import PASSWORD

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("client", ["gql", "ariadne-codegen"])
async def test_a_python_client_makes_a_whole_trip_and_has_the_current_state_after_a_lost_connection(
    client: str, request: pytest.FixtureRequest, photo: Path, live_server: LiveServer, person: SignUp
) -> None:
    if client == "gql":
        command = (sys.executable, FOLDER / "gql_trip.py")
    else:
        command = (request.getfixturevalue("ariadne_python"), ARIADNE / "ariadne_trip.py")
    async with (
        Network(live_server.url) as network,
        running("env", f"PYTHONPATH={FOLDER}", *command, network.url, photo, PASSWORD) as script,
    ):
        trip_id = (await script.first("rider", "underWay"))["id"]

        network.cut()
        other_trip_id = await happens_unseen(person, trip_id)
        network.restore()

        await script.finish()

    check_accounts(script, has_token=True)
    check_events(script, trip_id=trip_id, other_trip_id=other_trip_id)
    check_ride(script)
    check_pages(script, trip_id=trip_id)
    assert script.complaints == []
