"""The board, as people use it in a browser."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Route, WebSocket, expect

from application.paths import ROOT
from tests.browser.board_page import PASSWORD
from tests.browser.conftest import OpenBoard
from tests.support.api import LOG_OUT, TRIPS, Api
from tests.support.proxy import web_link
from tests.support.waiting import until

pytestmark = [
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small JPEG."""
    path = tmp_path / "me.jpg"
    Image.new("RGB", (160, 120), "orange").save(path)
    return path


async def test_two_people_on_one_page_keep_separate_sessions_also_after_a_reload(board: OpenBoard):
    page = await board()
    await expect(page.page.get_by_role("heading", name="A whole ride on one page")).to_be_visible()
    await page.rider.sign_up("Robin")
    await page.driver.sign_up("Dana")
    # Each panel has a token, and the browser has no session.
    assert await page.page.context.cookies() == []

    sockets: list[WebSocket] = []
    page.page.on("websocket", lambda socket: sockets.append(socket))
    async with page.no_answers():
        await page.page.reload()
        for panel in (page.rider, page.driver):
            await expect(panel.problems).to_contain_text("The server cannot be reached")

    await page.rider.is_live("Robin")
    await page.driver.is_live("Dana")
    async with page.late_answers():
        await page.rider.press("Log out")
        # The server also closes the socket of a session that has ended.
        await until(lambda: any(socket.is_closed() for socket in sockets))
        await page.is_drawn()
        await expect(page.rider.root).not_to_contain_text("Your session has ended")
    await expect(page.rider.title).to_be_focused()
    await expect(page.rider.root.get_by_role("button", name="Sign up as a rider")).to_be_visible()
    await page.driver.is_live("Dana")
    await page.rider.log_in("Robin")
    await expect(page.rider.title).to_be_focused()


async def test_a_rider_requests_and_a_driver_accepts_and_drives_with_the_keyboard_only(board: OpenBoard):
    page = await board()
    rider, driver, keys = page.rider, page.driver, page.page.keyboard
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    pick_up, drop_off = rider.end("Pick-up"), rider.end("Drop-off")

    await page.tab_to(rider.map)
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
        await keys.press(key)
    await expect(pick_up.get_by_label("Address or place")).to_have_value("Rembrandt Square")
    await page.tab_to(drop_off.get_by_label("Address or place"))
    await keys.type("dam square")
    await expect(drop_off.get_by_label("Latitude, longitude")).to_have_value("52.37310, 4.89260")
    await keys.press("Enter")
    await expect(rider.headline).to_have_text("Looking for a driver")
    await expect(rider.headline).to_be_focused()

    # A screen reader announces it.
    log = page.page.get_by_role("log")
    await expect(log).to_contain_text("Robin asks for a ride from Rembrandt Square to dam square")
    await page.tab_to(driver.offers.get_by_role("button", name="Accept the trip of Robin"))
    await keys.press("Enter")
    await expect(driver.headline).to_have_text("Pick up Robin")
    await expect(driver.headline).to_be_focused()
    await expect(log).to_contain_text("Rider: Dana is on the way")

    before = await driver.where("car")
    await page.tab_to(driver.map, backwards=True)
    await keys.press("ArrowLeft")
    after = await driver.where("car")
    assert after != before
    await expect(rider.marker("car")).to_have_attribute("data-at", after)


async def test_a_withdrawn_offer_says_why(board: OpenBoard):
    page = await board()
    rider, driver = page.rider, page.driver
    await page.page.get_by_role("button", name="Add a driver").click()
    other = page.panel("DRIVER-2")
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    await other.sign_up("Kim")

    await rider.request("De Hallen", "Dam Square")
    await expect(driver.offers).to_have_count(1)
    await driver.drag_car(0.95, 0.5)
    await expect(driver.offers).to_contain_text("Too far from you now")
    await driver.click_map(0.5, 0.5)
    await expect(driver.offers.get_by_role("button", name="Accept")).to_be_visible()

    raced: list[Route] = []

    async def lose(route: Route) -> None:
        if "MoveTrip" in (route.request.post_data or "") and not raced:
            raced.append(route)
            await other.press("Accept")
            await expect(rider.headline).to_have_text("Kim is on the way")
        await route.fallback()

    await page.page.route("**/graphql", lose)
    await driver.press("Accept")
    await expect(driver.offers).to_contain_text("Another driver was faster")
    log = page.page.get_by_role("log")
    await expect(log).to_contain_text("Driver: an offer was withdrawn. Another driver was faster")
    await expect(driver.problems).to_have_count(0)

    await other.press("Give it back")
    await other.root.get_by_label("Why?").select_option("The pick-up is too far away")
    await other.press("Give it back")
    await expect(rider.headline).to_have_text("Looking for a driver")
    await expect(rider.notice).to_contain_text("Kim gave the trip back")
    await expect(other.headline).to_have_text("Offers")
    await expect(other.offers).to_have_count(0)
    await expect(driver.offers.get_by_role("button", name="Accept")).to_be_visible()

    await rider.press("Cancel the trip")
    await rider.root.get_by_label("In your words").fill("I walk")
    await rider.press("Cancel it")
    await expect(driver.offers).to_contain_text("The rider cancelled it")
    await expect(rider.headline).to_have_text("Where to?")
    assert (await rider.history())[-2:] == [
        "Given back · Kim: the driver is too far away",
        "Cancelled · Robin\nI walk",
    ]


async def test_an_error_message_is_shown_beside_its_cause(board: OpenBoard, tmp_path: Path):
    page = await board()
    rider, driver = page.rider, page.driver
    await rider.fill_sign_up("Robin", password="password")
    await rider.press("Sign up")
    password = rider.root.get_by_label("Password")
    field = rider.root.locator(".field").filter(has=page.page.get_by_label("Password"))
    await expect(field).to_contain_text("This password is easy to guess")
    await expect(password).to_have_attribute("aria-invalid", "true")
    await expect(password).to_be_focused()
    no_photo = tmp_path / "notes.png"
    no_photo.write_text("not a photo")
    await rider.fill_sign_up("Robin", photo=no_photo)
    await expect(field.locator(".problems p")).to_have_count(0)
    await expect(rider.root.locator(".photo-choice")).to_contain_text("This file is not a picture")
    await rider.press("Sign up")
    await expect(rider.root.locator(".photo-choice")).to_contain_text("The photo must be a complete JPEG")

    await driver.fill_log_in("Robin")
    await expect(driver.root.get_by_role("alert")).to_contain_text("The user name or the password is wrong")

    await rider.root.get_by_label("Photo").set_input_files([])
    await rider.press("Sign up")
    await rider.is_live("Robin")
    await driver.press("Log in")
    await expect(driver.root.get_by_role("alert")).to_contain_text("This is a rider's account")

    await rider.end("Pick-up").get_by_label("Address or place").fill("Home")
    await rider.end("Pick-up").get_by_label("Latitude, longitude").fill("91, 4.9")
    await rider.end("Drop-off").get_by_label("Address or place").fill("Work")
    await rider.press("Request a trip")
    await expect(rider.root.get_by_role("alert")).to_contain_text("A position is a latitude")
    await expect(rider.end("Pick-up").get_by_label("Latitude, longitude")).to_be_focused()
    await rider.click_map(0.5, 0.5)
    await expect(rider.problems).to_have_count(0)


async def test_an_account_can_be_changed_and_deleted_with_the_keyboard(board: OpenBoard, photo: Path):
    page = await board()
    rider, keys = page.rider, page.page.keyboard
    await rider.sign_up("Robin")
    token = await page.token("RIDER")
    await rider.button("Account").press("Enter")
    account = page.page.get_by_role("dialog", name="Your account")
    await page.picture("board-account")
    assert await page.faults() == []

    await account.get_by_label("First name").fill("Robbie")
    await account.get_by_label("Another photo").set_input_files(photo)
    await account.get_by_role("button", name="Save").press("Enter")
    await expect(account).to_contain_text("Saved.")
    await expect(rider.title).to_contain_text("Robbie Vos")
    await expect(rider.title.locator("img")).to_have_count(1)
    await account.get_by_label("No photo").check()
    await account.get_by_role("button", name="Save").press("Enter")
    await expect(rider.title.locator("img")).to_have_count(0)

    current, new = account.get_by_label("Current password"), account.get_by_label("New password")
    await new.fill("a-much-longer-horse-7")
    await current.fill("wrong")
    await keys.press("Enter")
    await expect(account).to_contain_text("The current password is wrong.")
    await expect(current).to_be_focused()
    assert await page.token("RIDER") == token
    await current.fill(PASSWORD)
    await keys.press("Enter")
    await expect(account).to_contain_text("The password is changed.")
    assert await page.token("RIDER") != token
    await keys.press("Escape")
    await expect(account).to_have_count(0)
    await expect(rider.button("Account")).to_be_focused()
    await rider.is_live("Robbie")
    await rider.request("Dam Square", "Artis Zoo")

    await rider.button("Account").press("Enter")
    await account.get_by_text("Delete the account").press("Enter")
    password = account.get_by_label("Your password, to confirm")
    await password.fill(PASSWORD)
    await keys.press("Enter")
    await expect(account).to_contain_text("The password is wrong.")
    await password.fill("a-much-longer-horse-7")
    await keys.press("Enter")
    await expect(rider.notice).to_have_text("Your account is deleted.")
    await expect(rider.title).to_be_focused()
    await expect(rider.button("Sign up as a rider")).to_be_visible()


async def test_choosing_the_pick_up_does_not_change_the_drop_off_and_vice_versa(board: OpenBoard):
    page = await board()
    rider = page.rider
    await rider.sign_up("Robin")
    names = [rider.end(end).get_by_label("Address or place") for end in ("Pick-up", "Drop-off")]
    positions = [rider.end(end).get_by_label("Latitude, longitude") for end in ("Pick-up", "Drop-off")]
    hint = rider.root.locator(".hint")

    # A position that came with the name of a place is removed with the name.
    await names[0].fill("Dam Square")
    await expect(positions[0]).to_have_value("52.37310, 4.89260")
    await names[0].fill("Herengracht 1")
    await expect(positions[0]).to_have_value("")

    await expect(hint).to_contain_text("to choose the drop-off")
    await rider.click_map(0.5, 0.5)
    await expect(hint).to_contain_text("to move the drop-off")
    first = await positions[1].input_value()
    await rider.click_map(0.6, 0.6)
    await expect(positions[1]).not_to_have_value(first)
    await expect(names[0]).to_have_value("Herengracht 1")

    second = await positions[1].input_value()
    await names[0].click()
    await expect(hint).to_contain_text("to move the pick-up")
    await rider.click_map(0.4, 0.4)
    await expect(positions[0]).not_to_have_value("")
    await expect(positions[1]).to_have_value(second)


async def test_after_a_lost_connection_the_page_shows_the_current_state(board: OpenBoard, live_server):
    async with web_link(live_server.url) as link, Api(live_server.url) as elsewhere:
        page = await board(url=link.url)
        await page.rider.sign_up("Robin")
        await page.rider.request("Dam Square", "Artis Zoo")
        await link.cut()
        await expect(page.rider.link).to_have_text("Offline")
        await expect(page.rider.root).to_contain_text("What you see may be old")
        await page.pictures("board-offline", page.rider)

        driver = await elsewhere.sign_up("DRIVER", firstName="Dana")
        (trip,) = (await driver.data(TRIPS))["nodes"]
        await driver.update_trip(trip["id"], "STARTED")
        await expect(page.rider.headline).to_have_text("Looking for a driver")
        await link.restore()

        await expect(page.rider.headline).to_have_text("Dana is on the way")
        await expect(page.rider.link).to_have_text("Live")
        await page.leave()


async def test_after_an_outage_the_server_knows_the_cars_position_and_no_error_remains(
    board: OpenBoard, live_server
):
    async with web_link(live_server.url) as link:
        page = await board(url=link.url)
        rider, driver = page.rider, page.driver
        await rider.sign_up("Robin")
        await driver.sign_up("Dana")
        await rider.request("Rembrandt Square", "Artis Zoo")
        await driver.press("Accept")
        await expect(rider.marker("car")).to_have_count(1)

        # One report is lost, while the socket stays.
        async with page.no_answers():
            await driver.map.press("ArrowLeft")
            await expect(driver.problems).to_contain_text("The server cannot be reached")
        await expect(rider.marker("car")).to_have_attribute("data-at", await driver.where("car"))
        await expect(driver.problems).to_have_count(0)

        await link.cut()
        await expect(driver.link).to_have_text("Offline")
        await driver.press("Robin is in the car")
        await expect(driver.problems).to_have_count(1)
        await expect(driver.button("Robin is in the car")).to_be_focused()
        async with page.page.expect_request(lambda request: "ReportLocation" in (request.post_data or "")):
            await link.restore()
        await expect(driver.link).to_have_text("Live")
        await expect(driver.problems).to_have_count(0)
        await expect(driver.headline).to_have_text("Pick up Robin")
        await page.leave()


async def test_a_session_that_was_ended_elsewhere_ends_on_the_page(board: OpenBoard, live_server):
    page = await board()
    await page.driver.sign_up("Dana")
    async with Api(live_server.url) as elsewhere:
        await elsewhere.post(LOG_OUT, {"Authorization": f"Bearer {await page.token('DRIVER-1')}"})
    await expect(page.driver.root).to_contain_text("Your session has ended. Log in again.")
    await expect(page.driver.button("Log in")).to_be_visible()


async def test_on_a_phone_the_panels_are_tabs_and_a_tab_announces_an_offer(board: OpenBoard):
    page = await board(viewport={"width": 390, "height": 844}, has_touch=True)
    tabs = page.page.get_by_role("tab")
    await page.rider.sign_up("Robin")
    await tabs.filter(has_text="Driver").click()
    await page.driver.sign_up("Dana")
    await tabs.filter(has_text="Driver").press("ArrowLeft")
    await expect(page.driver.root).to_be_hidden()

    await page.rider.request("Dam Square", "Artis Zoo")

    await expect(tabs.filter(has_text="Driver")).to_contain_text("1 offer")
    width = await page.page.evaluate("document.documentElement.scrollWidth")
    assert width == 390

    await tabs.filter(has_text="Driver").click()
    await expect(page.driver.root.locator(".hint")).to_have_text("Drag your car, or tap where it should be.")
    await page.page.reload()
    await page.driver.is_live("Dana")
    await expect(page.driver.root).to_be_visible()


async def test_axe_finds_no_serious_fault_in_light_and_dark_on_a_desktop_and_on_a_phone(board: OpenBoard):
    page = await board()

    async def look(name: str) -> None:
        for width, height, device in ((390, 844, "phone"), (1440, 900, "desk")):
            await page.page.set_viewport_size({"width": width, "height": height})
            for scheme in ("dark", "light"):
                await page.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                await page.picture(f"board-{name}-{scheme}-{device}")
                # In the dark only the colors differ.
                assert await page.faults(of_colors=scheme == "dark") == [], f"{name}, {scheme}, {device}"

    await look("empty")
    await page.rider.sign_up("Robin")
    await page.driver.sign_up("Dana")
    await page.rider.request("Rembrandt Square", "Artis Zoo")
    await expect(page.driver.offers).to_have_count(1)
    await look("offer")
    await page.driver.press("Accept")
    await expect(page.rider.headline).to_have_text("Dana is on the way")
    await page.rider.history()
    await page.rider.press("Cancel the trip")
    await look("trip")

    # With three panels and long names nothing is clipped.
    await page.page.get_by_role("button", name="Add a driver").click()
    await page.panel("DRIVER-2").sign_up("Maximiliane-Wilhelmina")
    await page.panel("DRIVER-2").root.get_by_role("switch", name="On duty").click()
    await expect(page.panel("DRIVER-2").root).to_contain_text("You are off duty")
    await look("three")
    await page.page.set_viewport_size({"width": 390, "height": 844})
    await expect(page.page.get_by_role("tab", name="Driver 2")).to_be_in_viewport(ratio=1)
    await page.page.set_viewport_size({"width": 1440, "height": 900})
    assert await page.clipped() == []


async def test_the_theme_follows_the_system_until_the_user_chooses(board: OpenBoard):
    page = await board(color_scheme="dark")
    assert await page.is_dark() is True
    await page.page.get_by_role("radio", name="Light").check()
    assert await page.is_dark() is False
    await page.page.reload()
    await expect(page.page.get_by_role("radio", name="Light")).to_be_checked()
    assert await page.is_dark() is False


async def contains(recorded: Callable[[], Awaitable[list[str]]], pattern: str) -> bool:
    """Whether any of the recorded texts has this."""
    return any(re.search(pattern, text) for text in await recorded())


async def test_the_picture_of_the_readme_shows_both_sides_of_a_trip(board: OpenBoard):
    """With ``--screenshots`` it draws ``var/screenshots/board.png``, which is ``docs/images/board.png``."""
    images = ROOT / "docs" / "images"
    page = await board(reduced_motion="no-preference")
    rider, driver = page.rider, page.driver
    await rider.sign_up("Robin", photo=images / "rider.jpg")
    await driver.sign_up("Dana", photo=images / "driver.jpg")
    await rider.click_map(0.4, 0.62)
    await rider.end("Drop-off").get_by_label("Address or place").fill("Artis Zoo")
    await rider.press("Request a trip")
    ways = await page.record("#panel-DRIVER-1 .eta")
    waits = await page.record("#panel-RIDER .eta")
    await driver.offers.first.get_by_role("button", name="Accept").click()
    await driver.press("Drive to the pick-up")
    assert await rider.history() == ["Requested · Robin", "On the way · Dana"]
    await page.page.mouse.move(0, 0)
    await until(partial(contains, waits, "about"))
    await until(partial(contains, ways, r"\d k?m to the pick-up"))
    if page.draws_pictures:
        # The car has turned into its route. (On a busy machine it takes long to get there.)
        await expect(driver.eta).to_contain_text(re.compile(r"7\d\d m"))
    await page.picture("board")
