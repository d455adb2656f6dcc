"""The maps of the pages."""

import io
import math
import re

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.browser.board_page import BoardPage, Panel
from tests.browser.conftest import OpenBoard

pytestmark = [
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]

NO_WEBGL = """
    const getContext = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...options) {
        return kind.startsWith("webgl") ? null : getContext.call(this, kind, ...options);
    };
"""
# The streets of the made-up city: rings around the station, and lines from it.
METRES_A_DEGREE = 111_320
STATION = (360, -1250)
RINGS = (420, 680, 880, 1045, 1300, 1480, 1680, 2100, 2330, 2580, 2860, 3160)


async def colors(panel: Panel) -> dict[tuple[int, int, int], int]:
    """The colors of the map's picture, and how many pixels have them."""
    await panel.map_is_drawn()
    with Image.open(io.BytesIO(await panel.map.screenshot())) as picture:
        counts = picture.convert("RGB").getcolors(picture.width * picture.height)
    assert counts is not None
    return {color: count for count, color in counts if isinstance(color, tuple)}


async def pixels_apart(panel: Panel) -> float:
    """Pixels between the pick-up and the drop-off."""
    await panel.map_is_drawn()
    boxes = [await panel.marker(kind).bounding_box() for kind in ("pick-up", "drop-off")]
    (x1, y1), (x2, y2) = [(box["x"], box["y"]) for box in boxes if box is not None]
    return math.hypot(x1 - x2, y1 - y2)


async def test_a_map_is_drawn_in_light_and_dark_and_is_zoomed_and_moved_by_buttons_keys_and_mouse(
    board: OpenBoard,
):
    page = await board(color_scheme="light", draws_maps=True)
    rider, keys = page.rider, page.page.keyboard
    await rider.sign_up("Robin")
    light = await colors(rider)
    assert light[(235, 231, 219)] > 10_000
    assert light[(174, 207, 224)] > 1_000, "the water"
    await page.page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    await expect(rider.map_view).to_have_class(re.compile("is-dark"))
    assert (await colors(rider))[(31, 36, 42)] > 10_000

    await rider.end("Pick-up").get_by_label("Address or place").fill("Dam Square")
    await rider.end("Drop-off").get_by_label("Address or place").fill("Artis Zoo")
    await expect(rider.map_view).to_have_attribute("data-route", "estimated")
    before = await pixels_apart(rider)
    await rider.button("Zoom in").click()
    assert await pixels_apart(rider) == pytest.approx(2 * before, rel=0.05)
    await page.tab_to(rider.map, backwards=True)
    await keys.press("-")
    assert await pixels_apart(rider) == pytest.approx(before, rel=0.05)
    assert await page.faults() == []

    # The mouse moves the map, which chooses nothing, and the map stays there.
    chosen = await rider.where("pick-up")
    seen = await rider.marker("pick-up").bounding_box()
    box = await rider.map.bounding_box()
    assert seen is not None
    assert box is not None
    await page.page.mouse.move(box["x"] + 60, box["y"] + 200)
    await page.page.mouse.down()
    await page.page.mouse.move(box["x"] + 160, box["y"] + 150, steps=4)
    await page.page.mouse.up()
    await rider.map_is_drawn()
    moved = await rider.marker("pick-up").bounding_box()
    assert moved is not None
    assert (moved["x"] - seen["x"], moved["y"] - seen["y"]) == (
        pytest.approx(100, abs=3),
        pytest.approx(-50, abs=3),
    )
    assert await rider.where("pick-up") == chosen

    await rider.button("Fit the map").click()
    assert await pixels_apart(rider) > 1.5 * before
    for kind in ("pick-up", "drop-off"):
        await expect(rider.marker(kind)).to_be_in_viewport(ratio=1)
        await expect(rider.marker(kind)).to_have_attribute("title", re.compile("Pick-up|Drop-off"))
    await expect(rider.map).to_have_attribute("aria-label", "Map of the rider. Pick-up. Drop-off")
    await expect(rider.map_view.locator(".maplibregl-ctrl-attrib")).to_contain_text("The city is made up")
    # A place far away is where it is, and not at the edge of the city.
    await rider.end("Drop-off").get_by_label("Latitude, longitude").fill("51.92442, 4.46933")
    await expect(rider.marker("drop-off")).to_have_attribute("data-at", "51.92442, 4.46933")
    await expect(rider.marker("drop-off")).to_be_in_viewport(ratio=1)


async def test_on_a_phone_a_finger_scrolls_the_page_and_a_tap_chooses_a_point(board: OpenBoard):
    page = await board(viewport={"width": 390, "height": 500}, has_touch=True)
    rider = page.rider
    await rider.sign_up("Robin")
    await rider.map.scroll_into_view_if_needed()
    await rider.map_is_drawn()
    box = await rider.map.bounding_box()
    assert box is not None
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    await page.page.touchscreen.tap(middle["x"], middle["y"])
    chosen = await rider.where("pick-up")
    scrolled = await page.page.evaluate("scrollY")
    session = await page.page.context.new_cdp_session(page.page)
    await session.send("Input.synthesizeScrollGesture", {**middle, "yDistance": -80})
    await page.page.wait_for_function("before => scrollY > before", arg=scrolled)
    assert await rider.where("pick-up") == chosen
    await page.pictures("map-phone", rider)


async def test_without_webgl_the_place_of_the_map_says_so_and_a_trip_is_requested_and_driven(board: OpenBoard):
    page = await board()
    await page.page.add_init_script(NO_WEBGL)
    await page.page.reload()
    rider, driver = page.rider, page.driver
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    for person in (rider, driver):
        await expect(person.root.locator(".no-map")).to_contain_text("This browser cannot draw the map")
    await rider.request("Rembrandt Square", "Artis Zoo")
    await driver.press("Accept")
    await expect(rider.headline).to_have_text("Dana is on the way")
    assert await page.faults() == []


async def test_a_demo_car_keeps_to_the_streets_of_the_made_up_city(board: OpenBoard):
    page = await board()
    await page.page.clock.install()
    await page.page.reload()
    rider, driver = page.rider, page.driver
    await rider.sign_up("Robin")
    await driver.sign_up("Dana")
    await rider.request("Anne Frank House", "Artis Zoo")
    await driver.press("Accept")
    shown = await page.record("#panel-DRIVER-1 [data-marker=car]", "data-at")
    await driver.press("Drive to the pick-up")
    await expect(driver.map_view).to_have_attribute("data-way", "driven")
    while await driver.map_view.get_attribute("data-way") == "driven":
        await page.page.clock.fast_forward(800)
        await page.is_drawn()
    spots = [spot(position) for position in await shown()]
    on_the_way = [at for at in spots if min(math.dist(at, spots[0]), math.dist(at, spots[-1])) > 150]
    assert len(on_the_way) > 10
    assert [at for at in on_the_way if from_a_street(at) > 20] == []


def spot(position: str) -> tuple[float, float]:
    """Metres to the east and to the south of the middle of the city."""
    lat, lng = map(float, position.split(","))
    return (lng - 4.895) * METRES_A_DEGREE * math.cos(math.radians(52.368)), (52.368 - lat) * METRES_A_DEGREE


def from_a_street(at: tuple[float, float]) -> float:
    """Metres from the nearest ring or line."""
    dx, dy = at[0] - STATION[0], at[1] - STATION[1]
    radius, degrees = math.hypot(dx, dy), math.degrees(math.atan2(dy, dx))
    # The ring's corners are two degrees apart, so that its chords are a little inside of it.
    from_ring = min(abs(radius - ring) for ring in RINGS)
    # Every second line begins at the ring of 2,100 m.
    step = 6 if radius >= 2100 else 12
    from_line = (degrees - 6 + step / 2) % step - step / 2
    return min(from_ring, radius * math.radians(abs(from_line)))


async def test_the_pages_load_maplibre_only_with_a_map(board: OpenBoard):
    page: BoardPage = await board()
    loaded: list[str] = []
    page.page.on("request", lambda request: loaded.append(request.url))
    await page.page.reload()
    await expect(page.page.get_by_role("heading", name="A whole ride on one page")).to_be_visible()
    await page.page.goto(f"{page.url}/graphql")
    await expect(page.page.locator(".graphiql-container")).to_be_visible()
    assert [url for url in loaded if "maplibre" in url] == []
    await page.page.goto(page.url)
    await page.rider.sign_up("Robin")
    await page.rider.map_is_drawn()
    assert len([url for url in loaded if "maplibre" in url]) == 3
