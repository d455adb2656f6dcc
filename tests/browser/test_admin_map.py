"""The map on the admin's pages about a trip, in a browser that reaches no other host."""

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import OpenAdmin
from tests.browser.test_maps import NO_WEBGL
from tests.conftest import LiveServer, SignUp
from tests.support.api import PASSWORD
from tests.support.staff import make_staff

pytestmark = [
    # The pages cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


async def test_staff_choose_the_places_of_a_trip_by_click_and_by_keyboard_and_see_them_on_its_page(
    admin: OpenAdmin, live_server: LiveServer, person: SignUp
) -> None:
    await person("RIDER", username="robin@example.com")
    await make_staff(live_server.application, "stella")
    staff = await admin()
    page, desk = staff.page, {"width": 1440, "height": 900}
    await page.set_viewport_size(desk)

    async def look(name: str) -> None:
        for device, size in (("phone", {"width": 390, "height": 844}), ("desk", desk)):
            await page.set_viewport_size(size)
            for scheme in ("dark", "light"):
                await page.emulate_media(color_scheme=scheme)
                await expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
                await staff.picture(f"admin-{name}-{device}-{scheme}")
                assert await staff.faults(of_colors=scheme == "dark") == [], (name, device, scheme)

    async def numbers(end: str) -> str:
        return ", ".join([await field(end, part).input_value() for part in ("lat", "lng")])

    def field(end: str, part: str) -> Locator:
        return page.locator(f"#{end}_{part}")

    def marker(kind: str) -> Locator:
        return page.locator(f".map-view [data-marker={kind}]")

    canvas, picture = page.locator(".map-view canvas"), page.locator(".map-view")
    await staff.log_in("stella")
    await page.get_by_role("link", name="New Trip").click()
    await staff.shows("Trips")
    await expect(picture).to_have_attribute("data-map", "idle")
    await page.locator(".select2-selection").first.click()
    await page.keyboard.type("robin@")
    await page.get_by_role("option", name="robin@example.com").click()
    await page.get_by_label("Pick-up address").fill("Dam Square")
    await page.get_by_label("Drop-off address").fill("Artis Zoo")

    # By click: the fields have what the map shows, and the next click is for the drop-off.
    assert await numbers("pick_up") == ", "
    await canvas.click(position={"x": 200, "y": 150})
    assert re.fullmatch(r"52\.\d{5}, 4\.\d{5}", await numbers("pick_up"))
    await expect(marker("pick-up")).to_have_attribute("data-at", await numbers("pick_up"))
    await expect(page.get_by_role("radio", name="the drop-off")).to_be_checked()
    # By keyboard: the map's own keys do not move it meanwhile.
    await page.get_by_role("radio", name="the drop-off").focus()
    await page.keyboard.press("Tab")
    await expect(canvas).to_be_focused()
    await page.keyboard.press("Shift+ArrowRight")
    await page.keyboard.press("ArrowDown")
    await expect(marker("cross")).to_be_visible()
    crossed = await marker("cross").get_attribute("data-at")
    await page.keyboard.press("Enter")
    assert await numbers("drop_off") == crossed
    await expect(page.get_by_role("status")).to_contain_text(f"Drop-off: {crossed}")
    # By numbers: the marker follows.
    await field("drop_off", "lat").fill("52.36")
    await field("drop_off", "lng").fill("4.88")
    await expect(marker("drop-off")).to_have_attribute("data-at", "52.36000, 4.88000")
    await field("drop_off", "lng").fill("east")
    await expect(marker("drop-off")).to_have_count(0)
    await field("drop_off", "lng").fill("4.88")
    await page.keyboard.press("Tab")
    await expect(marker("drop-off")).to_be_in_viewport()
    pick_up = await numbers("pick_up")
    await expect(picture).to_have_attribute("data-map", "idle")
    await look("new-trip-map")

    await page.get_by_role("button", name="Save", exact=True).click()
    await staff.shows("Trips")
    await staff.press(staff.row("Dam Square"), "View")
    await staff.shows("Dam Square → Artis Zoo")
    await expect(picture).to_have_attribute("data-map", "idle")
    await expect(marker("pick-up")).to_have_attribute("data-at", pick_up)
    await expect(marker("drop-off")).to_have_attribute("data-at", "52.36000, 4.88000")
    await expect(picture).to_have_attribute("data-route", "estimated")
    # Whoever prefers less motion gets a picture, which has nothing to press.
    await expect(canvas).to_have_attribute("role", "img")
    await expect(page.get_by_text(pick_up)).to_be_visible()
    await look("trip-map")

    # Without WebGL the numbers stand, and a line says why.
    await page.add_init_script(NO_WEBGL)
    await page.reload()
    await expect(page.locator(".no-map")).to_contain_text("This browser cannot draw the map")
    await expect(page.get_by_text(pick_up)).to_be_visible()


async def test_without_javascript_the_numbers_stand_and_a_line_says_why(
    admin: OpenAdmin, live_server: LiveServer
) -> None:
    await make_staff(live_server.application, "stella")
    staff = await admin(java_script_enabled=False)
    page = staff.page
    await page.get_by_label("User name").fill("stella")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.goto(f"{staff.url}/admin/trip/create")
    await expect(page.locator(".no-map")).to_have_text(
        "The map needs JavaScript. Type the latitude and the longitude instead, or leave them out."
    )
    await expect(page.get_by_label("Pick-up latitude")).to_be_editable()
    await expect(page.get_by_role("radio")).to_have_count(0)
