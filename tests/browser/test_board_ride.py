"""A whole ride on the board, from the sign-up to the ratings, and the rides that do not happen."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from playwright.async_api import expect

from application.settings import Settings
from services.trips.pick_up_pins import MAX_WRONG
from tests.browser.board_page import BoardPage
from tests.browser.conftest import OpenBoard
from tests.conftest import LiveServer
from tests.support.api import TRIPS, Api
from tests.support.osrm import Streets, serving_streets
from tests.support.staff import StaffBrowser, make_staff

pytestmark = [
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

# Longer than any machine takes to look at what is refused until then; `passes` lets them end.
NO_SHOW_WAIT_S = SILENT_DRIVER_S = 600
VEHICLE = {"make": "Skoda", "model": "Octavia", "color": "Blue", "licensePlate": "AB-12-CD", "seats": 4}
# A driver's car stands at Rembrandt Square. The rider waits at one bridge and goes to the other.
BRIDGE, OTHER_BRIDGE = ("Blauwbrug", "52.36700, 4.89960"), ("Hogesluis", "52.36390, 4.90450")


CLOCK_IS_AHEAD = f"{{ const now = Date.now; Date.now = () => now() + {NO_SHOW_WAIT_S * 1_000}; }}"


@pytest.fixture
def streets() -> Iterator[Streets]:
    """A routing engine."""
    with serving_streets() as serving:
        yield serving


@pytest.fixture
def settings(settings: Settings, streets: Streets) -> Settings:
    return settings.model_copy(
        update={
            "no_show_wait_s": NO_SHOW_WAIT_S,
            "silent_driver_s": SILENT_DRIVER_S,
            "driver_approval": True,
            "vehicle_required": True,
            "pick_up_pin": True,
            "routing_url": streets.url,
            # A busy machine is no missing engine.
            "routing_timeout_s": 10.0,
        }
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small JPEG."""
    path = tmp_path / "me.jpg"
    Image.new("RGB", (160, 120), "orange").save(path)
    return path


@asynccontextmanager
async def staff_of(server: LiveServer) -> AsyncIterator[StaffBrowser]:
    async with StaffBrowser(server.url) as staff:
        await staff.log_in(await make_staff(server.application, "stella"))
        yield staff


async def passes(page: BoardPage, server: LiveServer, column: str) -> None:
    """Let the wait that began at this time of the trip under way end, on the server and on the page."""
    database = server.application.database
    is_under_way = "status IN ('STARTED', 'IN_PROGRESS')"
    await database.fetch(f"UPDATE trips SET {column} = {database.sql.ago(NO_SHOW_WAIT_S)} WHERE {is_under_way}")
    await page.page.evaluate(CLOCK_IS_AHEAD)


async def test_a_rider_and_a_driver_make_a_whole_ride_in_two_browsers(
    board: OpenBoard, photo: Path, live_server: LiveServer, streets: Streets
):
    viewport = {"width": 1440, "height": 900}
    riders, drivers = await asyncio.gather(board(viewport=viewport), board(viewport=viewport))
    rider, driver = riders.rider, drivers.driver

    async def look(name: str) -> None:
        await asyncio.gather(riders.look(f"ride-{name}-rider", rider), drivers.look(f"ride-{name}-driver", driver))

    async def glance(name: str) -> None:
        """Where nothing is new to axe."""
        for page, person, who in ((riders, rider, "rider"), (drivers, driver, "driver")):
            await page.shows_actions(person)
            await page.pictures(f"ride-{name}-{who}", person)

    await riders.page.get_by_role("heading", name="A whole ride on one page").wait_for()
    await expect(riders.page.get_by_role("button", name="Try it with demo people")).to_have_count(0)
    await driver.fill_sign_up("Dana", photo=photo)
    await driver.fill_vehicle("Skoda", "Octavia", "Blue", "AB-12-CD")
    await drivers.look("ride-sign-up-driver", driver)
    await asyncio.gather(rider.sign_up("Robin", photo=photo), driver.press("Sign up"))
    await driver.is_live("Dana")
    assert await rider.title.locator("img[data-photo=Robin]").evaluate("image => image.naturalWidth") == 160
    await expect(driver.root).to_contain_text("Staff are looking at your account.")
    await expect(driver.root.get_by_role("switch", name="On duty")).to_have_count(0)
    await drivers.pictures("ride-waiting-driver", driver)
    async with staff_of(live_server) as staff:
        (dana,) = await staff.rows("waiting-driver")
        await staff.row_action("waiting-driver", "refuse", dana, reason="The photo is orange.")
        await expect(driver.root).to_contain_text("Staff have refused you as a driver.")
        await expect(driver.root).to_contain_text("The photo is orange.")
        await staff.row_action("user", "approve", dana)
    await expect(driver.root).to_contain_text("Nobody nearby is asking for a ride")

    # Off duty no requests come, and nobody counts this driver.
    await driver.root.get_by_role("switch", name="On duty").click()
    await expect(driver.root).to_contain_text("You are off duty")
    await rider.fill_request(BRIDGE, ("Waterlooplein", "52.36800, 4.90200"))
    await expect(rider.estimate).to_contain_text("No driver nearby now")
    await expect(rider.estimate).to_contain_text("Estimated from the straight line.")
    await expect(rider.map_view).to_have_attribute("data-route", "estimated")
    await driver.root.get_by_role("switch", name="On duty").click()
    await expect(driver.root).to_contain_text("Nobody nearby is asking for a ride")
    streets.knows_routes = True
    await rider.fill_request(BRIDGE, OTHER_BRIDGE)
    await expect(rider.estimate).to_contain_text(re.compile(r"\d+ m by road, about \d+ \w+ 1 driver nearby"))
    await expect(rider.estimate).not_to_contain_text("straight line")
    await expect(rider.map_view).to_have_attribute("data-route", "known")
    await expect(rider.button("Request a trip")).to_be_in_viewport(ratio=1)
    await riders.pictures("ride-estimate-rider", rider)
    await rider.press("Request a trip")
    await expect(rider.headline).to_have_text("Looking for a driver")

    offer = driver.offers.first
    await expect(offer).to_contain_text("Robin Vos")
    await expect(driver.marker("request")).to_have_count(1)
    await offer.get_by_role("button", name="Accept").click()
    await expect(rider.headline).to_have_text("Dana is on the way")
    await expect(rider.root.locator("img[data-photo=Dana]")).to_be_visible()
    await expect(rider.party).to_contain_text("Blue Skoda Octavia · AB-12-CD · 4 seats")
    for person in (rider, driver):
        await expect(person.drop_off).to_contain_text(re.compile(r"Hogesluis \d+ m by road"))
        await expect(person.map_view).to_have_attribute("data-route", "known")

    await expect(rider.eta).to_contain_text("Here in")
    await expect(rider.drop_off).to_contain_text(re.compile(r"in (about|a few)"))
    await glance("coming")
    parked = await rider.where("car")
    # A button that is about to be pressed keeps its place when the button beside it changes.
    in_the_car = await driver.button("Robin is in the car").bounding_box()
    steps = await drivers.record("#panel-DRIVER-1 .actions button")
    await driver.press("Drive to the pick-up")
    assert await driver.button("Robin is in the car").bounding_box() == in_the_car
    await expect(driver.eta).to_contain_text("you are there")
    assert any("Stop" in step for step in await steps())
    assert await driver.button("Robin is in the car").bounding_box() == in_the_car
    await expect(driver.button("You are at the pick-up")).to_be_focused()
    await expect(driver.map_view).to_have_attribute("data-way", "none")
    reached = await driver.where("car")
    assert reached != parked
    await expect(rider.marker("car")).to_have_attribute("data-at", reached)

    await rider.button("Cancel the trip").focus()
    await driver.press("I have arrived")
    await expect(rider.headline).to_have_text("Dana is here")
    # Both see from when on the driver may leave.
    await expect(driver.button("Robin did not come (in ")).to_have_attribute("aria-disabled", "true")
    await expect(rider.root).to_contain_text(re.compile(r"Dana waits at the pick-up: \d+:\d\d"))
    await expect(rider.root).to_contain_text(re.compile(r"Dana may leave in \d+:\d\d"))
    await expect(driver.button("I have arrived")).to_be_disabled()
    await look("arrived")
    # The driver starts with the PIN that only the rider sees.
    pin = await rider.root.locator(".pin strong").inner_text()
    await driver.press("Robin is in the car")
    field = driver.root.get_by_label("Robin’s PIN")
    await expect(field).to_be_focused()
    await expect(driver.problems).to_have_count(0)
    await field.fill("0000" if pin != "0000" else "1111")
    await field.press("Enter")
    await expect(driver.problems).to_contain_text("PIN")
    await drivers.look("ride-pin-driver", driver)
    await field.fill(pin)
    await driver.press("Start the ride")
    await expect(rider.headline).to_have_text("You are riding with Dana")
    await expect(rider.headline).to_be_focused()
    await expect(rider.eta).to_contain_text("There in")
    await driver.press("Drive to the drop-off")
    await glance("riding")
    await expect(driver.eta).to_contain_text("you are there")
    await driver.press("Complete the trip")

    await expect(rider.headline).to_have_text("Where to?")
    await expect(rider.notice).to_contain_text("You have arrived")
    await rider.press("Dismiss")
    await expect(rider.notice).to_have_count(0)
    await expect(rider.headline).to_be_focused()
    for person, other, stars in ((rider, "Dana", 5), (driver, "Robin", 4)):
        form = person.root.get_by_role("form", name=f"Rate {other}").first
        await form.get_by_role("radio", name=f"{stars} stars").check()
        if person is rider:
            await riders.look("ride-rating-rider", rider)
        await form.get_by_role("button", name="Send the rating").click()
        await expect(person.root.locator(".past")).to_contain_text(f"you gave {stars} stars")
        assert await person.history() == [
            "Requested · Robin",
            "On the way · Dana",
            "At the pick-up · Dana",
            "In the car · Dana",
            "Completed · Dana",
        ]
    await expect(rider.root.locator(".past .status")).to_have_text("Completed")
    day = datetime.now(UTC).strftime("%b %-d")
    await expect(rider.root.locator(".past > ul > li > small time")).to_contain_text(day)
    await expect(rider.root.locator(".history time").first).to_contain_text(day)

    # The next time both see both averages. But the rider does not come.
    await rider.fill_request(OTHER_BRIDGE, BRIDGE)
    await rider.press("Request a trip")
    await driver.offers.first.get_by_role("button", name="Accept").click()
    await expect(rider.party).to_contain_text("★ 5.0 (1)")
    await expect(driver.title).to_contain_text("★ 5.0 (1)")
    await expect(driver.party).to_contain_text("★ 4.0 (1)")
    await expect(rider.title).to_contain_text("★ 4.0 (1)")
    await expect(driver.button("Robin did not come")).to_have_count(0)
    # The clock of the driver's phone is ahead: the server says how long to wait.
    await drivers.page.evaluate(CLOCK_IS_AHEAD)
    await driver.press("I have arrived")
    await driver.press("Robin did not come")
    await expect(driver.button("Robin did not come (in ")).to_have_attribute("aria-disabled", "true")
    await glance("no-show")
    await passes(drivers, live_server, "arrived_at")
    await driver.root.get_by_role("button", name="Robin did not come", exact=True).click()
    await expect(driver.headline).to_have_text("Offers")
    await expect(rider.notice).to_contain_text("Dana waited for you at the pick-up, and cancelled the trip")
    assert (await rider.history())[-1] == "Cancelled · Dana: the rider did not come"
    await riders.pictures("ride-did-not-come-rider", rider)


async def test_a_driver_needs_a_car_and_finishes_the_trip_after_a_revoked_approval(
    board: OpenBoard, live_server: LiveServer
):
    page = await board(viewport={"width": 1440, "height": 900})
    rider, driver = page.rider, page.driver
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    async with staff_of(live_server) as staff, Api(live_server.url) as phone:
        (dana,) = await staff.rows("waiting-driver")
        await staff.row_action("waiting-driver", "approve", dana)
        await expect(driver.root).to_contain_text("Describe your car")
        await page.look("driver-no-vehicle", driver)
        await driver.fill_vehicle("Skoda", "Octavia", "Blue", "AB-12-CD")
        await driver.press("Save the car")
        await expect(driver.root).to_contain_text("Nobody nearby is asking for a ride")

        await driver.press("Account")
        account = page.page.get_by_role("dialog", name="Your account")
        car = account.get_by_role("form", name="Your car")
        await expect(car.get_by_label("Plate")).to_have_value("AB-12-CD")
        await car.get_by_label("Colour").fill("Red")
        await car.get_by_role("button", name="Save the car").click()
        await expect(car).to_contain_text("Saved.")
        await page.look("driver-account", driver)
        await car.get_by_role("button", name="Remove the car").click()
        await expect(car).to_contain_text("Removed.")
        await expect(car.get_by_label("Plate")).to_have_value("")
        await account.get_by_role("button", name="Close").click()
        await expect(driver.root).to_contain_text("Describe your car")
        await driver.fill_vehicle("Skoda", "Octavia", "Red", "AB-12-CD")
        await driver.press("Save the car")

        await rider.request("Rembrandt Square", "Artis Zoo")
        await driver.press("Accept")
        await expect(rider.party).to_contain_text("Red Skoda Octavia · AB-12-CD")
        # The last of too many wrong PINs.
        pin = await rider.root.locator(".pin strong").inner_text()
        wrong = "0000" if pin != "0000" else "1111"
        phone.http.headers["Authorization"] = f"Bearer {await page.token('DRIVER-1')}"
        (trip,) = (await phone.data(TRIPS))["nodes"]
        for _ in range(MAX_WRONG - 1):
            await phone.try_update_trip(trip["id"], "IN_PROGRESS", pin=wrong)
        await driver.press("Robin is in the car")
        await driver.root.get_by_label("Robin’s PIN").fill(wrong)
        await driver.press("Start the ride")
        await expect(driver.button("Start the ride (in 0:")).to_have_attribute("aria-disabled", "true")
        await expect(driver.problems).to_have_text("There were too many wrong PINs.")
        # Beside another panel it is narrow.
        await page.page.get_by_role("button", name="Add a driver").click()
        assert await page.clipped() == []
        await page.look("driver-pin-locked", driver)

        # Whoever is no driver any more finishes the trip under way.
        await staff.row_action("user", "revoke", dana, reason="There were complaints.")
        await driver.press("Give it back")
        await driver.root.get_by_label("Why?").select_option("I do not feel safe")
        await driver.press("Give it back")
    await expect(driver.root).to_contain_text("Staff have refused you as a driver.")
    await expect(driver.root).to_contain_text("There were complaints.")
    await expect(driver.root.get_by_role("switch", name="On duty")).to_have_count(0)
    await expect(rider.headline).to_have_text("Looking for a driver")
    await page.pictures("driver-revoked", driver)


async def test_a_rider_leaves_the_car_of_a_driver_who_has_been_silent_for_long(
    board: OpenBoard, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
):
    page = await board()
    rider = page.rider
    await rider.sign_up("Robin")
    await rider.request("Dam Square", "Artis Zoo")
    async with Api(live_server.url) as driver, staff_of(live_server) as staff:
        # A driver whose phone reports no position.
        await driver.sign_up("DRIVER", firstName="Dana", vehicle=VEHICLE)
        await staff.row_action("user", "approve", driver.user["id"])
        (trip,) = (await driver.data(TRIPS))["nodes"]
        await driver.update_trip(trip["id"], "STARTED")
        pin = await rider.root.locator(".pin strong").inner_text()
        await driver.update_trip(trip["id"], "IN_PROGRESS", pin=pin)

    await expect(rider.headline).to_have_text("You are riding with Dana")
    await rider.press("I left the car: the driver does not answer")
    await rider.root.get_by_label("Why?").select_option("I do not feel safe")
    await rider.press("End the trip")
    await expect(rider.problems).to_contain_text("Your driver was active a short while ago")
    # Positions are missing for as long too: the server has known all of them since then.
    store = cast("Any", live_server.application.services.positions)._store
    monkeypatch.setattr(type(store), "whole_s", SILENT_DRIVER_S)
    await passes(page, live_server, "updated")
    await rider.root.get_by_role("button", name="End the trip", exact=True).click()
    await expect(rider.headline).to_have_text("Where to?")
    assert (await rider.history())[-1] == "Cancelled · Robin: for safety"
