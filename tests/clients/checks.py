"""The checks of every client's report of the trip."""

from base64 import b64decode
from io import BytesIO
from typing import Any

from PIL import Image

from tests.clients.script import Script


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
    requested, started, arrived = (trip_id, "REQUESTED", 1), (trip_id, "STARTED", 2), (trip_id, "STARTED", 3)
    riding, completed = (trip_id, "IN_PROGRESS", 4), (trip_id, "COMPLETED", 5)

    (next_id,) = [event["id"] for event in script.all("rider", "next")]
    *pool, pool_end = script.all("driver", "pool")
    assert [brief(event["driverPool"]) for event in pool] == [
        ("PoolSnapshot", []),
        ("TripOffered", requested),
        # The driver has accepted: the pool is paused until the trip has ended, also after the interruption.
        ("PoolSnapshot", []),
        ("PoolSnapshot", []),
        ("PoolSnapshot", [(other_trip_id, "REQUESTED", 1)]),
        ("TripOffered", (next_id, "REQUESTED", 1)),
    ]
    paused = [event["driverPool"]["paused"] for event in pool if "paused" in event["driverPool"]]
    assert paused == [None, "ON_TRIP", "ON_TRIP", None]
    assert pool[1]["driverPool"]["trip"]["rider"]["username"] is None
    assert "4401" in pool_end["error"]

    *mine, mine_end = script.all("rider", "myTrips")
    assert [brief(event["myTripsUpdated"]) for event in mine] == [
        ("MyTripsSnapshot", []),
        ("TripChanged", requested),
        ("TripChanged", started),
        ("TripChanged", arrived),
        ("MyTripsSnapshot", [riding]),
        ("TripChanged", completed),
        ("TripChanged", (next_id, "REQUESTED", 1)),
    ]
    assert "4401" in mine_end["error"]

    *watched, watched_end = script.all("rider", "trip")
    states = [requested, started, arrived, riding, completed]
    assert [brief(event["tripUpdated"]) for event in watched] == states
    assert [(event["tripUpdated"]["driver"] or {}).get("username") for event in watched] == [
        None,
        *["driver@example.com"] * 4,
    ]
    assert [event["tripUpdated"]["arrivedAt"] is not None for event in watched] == [False] * 2 + [True] * 3
    assert watched_end == {"complete": True}


def check_ride(script: Script) -> None:
    """The driver was told how long to wait for the rider, and the rider has rated the driver."""
    (waits,) = script.all("driver", "waits")
    assert 240 < waits["seconds"] <= 300
    assert script.all("rider", "rated") == [{"stars": 5}]


def check_screens(script: Script, *, trip_id: str, caches_by_id: bool, lists: bool) -> None:
    """A library that caches by id shows every pushed change."""
    statuses = ("REQUESTED", "STARTED", "STARTED", "IN_PROGRESS", "COMPLETED")
    states = [(trip_id, status, n) for n, status in enumerate(statuses, 1)]
    screen = [brief(event["trip"]) for event in script.all("rider", "screen")]
    assert screen == (states if caches_by_id else [])

    (next_id,) = [event["id"] for event in script.all("rider", "next")]
    list_ = [[brief(edge["node"]) for edge in event["trips"]["edges"]] for event in script.all("rider", "list")]
    following = [[], *([state] for state in states), [(next_id, "REQUESTED", 1), states[-1]]]
    assert list_ == (following if lists else [])


def check_pages(script: Script, *, trip_id: str) -> None:
    (next_id,) = [event["id"] for event in script.all("rider", "next")]
    assert script.all("rider", "pages") == [{"pages": [[next_id], [next_id, trip_id]]}]


def check_connections(script: Script) -> None:
    for who in ("rider", "driver"):
        assert [event["code"] for event in script.all(who, "closed")] == [1006, 4401]
        assert script.all(who, "exit") == [{"connected": 2}]


def brief(event: dict[str, Any]) -> tuple[Any, ...]:
    """The relevant part of an event or a trip."""
    match event:
        case {"offers": trips} | {"trips": trips}:
            return event["__typename"], [brief(trip) for trip in trips]
        case {"trip": trip}:
            return event["__typename"], brief(trip)
        case {"tripId": trip_id}:
            return event["__typename"], trip_id, event["version"], event["reason"]
        case _:
            return event["id"], event["status"], event["version"]
