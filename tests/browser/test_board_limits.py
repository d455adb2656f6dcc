"""The board with a server that accepts few positions."""

import pytest
from playwright.async_api import expect

from application.settings import Settings
from tests.browser.conftest import OpenBoard

pytestmark = [
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"location_rate": "1/second"})


async def test_of_too_many_positions_the_newest_arrives(board: OpenBoard):
    page = await board()
    rider, driver = page.rider, page.driver
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    await rider.request("Rembrandt Square", "Artis Zoo")
    await driver.press("Accept")
    await expect(rider.marker("car")).to_have_count(1)

    async with page.page.expect_response(lambda response: "retry-after" in response.headers):
        await driver.map.focus()
        for _ in range(12):
            await page.page.keyboard.press("ArrowLeft")

    await expect(rider.marker("car")).to_have_attribute("data-at", await driver.where("car"))
    await expect(driver.root.locator(".problems p")).to_have_count(0)
