"""A whole ride on the board, from the sign-up to the ratings, and a ride that does not happen."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import expect

from application.settings import Settings
from tests.browser.conftest import OpenBoard

pytestmark = [
    # The first one may have to build the page.
    pytest.mark.timeout(600),
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

NO_SHOW_WAIT_S = 2


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"no_show_wait_s": NO_SHOW_WAIT_S})


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small JPEG."""
    path = tmp_path / "me.jpg"
    Image.new("RGB", (160, 120), "orange").save(path)
    return path


async def test_a_rider_and_a_driver_make_a_whole_ride_in_two_browsers(board: OpenBoard, photo: Path):
    viewport = {"width": 1440, "height": 900}
    riders, drivers = await asyncio.gather(board(viewport=viewport), board(viewport=viewport))
    rider, driver = riders.rider, drivers.driver
    await asyncio.gather(rider.sign_up("Robin", photo=photo), driver.sign_up("Dana", photo=photo))
    assert await rider.title.locator("img[data-photo=Robin]").evaluate("image => image.naturalWidth") == 160
    await expect(driver.root).to_contain_text("Nobody nearby is asking for a ride")

    # Off duty no requests come, and nobody counts this driver.
    await driver.root.get_by_role("switch", name="On duty").click()
    await expect(driver.root).to_contain_text("You are off duty")
    # The driver's car stands at Rembrandt Square, the rider a few streets away.
    await rider.click_map(0.49, 0.53)
    await rider.click_map(0.46, 0.51)
    await expect(rider.estimate).to_contain_text("No driver nearby now")
    await expect(rider.estimate).to_contain_text("Estimated from the straight line.")
    await expect(rider.map.locator("[data-route].estimated")).to_have_count(1)
    await driver.root.get_by_role("switch", name="On duty").click()
    await expect(driver.root).to_contain_text("Nobody nearby is asking for a ride")
    await rider.root.get_by_label("Address or place").first.fill("Rembrandt Square")
    await expect(rider.estimate).to_contain_text(re.compile(r"\d+ m, about \d+ \w+ 1 driver nearby"))
    await expect(rider.button("Request a trip")).to_be_in_viewport(ratio=1)
    await rider.press("Request a trip")
    await expect(rider.headline).to_have_text("Looking for a driver")

    offer = driver.offers.first
    await expect(offer).to_contain_text("Robin Vos")
    await expect(driver.marker("request")).to_have_count(1)
    await offer.get_by_role("button", name="Accept").click()
    await expect(rider.headline).to_have_text("Dana is on the way")
    await expect(rider.root.locator("img[data-photo=Dana]")).to_be_visible()
    for person in (rider, driver):
        await expect(person.map.locator("[data-route]")).to_have_count(1)
