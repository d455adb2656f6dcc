"""Trips in the admin: find them, request one for a rider, cancel one."""

import csv
import io
import re

import pytest

from tests.conftest import LiveServer
from tests.support.api import MY_TRIPS, POOL, TRIP_UPDATED, Api
from tests.support.staff import StaffBrowser, path_of

HISTORY = "query ($id: ID!) { trip(id: $id) { history { status changedBy user { id } } } }"


async def trail(server: LiveServer) -> list[tuple[str, str, str]]:
    """The actions in the trail, with the trip and the detail; without log-ins."""
    rows = await server.application.database.fetch(
        "SELECT action, trip_id, detail FROM staff_actions WHERE action <> 'LOG_IN' ORDER BY id"
    )
    return [(row["action"], str(row["trip_id"]), row["detail"]) for row in rows]


async def test_a_subscriber_of_a_trip_receives_the_cancellation_by_staff_with_its_reason(
    live_server: LiveServer, staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    await driver.update_trip(trip["id"], "IN_PROGRESS")
    async with rider.socket() as riders, driver.socket() as drivers:
        followed = await riders.start(TRIP_UPDATED, id=trip["id"])
        assert (await followed.next())["status"] == "IN_PROGRESS"
        mine = await drivers.start(MY_TRIPS)
        await mine.next()

        pressed = await staff.row_action("trip", "cancel", trip["id"], reason="  A storm ")
        assert pressed.status_code == 200, pressed.text

        heard = await followed.next()
        assert (heard["status"], heard["version"], heard["cancelReason"]) == ("CANCELLED", 4, "A storm")
        await followed.completed()
        assert (await mine.next())["trip"]["status"] == "CANCELLED"
    assert await trail(live_server) == [("CANCEL_TRIP", trip["id"], "A storm")]
    history = (await rider.data(HISTORY, id=trip["id"]))["history"]
    # Users see that staff did it, but not which member.
    assert history[-1] == {"status": "CANCELLED", "changedBy": "STAFF", "user": None}
    page = " ".join((await staff.get("/trip/detail", pk=trip["id"])).text.split())
    assert re.search(r"by staff, <a [^>]+>stella</a>", page)


async def test_an_open_trip_that_staff_cancel_leaves_the_pool(
    staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip = await rider.create_trip()
    async with driver.socket() as socket:
        pool = await socket.start(POOL)
        assert [offer["id"] for offer in (await pool.next())["offers"]] == [trip["id"]]
        await staff.row_action("trip", "cancel", trip["id"], reason="")
        assert (await pool.next())["reason"] == "CANCELLED"


async def test_a_trip_that_has_ended_stays_as_it_is(
    live_server: LiveServer, staff: StaffBrowser, rider: Api
) -> None:
    trip = await rider.create_trip()
    await rider.update_trip(trip["id"], "CANCELLED")
    refused = await staff.row_action("trip", "cancel", trip["id"], reason="x")
    assert (refused.status_code, refused.json()) == (400, {"msg": "Forbidden"})
    for pk in ("0b3c11a4-6f5e-4d3b-8f5b-2f4a7c1d9e11", "x"):
        missing = await staff.row_action("trip", "cancel", pk, reason="x")
        assert missing.json() == {"msg": "There is no such trip."}
    assert await trail(live_server) == []


async def test_a_reason_that_is_too_long_is_refused_with_a_message(staff: StaffBrowser, rider: Api) -> None:
    trip = await rider.create_trip()
    refused = await staff.row_action("trip", "cancel", trip["id"], reason="x" * 501)
    assert refused.json() == {"msg": "A reason has at most 500 characters."}


async def test_a_trip_requested_for_a_rider_reaches_all_subscribers(
    live_server: LiveServer, staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    fields = {
        "rider": rider.user["id"],
        "pick_up_address": "1 Main Street",
        "drop_off_address": "9 Side Street",
        "pick_up_lat": "52.5",
        "pick_up_lng": "13.4",
    }
    async with rider.socket() as riders, driver.socket() as drivers:
        mine, pool = await riders.start(MY_TRIPS), await drivers.start(POOL)
        await mine.next()
        await pool.next()
        assert path_of(await staff.form("/trip/create", fields)) == "/admin/trip/list"
        trip = (await mine.next())["trip"]
        assert (await pool.next())["trip"]["id"] == trip["id"]
    assert trip["pickUp"] == {"lat": 52.5, "lng": 13.4}
    assert trip["rider"]["id"] == rider.user["id"]
    assert await trail(live_server) == [("ADD_TRIP", trip["id"], "")]
    history = (await rider.data(HISTORY, id=trip["id"]))["history"]
    assert history == [{"status": "REQUESTED", "changedBy": "STAFF", "user": None}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pick_up_lat": "91", "pick_up_lng": "0"}, "latitude"),
        ({"pick_up_lat": "52"}, "A position needs both a latitude and a longitude."),
        ({"pick_up_address": ""}, "This field is required."),
        ({"pick_up_address": "x" * 256}, "255 characters"),
        ({"rider": ""}, "This field is required."),
        ({"rider": "x"}, "Choose a rider."),
        ({"rider": "0b3c11a4-6f5e-4d3b-8f5b-2f4a7c1d9e11"}, "There is no such user."),
        ({"rider": "the driver"}, "Only riders can request trips."),
    ],
)
async def test_a_fault_of_a_use_case_is_shown_in_the_form(
    live_server: LiveServer, staff: StaffBrowser, rider: Api, driver: Api, changes: dict[str, str], message: str
) -> None:
    fields = {
        "rider": rider.user["id"],
        "pick_up_address": "1 Main Street",
        "drop_off_address": "9 Side Street",
        **changes,
    }
    if fields["rider"] == "the driver":
        fields["rider"] = driver.user["id"]
    refused = await staff.form("/trip/create", fields)
    assert refused.status_code == 422
    assert message in refused.text
    assert await trail(live_server) == []


async def test_staff_can_change_nothing_else_of_a_trip(staff: StaffBrowser, rider: Api) -> None:
    trip = await rider.create_trip()
    assert (await staff.get("/trip/edit", pk=trip["id"])).status_code == 403
    assert (await staff.form(f"/trip/edit?pk={trip['id']}", {"pick_up_address": "x"})).status_code == 403
    assert (await staff.row_action("trip", "delete", trip["id"])).json() == {"msg": "Forbidden"}
    assert (await staff.get("/staff-action/create")).status_code == 403
    assert (await staff.form("/staff-action/create", {"detail": "x"})).status_code == 403
    assert (await staff.form("/staff-action/edit?pk=1", {"detail": "x"})).status_code == 403


@pytest.mark.parametrize("backend", ["embedded", "production"])
async def test_trips_are_searched_filtered_sorted_and_exported(
    staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    first = await rider.create_trip(pickUpAddress="Zoo", dropOffAddress="\uff1dHYPERLINK(1)")
    second = await rider.create_trip(pickUpAddress="Airport", dropOffAddress="Zoo Lane 100%")
    await driver.update_trip(first["id"], "STARTED")
    assert await staff.rows("trip") == [second["id"], first["id"]]
    assert await staff.rows("trip", sort="pick_up_address__desc") == [first["id"], second["id"]]
    assert await staff.rows("trip", q=rider.user["username"][:5].upper()) == [second["id"], first["id"]]
    assert await staff.rows("trip", q=driver.user["username"]) == [first["id"]]
    assert await staff.rows("trip", q=driver.user["id"]) == [first["id"]]
    assert await staff.rows("trip", q=second["id"]) == [second["id"]]
    assert await staff.rows("trip", q="100%") == [second["id"]]
    assert await staff.rows("trip", q="zoo") == [second["id"], first["id"]]
    assert await staff.rows("trip", q="\x00") == []
    assert await staff.rows("trip", filter="status__in=STARTED,IN_PROGRESS") == [first["id"]]
    assert await staff.rows("trip", filter="status__in=NOTHING") == []
    assert await staff.rows("trip", filter="status__not_in=STARTED") == [second["id"]]
    assert await staff.rows("trip", filter="pick_up_address__startswith=air") == [second["id"]]
    assert (await staff.get("/trip/list", filter="rider__contains=x")).status_code == 400

    rows = list(csv.DictReader(io.StringIO((await staff.export("trip", q="zoo")).text)))
    assert [row["Drop-off address"] for row in rows] == ["Zoo Lane 100%", "'\uff1dHYPERLINK(1)"]
    assert [row["Driver's name"] for row in rows] == ["", driver.user["username"]]
    assert "History" not in rows[0]


async def test_the_audit_trail_can_be_read_and_not_changed(staff: StaffBrowser, rider: Api) -> None:
    trip = await rider.create_trip()
    await staff.row_action("trip", "cancel", trip["id"], reason="A storm")
    newest, log_in = await staff.rows("staff-action")
    assert await staff.rows("staff-action", filter="action__in=LOG_IN") == [log_in]
    assert await staff.rows("staff-action", q=trip["id"]) == [newest]
    assert await staff.rows("staff-action", q="storm") == [newest]
    detail = (await staff.get("/staff-action/detail", pk=newest)).text
    assert trip["id"] in detail
    assert (await staff.get("/staff-action/detail", pk="x")).status_code == 404
