"""The city, live, by mouse, finger and keyboard: what is under them is shown, and opened as a link is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Literal
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, Page, expect

from application.application import Application
from application.settings import Settings
from models.geo import GeoPoint
from models.trip_life import TripStatus
from models.visibility import Actor
from services.positions.trip_drives import ASK_AGAIN_S
from tests.browser.city_page import CityPage
from tests.browser.conftest import OpenCity
from tests.conftest import LiveServer
from tests.support.database_rows import add_driver, add_rider
from tests.support.osrm import Streets, serving_streets
from tests.support.staff import make_staff

pytestmark = [
    # The page cannot tell the databases apart.
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

# Far from each other, so that the map shows them apart.
WAITING, FREE, BUSY = GeoPoint(52.390, 4.880), GeoPoint(52.352, 4.872), GeoPoint(52.356, 4.930)
GOAL = GeoPoint(52.380, 4.935)
Modifier = Literal["Control", "Meta"]


@dataclass
class Scene:
    """What there is in the city."""

    application: Application
    waiting_id: UUID
    ride_id: UUID
    free: Actor
    busy: Actor

    async def report(self, driver: Actor, point: GeoPoint) -> None:
        """Say where a driver is."""
        await self.application.services.positions.report(driver, point=point, recorded_at=datetime.now(UTC))


@pytest.fixture
def streets() -> Iterator[Streets]:
    with serving_streets() as serving:
        yield serving


@pytest.fixture
def settings(settings: Settings, streets: Streets) -> Settings:
    # A busy machine is no missing engine.
    return settings.model_copy(update={"routing_url": streets.url, "routing_timeout_s": 10.0})


@pytest_asyncio.fixture(loop_scope="session")
async def scene(live_server: LiveServer) -> Scene:
    """A request that waits, a free driver, and a driver on the way to another rider."""
    application = live_server.application
    await make_staff(application, "stella")
    trips, database = application.services.trips, application.database
    waiting = await trips.request(
        await add_rider(database),
        pick_up_address="The waiting place",
        drop_off_address="Dam Square",
        pick_up=WAITING,
        drop_off=GOAL,
    )
    ride = await trips.request(
        await add_rider(database),
        pick_up_address="The busy place",
        drop_off_address="The goal",
        pick_up=GeoPoint(52.360, 4.915),
        drop_off=GOAL,
    )
    free, busy = await add_driver(database), await add_driver(database)
    await trips.update(busy, trip_id=ride.id, status=TripStatus.STARTED)
    found = Scene(application, waiting.id, ride.id, free, busy)
    await found.report(free, FREE)
    await found.report(busy, BUSY)
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def page(city: OpenCity, scene: Scene) -> CityPage:
    """The page on a desk, with the request in its list."""
    page = await city()
    await page.log_in("stella")
    await page.choose("Open")
    return page


def detail(kind: str, an_id: UUID) -> re.Pattern[str]:
    return re.compile(rf"/admin/{kind}/detail\?pk={an_id}$")


async def test_a_click_opens_the_trip_or_the_person_and_the_way_of_a_link_opens_a_tab(
    page: CityPage, scene: Scene
) -> None:
    left, top = await page.place_of("The waiting place")
    # The pin is above its tip.
    x, y = await page.on_page((left, top - 14))
    mouse, context = page.page.mouse, page.page.context
    await mouse.move(x, y)
    await expect(page.card).to_contain_text("The waiting place")

    async def opened_by(button: Literal["left", "middle"], *modifiers: Modifier) -> Page:
        for key in modifiers:
            await page.page.keyboard.down(key)
        async with context.expect_page() as opening:
            await mouse.click(x, y, button=button)
        for key in modifiers:
            await page.page.keyboard.up(key)
        tab = await opening.value
        await expect(tab).to_have_url(detail("trip", scene.waiting_id))
        await expect(page.page).to_have_url(re.compile("/admin/live$"))
        return tab

    # A button that is released elsewhere is no click: of the right tabs, none is left over at the end.
    for button in ("middle", "left"):
        await mouse.move(x, y)
        await mouse.down(button=button)
        await mouse.move(x + 60, y + 40, steps=4)
        await mouse.move(x + 8, y, steps=4)
        await mouse.up(button=button)
    await page.page.get_by_role("button", name="Fit the map").click()
    await expect(page.map).to_have_attribute("data-map", "idle")
    tabs = [
        await opened_by("middle"),
        await opened_by("left", "Control"),
        await opened_by("left", "Meta"),
    ]
    assert len(context.pages) == 1 + len(tabs)
    for tab in tabs:
        assert await tab.evaluate("opener") is None
        await tab.close()

    await mouse.click(x, y)
    await expect(page.page).to_have_url(detail("trip", scene.waiting_id))
    await page.page.goto(f"{page.url}/admin/live")
    await expect(page.map).to_have_attribute("data-map", "idle")
    left, top = await page.place_of(scene.free.user.last_name)
    await mouse.click(*await page.on_page((left, top)))
    await expect(page.page).to_have_url(detail("user", scene.free.id))


async def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    await session.send(
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]},
    )


async def test_a_tap_shows_what_is_there_and_its_card_opens_it_but_moving_the_map_chooses_nothing(
    city: OpenCity, scene: Scene
) -> None:
    page = await city(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    await page.log_in("stella")
    await page.choose("Open")
    at = await page.place_of("The waiting place")
    await page.map.scroll_into_view_if_needed()
    x, y = await page.on_page((at[0], at[1] - 14))
    fingers = await page.page.context.new_cdp_session(page.page)
    # Two fingers on it, which move apart; and then one, which moves the map.
    await touch(fingers, "touchStart", (x, y), (x + 30, y + 30))
    for step in range(1, 5):
        await touch(fingers, "touchMove", (x - 4 * step, y), (x + 30 + 4 * step, y + 30))
    await touch(fingers, "touchEnd")
    await touch(fingers, "touchStart", (x, y))
    for step in range(1, 5):
        await touch(fingers, "touchMove", (x + 6 * step, y + 6 * step))
    await touch(fingers, "touchEnd")
    await expect(page.card).to_have_count(0)
    await page.page.get_by_role("button", name="Fit the map").tap()
    await expect(page.map).to_have_attribute("data-map", "idle")
    # A finger need not be exact.
    await page.page.touchscreen.tap(x + 14, y + 6)
    await expect(page.card).to_contain_text("The waiting place")
    await expect(page.page).to_have_url(re.compile("/admin/live$"))
    assert await page.faults() == []
    # In the middle of the map there is nothing.
    box = await page.map.bounding_box()
    assert box is not None
    await page.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.6)
    await expect(page.card).to_have_count(0)
    await page.page.touchscreen.tap(x, y)
    await page.card.get_by_role("link").tap()
    await expect(page.page).to_have_url(detail("trip", scene.waiting_id))


async def test_the_keyboard_finds_each_thing_on_the_map_wherever_it_is_and_opens_it(
    page: CityPage, scene: Scene
) -> None:
    keys = page.page.keyboard
    await page.map.locator("canvas").focus()
    for _ in range(3):
        await keys.press("+")
        await expect(page.map).to_have_attribute("data-map", "idle")
    await page.page.get_by_role("searchbox").focus()
    # To the list, the three heads of its columns, and the row.
    for _ in range(5):
        await keys.press("Tab")
    await expect(page.row("The waiting place").get_by_role("link")).to_be_focused()
    await expect(page.card).to_contain_text("The waiting place")
    await expect(page.map).to_have_attribute("data-map", "idle")
    left, top = await page.where()
    size = await page.map.bounding_box()
    assert size is not None
    assert 20 <= left <= size["width"] - 20
    assert 31 <= top <= size["height"] - 20
    await keys.press("Enter")
    await expect(page.page).to_have_url(detail("trip", scene.waiting_id))


async def test_a_pin_at_the_upper_edge_is_wholly_on_the_map(page: CityPage, scene: Scene) -> None:
    _, south = await page.place_of("The waiting place")
    await page.choose("Drivers")
    _, north = await page.place_of(scene.free.user.last_name)
    # From the known places: the latitude that is 6 pixels below the edge.
    per_px = (WAITING.lat - FREE.lat) / (north - south)
    near_edge = GeoPoint(WAITING.lat + (south - 6) * per_px, 4.90)
    await scene.application.services.trips.request(
        await add_rider(scene.application.database),
        pick_up_address="The upper edge",
        drop_off_address="Dam Square",
        pick_up=near_edge,
    )
    await page.choose("Open")
    await expect(page.row("The upper edge")).to_have_count(1)
    await expect(page.map).to_have_attribute("data-map", "idle")
    _, top = await page.place_of("The upper edge")
    assert top >= 31


async def test_the_route_of_a_chosen_trip_is_drawn_along_streets_if_it_is_known(
    page: CityPage, scene: Scene, streets: Streets, monkeypatch: pytest.MonkeyPatch
) -> None:
    await page.choose("Under way")
    link = page.row("The busy place").get_by_role("link")
    async with page.page.expect_response(re.compile("/graphql")):
        await link.focus()
    await expect(page.card).to_contain_text("To the pick-up")
    await expect(page.map).to_have_attribute("data-route", "none")
    await link.blur()

    streets.knows_routes = True
    # The server asks again, later, about a trip whose route it did not find.
    monkeypatch.setattr(scene.application.services.trip_drives, "_clock", lambda: monotonic() + ASK_AGAIN_S)
    await link.focus()
    await expect(page.map).to_have_attribute("data-route", "known")
    await expect(page.map).to_have_attribute("data-way", "driven")
    await link.blur()
    await expect(page.map).to_have_attribute("data-route", "none")
    await expect(page.map).to_have_attribute("data-way", "none")
    # The driver of the trip stands for it, and an open request has only the ride.
    await page.choose("Drivers")
    await page.row(scene.busy.user.last_name).get_by_role("link").focus()
    await expect(page.map).to_have_attribute("data-way", "driven")
    await page.choose("Open")
    await page.row("The waiting place").get_by_role("link").focus()
    await expect(page.map).to_have_attribute("data-route", "known")
    await expect(page.map).to_have_attribute("data-way", "none")
    await page.pictures("city-route")
