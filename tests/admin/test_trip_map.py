"""The map on the admin's pages about a trip: what it draws, what its pages may load, what stands without it."""

import html
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from application import asgi
from application.settings import Settings
from gateway.map_sources import MapSources
from gateway.trip_map import TripMap
from models.geo import GeoPoint
from services.positions import polyline
from services.positions.freshness import Freshness, Lifetime
from tests.conftest import serving
from tests.support.api import REPORT_LOCATION, Api
from tests.support.database_rows import add_rider, add_trip
from tests.support.staff import StaffBrowser, make_staff

MANIFEST = {
    "src/admin/tripMap.ts": {
        "file": "assets/trip-map-B1.js",
        "css": ["assets/own-B1.css"],
        "imports": ["_view.js"],
    },
    "_view.js": {"file": "assets/view-B1.js", "css": ["assets/map-B1.css"], "imports": ["_base.js"]},
    "_base.js": {"file": "assets/base-B1.js"},
}
STYLE = "https://style.example/streets?key=k"


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a build that has not been made."""
    monkeypatch.setattr(asgi, "WEB_BUILD", tmp_path)
    return tmp_path


def make(build: Path) -> None:
    """Make the build."""
    (build / ".vite").mkdir()
    (build / ".vite" / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")


def directives(response: Any) -> dict[str, str]:
    policy = response.headers["content-security-policy"]
    return dict(part.split(" ", 1) for part in policy.split("; "))


def without_nonce(policy: dict[str, str]) -> dict[str, str]:
    return {name: re.sub(r"'nonce-[^']+'", "'nonce'", sources) for name, sources in policy.items()}


def shown_trip(page: str) -> dict[str, Any]:
    """What a page tells its map."""
    (said,) = re.findall(r'data-shown-trip="([^"]*)"', page)
    return json.loads(html.unescape(said))


def test_the_style_sheets_of_a_script_come_with_those_of_what_it_imports(build: Path) -> None:
    maps = TripMap(build, maps=MapSources())
    assert maps.files() is None
    make(build)
    files = maps.files()
    assert files is not None
    assert (files.script, files.styles) == ("/assets/trip-map-B1.js", ("/assets/map-B1.css", "/assets/own-B1.css"))
    # A build of an older version.
    (build / ".vite" / "manifest.json").write_text("{}", encoding="utf-8")
    assert maps.files() is None


@pytest.mark.attack("cross-site")
async def test_only_the_pages_with_a_map_may_load_what_a_map_needs(settings: Settings, build: Path) -> None:
    make(build)
    style = {"map_style_url": STYLE, "map_origins": ("https://tiles.example",)}
    async with serving(settings.model_copy(update=style)) as server, StaffBrowser(server.url) as browser:
        await make_staff(server.application, "stella")
        await browser.log_in("stella")
        database = server.application.database
        rider = await add_rider(database)
        only_addresses, trip = await add_trip(database, rider), await add_trip(database, rider)
        await database.fetch("UPDATE trips SET pick_up_lat = 52.37, pick_up_lng = 4.9 WHERE id = $1", trip)
        with_map = (await browser.get("/trip/create"), await browser.get("/trip/detail", pk=str(trip)))
        without_map = (
            await browser.get("/trip/list"),
            await browser.get("/user/create"),
            await browser.get("/trip/detail", pk=str(only_addresses)),
        )
    for page in without_map:
        assert "trip-map-B1.js" not in page.text
        assert "example" not in page.headers["content-security-policy"]
        assert directives(page)["worker-src"] == "'none'"
    for page in with_map:
        assert '<script nonce="' in page.text
        assert 'src="/assets/trip-map-B1.js"' in page.text
        assert f"dataset.mapStyle = {json.dumps(STYLE)}" in page.text
        allowed = directives(page)
        assert allowed["connect-src"] == "'self' https://style.example https://tiles.example"
        assert allowed["worker-src"] == "'self'"
        # Nothing else becomes wider.
        others = {name: sources for name, sources in allowed.items() if name not in ("connect-src", "worker-src")}
        without = directives(without_map[0])
        assert without_nonce(others) == without_nonce({name: without[name] for name in others})


async def test_the_made_up_city_needs_no_other_host(staff: StaffBrowser, build: Path) -> None:
    make(build)
    form = await staff.get("/trip/create")
    assert "mapStyle" not in form.text
    allowed = directives(form)
    assert (allowed["connect-src"], allowed["worker-src"]) == ("'self'", "'self'")


async def test_without_a_build_the_numbers_stand_with_a_line_that_says_why(
    staff: StaffBrowser, rider: Api
) -> None:
    trip = await rider.create_trip(pickUp={"lat": 52.37, "lng": 4.9})
    form = await staff.get("/trip/create")
    assert "the pages of this server are not built. Type the latitude" in form.text
    for name in ("pick_up_lat", "pick_up_lng", "drop_off_lat", "drop_off_lng"):
        assert f'name="{name}"' in form.text
    page = await staff.get("/trip/detail", pk=trip["id"])
    assert "the pages of this server are not built. The positions are below." in page.text
    assert 'data-copy-value="52.370000,4.900000"' in page.text
    for response in (form, page):
        assert 'type="module"' not in response.text
        assert directives(response)["worker-src"] == "'none'"


async def test_the_map_has_the_places_the_route_and_the_car_only_while_its_position_is_fresh(
    staff: StaffBrowser, rider: Api, driver: Api, build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(build)
    start, end = GeoPoint(52.37, 4.9), GeoPoint(52.36, 4.88)
    pick_up, drop_off = ({"lat": place.lat, "lng": place.lng} for place in (start, end))
    trip = await rider.create_trip(pickUp=pick_up, dropOff=drop_off)
    shown = shown_trip((await staff.get("/trip/detail", pk=trip["id"])).text)
    assert (shown["pickUp"], shown["dropOff"], shown["car"]) == (pick_up, drop_off, None)
    # Without a routing engine it is the straight line.
    assert shown["route"] == {"encodedPolyline": polyline.encode((start, end)), "isEstimated": True}

    await driver.update_trip(trip["id"], "STARTED")
    position = {"point": {"lat": 52.38, "lng": 4.91}, "heading": 90, "recordedAt": datetime.now(UTC).isoformat()}
    assert (await driver.data(REPORT_LOCATION, input=position))["errors"] == []
    fresh = (await staff.get("/trip/detail", pk=trip["id"])).text
    assert shown_trip(fresh)["car"] == {"lat": 52.38, "lng": 4.91, "heading": 90}
    monkeypatch.setattr(Lifetime, "freshness", lambda *_: Freshness.STALE)
    silent = (await staff.get("/trip/detail", pk=trip["id"])).text
    assert shown_trip(silent)["car"] is None
    assert "52.38000, 4.91000" in silent
