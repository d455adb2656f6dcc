"""The React hooks of the package in clients/typescript, over Apollo Client and urql, on a server."""

from pathlib import Path

import pytest

from tests.clients.network import Network, happens_unseen
from tests.clients.script import running
from tests.conftest import LiveServer, SignUp
from tests.support.api import PASSWORD

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("library", ["apollo", "urql", "graphcache"])
async def test_screens_and_lists_show_a_whole_trip_over_a_lost_connection(
    library: str, package: Path, live_server: LiveServer, person: SignUp
) -> None:
    async with (
        Network(live_server.url) as network,
        running("node", package / "dist" / "tests" / "screens.js", network.url, PASSWORD, library) as script,
    ):
        trip_id = (await script.first("rider", "underWay"))["id"]

        network.cut()
        await script.first("rider", "reconnecting")
        await script.first("driver", "reconnecting")
        other_trip_id = await happens_unseen(person, trip_id)
        network.restore()

        await script.finish()

    assert script.all("rider", "problems") == [
        {"texts": ["BAD_USER_INPUT pickUpAddress"]},
        {"texts": ["UNAUTHENTICATED "]},
    ]
    assert script.all("rider", "car") == [{"text": "52.37 4.9 90"}]
    (offers,) = script.all("driver", "offers")
    assert offers["id"] == other_trip_id
    if library == "apollo":
        # Both lists at first, and again with the snapshot after the lost connection: nothing else costs one.
        assert offers["lists"] == 4
    events = [event["__typename"] for event in script.all("driver", "event")]
    assert events == ["PoolSnapshot", "TripOffered", *["PoolSnapshot"] * 3]
    for who in ("rider", "driver"):
        # Also the parts of a screen that use the same hook, and React's strict mode, which mounts all twice.
        assert script.all(who, "live") == [{}] * 2
        assert script.all(who, "ended") == [{}]
    assert script.complaints == []
