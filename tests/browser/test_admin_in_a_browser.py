"""The admin as a member of staff uses it, with every other host out of reach."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, Route, async_playwright, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.browser.conftest import launch
from tests.support.api import PASSWORD, TRIP_UPDATED
from tests.support.staff import make_staff
from tests.support.waiting import until

SLOW_MS = 30_000

pytestmark = [
    pytest.mark.timeout(120),
    # The pages cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


@pytest.fixture
async def page(live_server) -> AsyncIterator[Page]:
    """A page of a browser. At the end nothing was asked of another host, and nothing failed on the page."""
    faults: list[str] = []

    async def only_the_server(route: Route, request: Request) -> None:
        if request.url.startswith(f"{live_server.url}/"):
            await route.continue_()
        else:
            faults.append(request.url)
            await route.abort()

    async with async_playwright() as playwright:
        browser = await launch(playwright, f"EXCLUDE {urlsplit(live_server.url).hostname}")
        try:
            context = await browser.new_context(viewport={"width": 1440, "height": 840})
            await context.route("**/*", only_the_server)
            page = await context.new_page()
            page.set_default_timeout(SLOW_MS)
            page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: faults.append(str(error)))
            yield page
        finally:
            await browser.close()
    # A Content-Security-Policy that was violated is an error on the console.
    assert faults == []


async def asks_for_a_reason(page: Page) -> bool:
    """Click "Cancel trip", and see what comes: before the page's scripts have run, a click does nothing."""
    await page.locator("a.row-action-item", has_text="Cancel trip").click(timeout=SLOW_MS)
    try:
        await page.get_by_label("Reason").wait_for(timeout=3_000)
    except PlaywrightTimeout:
        return False
    return True


async def test_staff_cancel_a_trip_and_its_rider_hears_of_it(
    page: Page, live_server, rider, driver, tmp_path: Path
) -> None:
    await make_staff(live_server.application, "stella")
    trip = await rider.create_trip(pickUpAddress="<b>Zoo</b>", dropOffAddress="Airport")
    await driver.update_trip(trip["id"], "STARTED")
    async with rider.socket() as socket:
        followed = await socket.start(TRIP_UPDATED, id=trip["id"])
        assert (await followed.next())["status"] == "STARTED"

        await page.goto(f"{live_server.url}/admin")
        await page.screenshot(path=tmp_path / "log-in.png")
        await page.get_by_label("User name").fill("stella")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        row = page.locator(f"tr[data-sa-pk='{trip['id']}']")
        await expect(row).to_contain_text("<b>Zoo</b>")
        await page.screenshot(path=tmp_path / "trips.png")

        await page.goto(f"{live_server.url}/admin/trip/detail?pk={trip['id']}")
        await until(lambda: asks_for_a_reason(page), SLOW_MS / 1000)
        await page.get_by_label("Reason").fill("A storm")
        await page.screenshot(path=tmp_path / "cancel.png", animations="disabled")
        await page.get_by_role("button", name="Cancel the trip").click()

        heard = await followed.next()
        assert (heard["status"], heard["cancelReason"]) == ("CANCELLED", "A storm")
        await followed.completed()
    await expect(page.get_by_text("The trip was cancelled.")).to_be_visible(timeout=SLOW_MS)
    await page.screenshot(path=tmp_path / "cancelled.png")

    # The parts that have scripts: a filter, the columns, the page's size, an export, a form that looks users up.
    await page.goto(f"{live_server.url}/admin/trip/list")
    await page.get_by_label("Page size").select_option(label="50")
    await expect(page).to_have_url(f"{live_server.url}/admin/trip/list?page_size=50")
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_label("Driver", exact=True).uncheck()
    await page.get_by_role("button", name="Apply").first.click()
    await expect(page.locator("th", has_text="Driver")).to_have_count(0)

    await page.goto(f"{live_server.url}/admin/trip/create")
    await page.locator(".select2-selection").click()
    await page.locator(".select2-search__field").fill(rider.user["username"])
    await page.locator(".select2-results__option", has_text=rider.user["username"]).click()
    await page.get_by_label("Pick up address").fill("Museum")
    await page.get_by_label("Drop off address").fill("Harbour")
    await page.screenshot(path=tmp_path / "create.png")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator("tbody tr", has_text="Museum")).to_contain_text(rider.user["username"])

    await page.goto(f"{live_server.url}/admin/user/list")
    await page.locator("[data-sa-name='export']").first.click()
    async with page.expect_download() as download:
        await page.locator("[data-sa-action='action-submit']").click()
    assert rider.user["username"] in (await (await download.value).path()).read_text()
    await page.goto(f"{live_server.url}/admin/staff-action/list")
    await expect(page.locator("tbody tr")).to_have_count(4)
    await page.screenshot(path=tmp_path / "trail.png")
