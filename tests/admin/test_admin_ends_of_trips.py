"""The buttons of the admin that end a trip: complete, and cancel with a code."""

import html
import re

import pytest

from admin import words
from models.trip_life import CancelCode
from tests.admin.test_admin_trips import HISTORY, trail
from tests.conftest import LiveServer
from tests.support.api import TRIP_UPDATED, Api
from tests.support.staff import StaffBrowser

CODE = "query ($id: ID!) { trip(id: $id) { status cancelCode cancelReason } }"


async def started(rider: Api, driver: Api) -> str:
    trip = await rider.create_trip()
    await driver.update_trip(trip["id"], "STARTED")
    return trip["id"]


async def test_both_parties_hear_of_a_trip_that_staff_complete(
    live_server: LiveServer, staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip_id = await started(rider, driver)
    async with rider.socket() as riders, driver.socket() as drivers:
        followed = [await socket.start(TRIP_UPDATED, id=trip_id) for socket in (riders, drivers)]
        for operation in followed:
            assert (await operation.next())["status"] == "STARTED"

        pressed = await staff.row_action("trip", "complete", trip_id, reason=" A lost phone ")

        assert pressed.status_code == 200, pressed.text
        for operation in followed:
            assert (await operation.next())["status"] == "COMPLETED"
            await operation.completed()
    # The reason is for the trail: it is no cancellation.
    assert await trail(live_server) == [("COMPLETE_TRIP", trip_id, "A lost phone")]
    shown = await rider.data(CODE, id=trip_id)
    assert shown == {"status": "COMPLETED", "cancelCode": None, "cancelReason": None}
    history = (await rider.data(HISTORY, id=trip_id))["history"]
    assert history[-1] == {"status": "COMPLETED", "changedBy": "STAFF", "user": None}


async def test_only_a_trip_under_way_can_be_completed(
    live_server: LiveServer, staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    waiting, ended = (await rider.create_trip())["id"], await started(rider, driver)
    await rider.update_trip(ended, "CANCELLED")

    for trip_id in (waiting, ended):
        refused = await staff.row_action("trip", "complete", trip_id, reason="x")
        assert (refused.status_code, refused.json()) == (400, {"msg": "Forbidden"})
    missing = await staff.row_action("trip", "complete", "x", reason="x")
    assert missing.json() == {"msg": "There is no such trip."}
    assert await trail(live_server) == []


async def test_the_buttons_are_offered_where_they_can_be_pressed(
    staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip_id = await started(rider, driver)

    async def buttons() -> set[str]:
        page = (await staff.get("/trip/detail", pk=trip_id)).text
        return set(re.findall(r'data-sa-name="(complete|cancel)"', page))

    assert await buttons() == {"complete", "cancel"}
    await driver.update_trip(trip_id, "REQUESTED")
    assert await buttons() == {"cancel"}
    await rider.update_trip(trip_id, "CANCELLED")
    assert await buttons() == set()


async def test_the_dialogue_offers_exactly_the_codes_of_staff_and_staff_first(
    staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    page = html.unescape((await staff.get("/trip/detail", pk=await started(rider, driver))).text)
    options = re.findall(r'<option value="([A-Z_]+)"( selected)?>([A-Z][a-z ]+)</option>', page)

    assert {code: text for code, _, text in options} == {
        code: badge.text for code, badge in words.CODE.items() if code is not CancelCode.ABANDONED
    }
    assert [code for code, selected, _ in options if selected] == ["STAFF"]


@pytest.mark.parametrize("code", sorted(code.value for code in CancelCode if code is not CancelCode.ABANDONED))
async def test_a_cancellation_has_the_code_that_staff_choose(
    code: str, staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip_id = await started(rider, driver)

    pressed = await staff.row_action("trip", "cancel", trip_id, reason="Why", code=code)

    assert pressed.status_code == 200, pressed.text
    assert await rider.data(CODE, id=trip_id) == {
        "status": "CANCELLED",
        "cancelCode": code,
        "cancelReason": "Why",
    }
    page = (await staff.get("/trip/detail", pk=trip_id)).text
    assert page.count(f">{words.CODE[CancelCode(code)].text}</span>") == 2


async def test_a_code_that_staff_cannot_give_is_refused_with_a_message(
    live_server: LiveServer, staff: StaffBrowser, rider: Api, driver: Api
) -> None:
    trip_id = await started(rider, driver)

    for code, message in (("NONSENSE", "There is no such code."), ("ABANDONED", "Choose another code.")):
        refused = await staff.row_action("trip", "cancel", trip_id, reason="x", code=code)
        assert refused.status_code == 400
        assert message in refused.json()["msg"]
    assert (await rider.data(CODE, id=trip_id))["status"] == "STARTED"
    assert await trail(live_server) == []
