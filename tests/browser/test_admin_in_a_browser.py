"""The admin, as staff use it."""

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.admin_page import AdminPage
from tests.browser.board_page import BoardPage
from tests.browser.conftest import OpenAdmin, OpenBoard
from tests.conftest import LiveServer
from tests.support.staff import make_staff

pytestmark = [
    # The pages cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


Pages = tuple[BoardPage, AdminPage]


@pytest_asyncio.fixture(loop_scope="session")
async def pages(admin: OpenAdmin, board: OpenBoard, live_server: LiveServer) -> Pages:
    """The board, and the log-in page of the admin in another browser, for Stella of the staff."""
    await make_staff(live_server.application, "stella")
    people, staff = await asyncio.gather(board(), admin())
    return people, staff


async def test_staff_cancel_a_trip_and_the_pages_of_its_rider_and_its_driver_change(pages: Pages) -> None:
    people, staff = pages
    rider, driver = people.rider, people.driver
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    await rider.request("Dam Square", "Artis Zoo")
    await driver.press("Accept")
    await expect(rider.headline).to_have_text("Dana is on the way")

    await staff.log_in("stella")
    trip = staff.row("Dam Square")
    await expect(trip).to_contain_text("Driver on the way")
    await staff.press(trip, "Cancel trip")
    await expect(staff.dialogue).to_have_accessible_name("Cancel this trip?")
    await expect(staff.dialogue).to_contain_text("Robin Vos (robin@example.com)")
    await expect(staff.dialogue).to_contain_text("Driver on the way")
    await staff.dialogue.get_by_role("button", name="Go back").click()
    await expect(staff.dialogue).to_have_count(0)
    await staff.press(trip, "Cancel trip")
    await staff.dialogue.get_by_role("button", name="Cancel the trip").click()
    await expect(staff.dialogue.get_by_label("Reason")).to_be_focused()
    await staff.dialogue.get_by_label("Reason").fill("A storm")
    await staff.picture("admin-cancel")
    await staff.dialogue.get_by_role("button", name="Cancel the trip").click()

    await expect(rider.headline).to_have_text("Where to?")
    assert (await rider.history())[-1] == "Cancelled · staff\nA storm"
    await expect(rider.notice).to_contain_text("Staff cancelled the trip: A storm")
    await expect(driver.headline).to_have_text("Offers")
    await expect(driver.notice).to_contain_text("Staff cancelled the trip: A storm")
    await expect(staff.page.get_by_text("The trip was cancelled.")).to_be_visible()
    await expect(staff.row("Dam Square")).to_contain_text("Cancelled")


async def test_staff_request_a_trip_and_deactivate_its_rider_whose_page_says_so(pages: Pages) -> None:
    people, staff = pages
    rider, driver = people.rider, people.driver
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    await staff.log_in("stella")

    await staff.page.get_by_role("link", name="New Trip").click()
    await staff.shows("Trips")
    await staff.page.locator(".select2-selection").first.click()
    await staff.page.keyboard.type("robin@")
    await staff.page.get_by_role("option", name="robin@example.com").click()
    await staff.page.get_by_label("Pick-up address").fill("Dam Square")
    await staff.page.get_by_label("Drop-off address").fill("Artis Zoo")
    await staff.page.get_by_role("button", name="Save", exact=True).click()

    await expect(rider.headline).to_have_text("Looking for a driver")
    await expect(driver.offers.first).to_contain_text("Robin Vos")

    await staff.choose("Users")
    await staff.press(staff.row("robin@example.com"), "Deactivate")
    await staff.dialogue.get_by_role("button", name="Deactivate").click()
    await expect(rider.root).to_contain_text("Your session has ended. Log in again.")


async def test_axe_finds_no_serious_fault_in_the_admin_in_light_and_dark(pages: Pages) -> None:
    people, staff = pages
    await people.rider.sign_up("Robin")
    await people.rider.request("Dam Square", "Artis Zoo")

    async def look(name: str) -> None:
        for scheme in ("dark", "light"):
            await staff.page.emulate_media(color_scheme=scheme)
            await expect(staff.page.locator("html")).to_have_attribute("data-bs-theme", scheme)
            await staff.picture(f"admin-{name}-{scheme}")
            # In the dark only the colors differ.
            assert await staff.faults(of_colors=scheme == "dark") == [], (name, scheme)

    icon = await staff.page.locator("link[rel=icon]").get_attribute("href")
    assert icon is not None
    assert (await staff.page.request.get(f"{staff.url}{icon}")).headers["content-type"] == "image/svg+xml"
    await look("log-in")
    await staff.log_in("stella")
    await look("trips")
    await expect(staff.row("Dam Square")).to_contain_text("Waiting for a driver")
    await expect(staff.row("Dam Square").get_by_role("cell", name="–")).to_be_visible()
    await staff.press(staff.row("Dam Square"), "View")
    await staff.shows("Dam Square → Artis Zoo")
    await look("trip")
    await staff.page.get_by_role("button", name="Cancel trip").click()
    await expect(staff.dialogue).to_have_accessible_name("Cancel this trip?")
    await look("dialogue")
    await staff.dialogue.get_by_role("button", name="Go back").click()
    await expect(staff.dialogue).to_have_count(0)
    desk = staff.page.viewport_size
    assert desk is not None
    await staff.page.set_viewport_size({"width": 390, "height": 844})
    await look("trip-on-a-phone")
    await staff.page.set_viewport_size(desk)
    await staff.choose("Users")
    await look("users")
    without_a_role_active_and_staff = staff.page.get_by_role("row", name="stella – Active Yes")
    await expect(without_a_role_active_and_staff).to_be_visible()
    await staff.page.get_by_role("link", name="New User").click()
    await staff.shows("Users")
    await look("new-user")
