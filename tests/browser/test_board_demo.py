"""The demo of the board: a whole ride by one click, on a server that somebody tries out."""

import pytest
from playwright.async_api import Request, expect

from tests.browser.conftest import OpenBoard
from tests.support.waiting import until

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
    asking: set[Request] = set()
    page.page.on("request", lambda request: asking.add(request))
    page.page.on("requestfinished", lambda request: asking.discard(request))
    page.page.on("requestfailed", lambda request: asking.discard(request))
    headlines = await page.record("#panel-RIDER h3")
    await page.page.get_by_role("button", name="Try it with demo people").click()
    await rider.is_live("Robin")
    await driver.is_live("Dana")
    bar = page.page.locator(".demo-bar")
    await expect(bar).to_contain_text("A demo is under way")
    await page.pictures("demo-begin", rider)
    # The demo goes on while pictures are drawn.
    is_drawn = False
    while "a whole ride" not in await bar.inner_text():
        if page.draws_pictures and not is_drawn:
            is_drawn = (await rider.headline.inner_text()).startswith("You are riding")
            if is_drawn:
                await page.pictures("demo-ride", rider)
        # The clock must not overtake the answers.
        await until(lambda: not asking)
        await page.is_drawn()
        await page.page.clock.fast_forward(JUMP_MS)
    # The bar may say it before the rider's panel.
    await expect(rider.headline).to_have_text("Where to?")
    shown = await headlines()
    assert shown[shown.index("Where to?") :] == [
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
