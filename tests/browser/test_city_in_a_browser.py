"""The city, live, as staff use it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from math import sin
from random import Random

import httpx
import pytest
from playwright.async_api import expect

from application.settings import Settings
from models.trip_life import CancelCode, TripStatus
from schema.transport.socket_messages import CloseCode
from services.database.connections import Database
from simulation.city import City
from simulation.geo import GeoPoint
from simulation.options import Options
from simulation.simulation import Phase, Simulation
from tests.browser.city_page import CityPage
from tests.browser.conftest import OpenCity
from tests.conftest import LiveServer, SignUp
from tests.support.api import CREATE_TRIP
from tests.support.database_rows import add_driver, add_rider, add_trip
from tests.support.staff import make_staff
from tests.support.waiting import PATIENCE_S, until

pytestmark = [
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

CENTER = GeoPoint(52.3702, 4.8952)
# No simulated driver comes here.
FAR_AWAY = {"lat": 52.3300, "lng": 4.9700}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    if CityPage.draws_pictures:
        # Of 200 drivers each request reaches a few: one process serves them and simulates them.
        return settings.model_copy(update={"offer_radius_m": 800.0})
    return settings


@asynccontextmanager
async def simulating(options: Options) -> AsyncIterator[None]:
    """Let a simulation drive until the end of the block."""
    simulation = Simulation(options)
    running = asyncio.create_task(simulation.run())
    try:
        await until(lambda: simulation.progress().phase is Phase.DRIVING, 120.0)
        yield
    finally:
        simulation.stop()
        await running


async def test_staff_watch_a_city_find_a_driver_and_open_a_trip_until_they_are_staff_no_more(
    city: OpenCity, live_server: LiveServer, person: SignUp
) -> None:
    """With ``--screenshots`` it draws ``var/screenshots/city.png``, which is ``docs/images/city.png``."""
    application = live_server.application
    await make_staff(application, "stella")
    size = partial(Options, live_server.url, seconds=600, seed=1, city=City(CENTER, 2_600.0))
    if CityPage.draws_pictures:
        await add_history(application.database)
        options = size(drivers=200, riders=140, requests_per_minute=90, report_every_s=8, speed_up=1)
    else:
        options = size(drivers=6, riders=4, requests_per_minute=240, report_every_s=0.5)
    # One map of the city is drawn to its pixels.
    page = await city(draws_maps=True)
    await page.log_in("stella")
    async with simulating(options):
        await expect(page.rows.first).to_contain_text("Available", timeout=60_000)
        if CityPage.draws_pictures:
            await expect(page.counter("Trips under way")).to_have_text(
                re.compile(r"^([4-9]|1\d)\d$"), timeout=300_000
            )
            await page.picture("city", full_page=False)
            await page.pictures("city")
        # A driver moves on the map, and the rows stay in place where the keyboard is.
        await page.rows.nth(2).get_by_role("link").focus()
        name, order = await page.focused(), await page.rows.get_by_role("link").all_inner_texts()
        await expect(page.card).to_contain_text(name)
        await expect(page.card).to_contain_text("Seen")
        before = await page.where()
        await until(lambda: has_moved(page, before), 60.0)
        assert await page.focused() == name
        assert await page.rows.get_by_role("link").all_inner_texts() == order
        await page.choose("Under way")
        await expect(page.rows.first).to_contain_text("→", timeout=60_000)
        await page.choose("Drivers")

    # A request far from all drivers: found in the list, and opened by a click on the map.
    rider = await person("RIDER")
    places = {"pickUpAddress": "The far end", "dropOffAddress": "Dam Square", "pickUp": FAR_AWAY}
    await rider.data(CREATE_TRIP, input=places)
    await page.choose("Open")
    await page.page.get_by_role("searchbox").fill("far end")
    row = page.row("The far end → Dam Square")
    await expect(page.rows).to_have_count(1)
    await page.page.get_by_role("button", name="Fit the map").click()
    await row.get_by_role("link").focus()
    await expect(page.card).to_contain_text("Open")
    left, top = await page.where()
    # The pin is above its tip.
    await page.map.click(position={"x": left, "y": top - 10})
    await expect(page.page).to_have_url(re.compile(r"/admin/trip/detail\?pk="))
    await expect(page.page.get_by_role("heading", name="The far end → Dam Square")).to_be_visible()

    await page.page.goto(f"{page.url}/admin/live")
    await expect(page.link).to_have_text("Live")
    await application.database.fetch("UPDATE users SET is_staff = $1", False)
    await expect(page.page.get_by_role("heading", name="This page is for staff")).to_be_visible()
    await expect(page.rows).to_have_count(0)


async def test_an_empty_city_says_so_an_outage_is_told_and_nothing_is_shown_after_the_session(
    city: OpenCity, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_staff(live_server.application, "stella")
    page = await city()
    await page.log_in("stella")
    await expect(page.page.get_by_text("No driver is on duty.")).to_be_visible()
    await expect(page.page.get_by_text("No trips in the last day.")).to_be_visible()
    await expect(page.counters).to_contain_text("Time to accept–")
    for width, height in ((390, 844), (1440, 900)):
        await page.page.set_viewport_size({"width": width, "height": height})
        for scheme in ("dark", "light"):
            await page.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            # In the dark only the colors differ.
            assert await page.faults(of_colors=scheme == "dark") == [], (width, scheme)
        assert await page.page.evaluate("document.documentElement.scrollWidth") == width
        map_box = await page.map.bounding_box()
        assert map_box is not None
        assert map_box["height"] > height / 3

    sockets = live_server.asgi.sockets
    with monkeypatch.context() as away:
        away.setattr(sockets.offenders, "is_barred", lambda _: True)
        for socket in list(sockets.sockets):
            socket.close(CloseCode.TRY_AGAIN_LATER, "Away")
        await expect(page.link).to_contain_text("Offline since")
        await expect(page.link).to_contain_text("showing what was last known")
        await expect(page.page.get_by_text("No driver is on duty.")).to_be_visible()
    await expect(page.link).to_have_text("Live")
    # The browser's own, about the refused handshakes.
    page.errors.clear()

    token = next(cookie["value"] for cookie in await page.page.context.cookies() if "session" in cookie["name"])
    async with httpx.AsyncClient(
        base_url=live_server.url, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_S
    ) as http:
        await http.post("/graphql", json={"query": "mutation { logOut { errors { code } } }"})
    await expect(page.page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    await expect(page.map).to_have_count(0)
    log_in = page.page.get_by_role("link", name="Log in")
    assert await log_in.get_attribute("href") == "/admin/login?next=%2Fadmin%2Flive"
    assert len(sockets.sockets) == 0


async def has_moved(page: CityPage, before: tuple[float, float]) -> bool:
    """Whether the shown thing has moved on the map."""
    return await page.where() != before


async def add_history(database: Database) -> None:
    """Trips of the last day, more by day than by night: for the charts of the picture."""
    rng = Random(1)
    rider, driver = await add_rider(database), await add_driver(database)
    endings = [TripStatus.COMPLETED] * 16 + [TripStatus.CANCELLED] * 3 + [TripStatus.EXPIRED]
    codes = [CancelCode.CHANGED_PLANS, CancelCode.NO_SHOW, CancelCode.DRIVER_TOO_FAR]
    for quarter in range(1, 96):
        for _ in range(round(14 + 9 * sin(quarter / 96 * 6.28 + 0.6) + rng.uniform(-2, 2))):
            age_s, status = quarter * 900 + rng.randrange(900), rng.choice(endings)
            is_completed = status is TripStatus.COMPLETED
            trip_id = await add_trip(
                database, rider, status=status, driver=driver if is_completed else None, age_s=age_s
            )
            if status is TripStatus.CANCELLED:
                await database.fetch("UPDATE trips SET cancel_code = $1 WHERE id = $2", rng.choice(codes), trip_id)
            if is_completed:
                waited_s = 2 + round(rng.expovariate(1 / 4))
                await database.fetch(
                    "INSERT INTO trip_changes (version, status, at, changed_by, trip_id, user_id) "
                    f"VALUES (2, 'STARTED', {database.sql.ago(age_s - waited_s)}, 'DRIVER', $1, $2)",
                    trip_id,
                    driver.id,
                )
