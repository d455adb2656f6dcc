"""The city, live, with 200 drivers: axe finds nothing on a desk or a phone, in light or dark."""

from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest
from playwright.async_api import expect

from application.application import Application
from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import TripStatus
from models.visibility import Actor
from tests.browser.conftest import OpenCity
from tests.browser.test_city_in_a_browser import CENTER, add_history
from tests.conftest import LiveServer
from tests.support.database_rows import add_driver, add_rider
from tests.support.globe import destination
from tests.support.staff import make_staff

pytestmark = [
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

# The page is drawn by the processor, beside the server.
SLOW_MS = 300_000
DRIVERS, OPEN, UNDER_WAY = 200, 40, 60


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nobody is called silent: the drivers stand still, and the browser draws only what the test changes."""
    return settings.model_copy(update={"location_stale_s": 3_600.0, "location_ttl_s": 3_600})


async def fill(application: Application) -> None:
    """Drivers, trips under way, and open requests."""
    rng, trips, database = Random(1), application.services.trips, application.database
    drivers = [await add_driver(database) for _ in range(DRIVERS)]

    def somewhere() -> GeoPoint:
        return destination(GeoPoint(CENTER.lat, CENTER.lng), rng.uniform(0, 360), 2_600.0 * rng.random())

    async def request() -> UUID:
        trip = await trips.request(
            await add_rider(database),
            pick_up_address="1 Main Street",
            drop_off_address="9 Side Street",
            pick_up=somewhere(),
            drop_off=somewhere(),
        )
        return trip.id

    async def report(driver: Actor) -> None:
        await application.services.positions.report(driver, point=somewhere(), recorded_at=datetime.now(UTC))

    for driver in drivers:
        await report(driver)
    for driver in drivers[:UNDER_WAY]:
        trip_id = await request()
        await trips.update(driver, trip_id=trip_id, status=TripStatus.STARTED)
        if rng.random() < 0.5:
            await trips.update(driver, trip_id=trip_id, status=TripStatus.IN_PROGRESS)
    for _ in range(OPEN):
        await request()


async def test_axe_finds_nothing_in_a_full_city_whatever_is_chosen(
    city: OpenCity, live_server: LiveServer
) -> None:
    application = live_server.application
    await make_staff(application, "stella")
    await add_history(application.database)
    page = await city()
    await page.log_in("stella")
    await fill(application)
    await expect(page.page.locator(".things .choice label").first).to_have_text(
        f"Drivers {DRIVERS}", timeout=SLOW_MS
    )
    for name, number in (("Open requests", OPEN), ("Trips under way", UNDER_WAY)):
        await expect(page.counter(name)).to_have_text(str(number), timeout=SLOW_MS)
    await page.look("full-city", everywhere=True)
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
