from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.clients.network import Network
from tests.clients.script import Script, running
from tests.conftest import LiveServer, SignUp
from tests.support.api import LOG_IN, PASSWORD

# The first one may have to install the packages.
pytestmark = pytest.mark.timeout(600)

CLIENTS = ["graphql-ws", "apollo", "urql", "graphcache", "relay"]
CACHING_BY_ID = {"apollo", "graphcache", "relay"}


def test_the_clients_compile_with_types_generated_from_the_schema(scripts: Path) -> None:
    assert {f"{client}.js" for client in CLIENTS} <= {path.name for path in scripts.iterdir()}


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_takes_a_whole_trip_and_is_right_again_after_a_lost_connection(
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
        elsewhere = await person()
        await elsewhere.data(LOG_IN, username="driver@example.com", password=PASSWORD)
        await elsewhere.update_trip(trip_id, "IN_PROGRESS")
        other_trip = await (await person("RIDER")).create_trip()
        network.restore()

        await script.finish()

    check_accounts(script, has_token=client != "graphql-ws")
    check_events(script, trip_id=trip_id, other_trip_id=other_trip["id"])
    check_connections(script)
    assert script.complaints == []
    assert [again["trip"]["status"] for again in script.all("rider", "again")] == ["COMPLETED"] * (client == "relay")
    check_screens(script, trip_id=trip_id, caches_by_id=client in CACHING_BY_ID, lists=client == "graphcache")


def check_accounts(script: Script, *, has_token: bool) -> None:
    (signed_up,) = script.all("rider", "signedUp")
    assert signed_up["photo"].startswith("/media/")
    (photo,) = script.all("rider", "photo")
    assert photo["type"] == "image/webp"
    image = Image.open(BytesIO(b64decode(photo["base64"])))
    assert (image.format, image.size) == ("WEBP", (320, 240))
    for who in ("rider", "driver"):
        (logged_in,) = script.all(who, "loggedIn")
        assert logged_in["hasToken"] is has_token
        assert logged_in["me"]["username"] == f"{who}@example.com"
        assert logged_in["me"]["role"] == who.upper()


def check_events(script: Script, *, trip_id: str, other_trip_id: str) -> None:
    requested, started = (trip_id, "REQUESTED", 1), (trip_id, "STARTED", 2)
    riding, completed = (trip_id, "IN_PROGRESS", 3), (trip_id, "COMPLETED", 4)

    (next_id,) = [event["id"] for event in script.all("rider", "next")]
    *pool, pool_end = script.all("driver", "pool")
    assert [brief(event["driverPool"]) for event in pool] == [
        ("PoolSnapshot", []),
        ("TripOffered", requested),
        ("TripWithdrawn", trip_id, 2, "TAKEN"),
        ("PoolSnapshot", [(other_trip_id, "REQUESTED", 1)]),
        ("TripOffered", (next_id, "REQUESTED", 1)),
    ]
    assert pool[1]["driverPool"]["trip"]["rider"]["username"] is None
    assert "4401" in pool_end["error"]

    *mine, mine_end = script.all("rider", "myTrips")
    assert [brief(event["myTripsUpdated"]) for event in mine] == [
        ("MyTripsSnapshot", []),
        ("TripChanged", requested),
        ("TripChanged", started),
        ("MyTripsSnapshot", [riding]),
        ("TripChanged", completed),
        ("TripChanged", (next_id, "REQUESTED", 1)),
    ]
    assert "4401" in mine_end["error"]

    *watched, watched_end = script.all("rider", "trip")
    assert [brief(event["tripUpdated"]) for event in watched] == [requested, started, riding, completed]
    assert [(event["tripUpdated"]["driver"] or {}).get("username") for event in watched] == [
        None,
        *["driver@example.com"] * 3,
    ]
    assert watched_end == {"complete": True}


def check_screens(script: Script, *, trip_id: str, caches_by_id: bool, lists: bool) -> None:
    """A library that caches by id shows every change that is pushed, and joins pages to one list."""
    states = [(trip_id, status, n) for n, status in enumerate(("REQUESTED", "STARTED", "IN_PROGRESS", "COMPLETED"), 1)]
    screen = [brief(event["trip"]) for event in script.all("rider", "screen")]
    assert screen == (states if caches_by_id else [])

    (next_id,) = [event["id"] for event in script.all("rider", "next")]
    pages = script.all("rider", "pages")
    assert pages == ([{"pages": [[next_id], [next_id, trip_id]]}] if caches_by_id else [])

    list_ = [[brief(edge["node"]) for edge in event["trips"]["edges"]] for event in script.all("rider", "list")]
    following = [[], *([state] for state in states), [(next_id, "REQUESTED", 1), states[-1]]]
    assert list_ == (following if lists else [])


def check_connections(script: Script) -> None:
    for who in ("rider", "driver"):
        assert [event["code"] for event in script.all(who, "closed")] == [1006, 4401]
        assert script.all(who, "exit") == [{"connected": 2}]


def brief(event: dict[str, Any]) -> tuple[Any, ...]:
    """What matters of an event or a trip."""
    match event:
        case {"offers": trips} | {"trips": trips}:
            return event["__typename"], [brief(trip) for trip in trips]
        case {"trip": trip}:
            return event["__typename"], brief(trip)
        case {"tripId": trip_id}:
            return event["__typename"], trip_id, event["version"], event["reason"]
        case _:
            return event["id"], event["status"], event["version"]
