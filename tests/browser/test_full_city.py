"""The city, live, with 200 drivers: axe finds nothing on a desk or a phone, in light or dark."""

import re

import pytest
from playwright.async_api import expect

from application.settings import Settings
from simulation.city import City
from simulation.options import Options
from tests.browser.conftest import OpenCity
from tests.browser.test_city_in_a_browser import CENTER, add_history, simulating
from tests.conftest import LiveServer
from tests.support.staff import make_staff

pytestmark = [
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

# The page is drawn by the processor, beside the server and 340 people.
SLOW_MS = 300_000


@pytest.fixture
def settings(settings: Settings) -> Settings:
    # Of 200 drivers each request reaches a few: one process serves them and simulates them.
    return settings.model_copy(update={"offer_radius_m": 800.0})


async def test_axe_finds_nothing_in_a_full_city_whatever_is_chosen(
    city: OpenCity, live_server: LiveServer
) -> None:
    application = live_server.application
    await make_staff(application, "stella")
    await add_history(application.database)
    people = Options(
        live_server.url,
        seconds=900,
        seed=1,
        city=City(CENTER, 2_600.0),
        drivers=200,
        riders=140,
        requests_per_minute=120,
        report_every_s=8,
        speed_up=1,
    )
    page = await city()
    await page.log_in("stella")
    async with simulating(people):
        await expect(page.page.locator(".things .choice label").first).to_have_text("Drivers 200", timeout=SLOW_MS)
        for name in ("Open requests", "Trips under way"):
            await expect(page.counter(name)).to_have_text(re.compile(r"^\d\d+$"), timeout=SLOW_MS)
        await page.look("full-city")
        for tab in ("Drivers", "Open", "Under way"):
            await page.choose(tab)
            await page.rows.first.get_by_role("link").focus()
            await expect(page.card).to_have_count(1)
            await page.look(f"full-city-{tab.lower().replace(' ', '-')}")
        await page.page.get_by_role("searchbox").fill("nobody has this name")
        await expect(page.page.get_by_text("Nothing is found.")).to_be_visible()
        for kind in ("Available drivers", "Trips under way"):
            await page.page.locator(".legend label").filter(has_text=kind).click()
        await page.page.locator("label").filter(has_text="A week").click()
        for table in await page.page.locator("summary").all():
            await table.click()
        await page.look("full-city-tables")
