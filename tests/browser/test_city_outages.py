"""The city, live, while something is away: the page says that what it shows is old, and goes on by itself."""

import re
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from application.settings import Settings
from models.geo import GeoPoint
from services.events import redis_backend
from tests.browser.city_page import CityPage
from tests.browser.conftest import OpenCity
from tests.conftest import LiveServer, serving
from tests.support.brokers import Broker, broker
from tests.support.database_rows import add_driver, add_rider
from tests.support.proxy import Link, link, web_link
from tests.support.staff import make_staff

pytestmark = [
    # Only there something can be away.
    pytest.mark.parametrize("backend", ["production"], indirect=True),
]

HERE = GeoPoint(52.3702, 4.8952)
ONE_DRIVER = re.compile("^1 ?0 off duty$")
OFFLINE = re.compile(r"^Offline since \d\d:\d\d, showing what was last known$")
OLD_TRIPS = "The database does not answer: the trips and the counts are those of the last answer."
OLD_POSITIONS = "The positions cannot be read: some cars may be missing, or where they were last seen."


@pytest_asyncio.fixture(loop_scope="session")
async def own_broker() -> AsyncIterator[Broker]:
    async with broker() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_database(settings: Settings) -> AsyncIterator[Link]:
    # Unix socket paths are short.
    with tempfile.TemporaryDirectory(prefix="taxirank-") as folder:
        async with link(settings.database_url, Path(folder)) as database:
            yield database


@pytest_asyncio.fixture(loop_scope="session")
async def live_server(
    settings: Settings, own_broker: Broker, own_database: Link, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveServer]:
    monkeypatch.setattr(redis_backend, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(redis_backend, "LONGEST_BACKOFF_S", 0.2)
    changed = {"redis_url": own_broker.url, "database_url": own_database.url}
    async with serving(settings.model_copy(update=changed)) as server:
        yield server


async def new_request(server: LiveServer, address: str) -> None:
    """Let somebody request a trip."""
    rider = await add_rider(server.application.database)
    await server.application.services.trips.request(
        rider, pick_up_address=address, drop_off_address="Dam Square", pick_up=HERE
    )


async def opened(city: OpenCity, server: LiveServer, url: str) -> CityPage:
    """The page, with a driver and an open request, which its list shows."""
    await make_staff(server.application, "stella")
    driver = await add_driver(server.application.database)
    await server.application.services.positions.report(driver, point=HERE, recorded_at=datetime.now(UTC))
    await new_request(server, "The first")
    page = await city(url=url)
    await page.log_in("stella")
    await expect(page.counter("Drivers available")).to_have_text(ONE_DRIVER)
    await page.choose("Open")
    await expect(page.rows).to_have_count(1)
    return page


async def test_while_the_server_is_gone_the_page_says_since_when_and_follows_again_afterwards(
    city: OpenCity, live_server: LiveServer
) -> None:
    async with web_link(live_server.url) as server:
        page = await opened(city, live_server, server.url)
        await server.cut()
        await expect(page.link).to_have_text(OFFLINE)
        await expect(page.row("The first")).to_have_count(1)
        await page.look("city-offline")
        await new_request(live_server, "The second")
        await server.restore()
        await expect(page.row("The second")).to_have_count(1)
        await expect(page.link).to_have_text("Live")
        await page.leave()


async def test_while_the_database_is_gone_the_page_says_that_its_trips_are_old(
    city: OpenCity, live_server: LiveServer, own_database: Link
) -> None:
    page = await opened(city, live_server, live_server.url)
    told = page.page.locator(".outage")
    await expect(told).to_have_count(0)
    await own_database.cut()
    await expect(told).to_have_text([OLD_TRIPS])
    await expect(page.row("The first")).to_have_count(1)
    await page.look("city-without-database")
    await own_database.restore()
    await expect(told).to_have_count(0)
    await new_request(live_server, "The second")
    await expect(page.row("The second")).to_have_count(1)
    await expect(page.link).to_have_text("Live")
    await page.leave()


async def test_while_redis_is_gone_the_page_says_that_its_positions_are_old_and_drivers_stay(
    city: OpenCity, live_server: LiveServer, own_broker: Broker
) -> None:
    page = await opened(city, live_server, live_server.url)
    told = page.page.locator(".outage")
    await own_broker.stop()
    await expect(told).to_have_text([OLD_POSITIONS])
    await expect(page.counter("Drivers available")).to_have_text(ONE_DRIVER)
    # Trips come from the database.
    await new_request(live_server, "The second")
    await expect(page.row("The second")).to_have_count(1)
    await page.look("city-without-redis")
    await own_broker.start()
    await expect(told).to_have_count(0)
    await expect(page.link).to_have_text("Live")
    await page.leave()
