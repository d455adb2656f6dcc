"""The demo of the board: a whole ride by one click, on a server that somebody tries out."""

import itertools

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenBoard

pytestmark = [
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

# So far the clock jumps: less than any time-out of the page.
JUMP_MS = 1_500


async def test_one_click_shows_a_whole_ride_with_demo_people(board: OpenBoard):
    page = await board(viewport={"width": 1440, "height": 900})
    rider, driver = page.rider, page.driver
    await page.page.clock.install()
    await page.page.reload()
    await page.page.get_by_role("button", name="Try it with demo people").click()
    await rider.is_live("Robin")
    await driver.is_live("Dana")
    bar = page.page.locator(".demo-bar")
    await expect(bar).to_contain_text("A demo is under way")
    await page.pictures("demo-begin", rider)
    # The demo goes on while pictures are drawn.
    seen = ["Where to?"]
    while "a whole ride" not in await bar.inner_text():
        headline = await rider.headline.inner_text()
        if seen[-1:] != [headline]:
            seen.append(headline)
            if headline.startswith("You are riding"):
                await page.pictures("demo-ride", rider)
        await page.page.clock.fast_forward(JUMP_MS)
        await page.is_drawn()
    # The bar may say it before the rider's panel.
    await expect(rider.headline).to_have_text("Where to?")
    assert [headline for headline, _ in itertools.groupby([*seen, "Where to?"])] == [
        "Where to?",
        "Looking for a driver",
        "Dana is on the way",
        "Dana is here",
        "You are riding with Dana",
        "Where to?",
    ]
    # From here on the people are those of whoever has watched.
    await expect(rider.root.get_by_role("form", name="Rate Dana")).to_be_visible()
    await page.pictures("demo-end", rider)
    await bar.get_by_role("button", name="Close").click()
    await rider.request("Dam Square", "Artis Zoo")
    await page.page.clock.fast_forward(JUMP_MS)
    await page.page.clock.fast_forward(JUMP_MS)
    await expect(driver.offers.get_by_role("button", name="Accept")).to_be_visible()
