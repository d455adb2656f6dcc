"""Maps with real tiles: a style of another host."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import expect

from application.settings import Settings
from tests.browser.board_page import BoardPage
from tests.browser.conftest import NewContext
from tests.browser.style_server import TileServer, serving_tiles

pytestmark = [
    pytest.mark.parametrize("backend", ["embedded"], indirect=True),
]


class Hosts(NamedTuple):
    """The servers that a style names, of which the operator has listed one."""

    style: TileServer
    tiles: TileServer
    unlisted: TileServer


@pytest_asyncio.fixture(loop_scope="session")
async def hosts() -> AsyncIterator[Hosts]:
    """Servers of a style and of its tiles."""
    async with serving_tiles() as style, serving_tiles() as tiles, serving_tiles() as unlisted:
        style.names(tiles, unlisted)
        yield Hosts(style, tiles, unlisted)


@pytest.fixture
def settings(settings: Settings, hosts: Hosts) -> Settings:
    style_url = f"{hosts.style.origin}/style.json?key=public"
    return settings.model_copy(update={"map_style_url": style_url, "map_origins": (hosts.tiles.origin,)})


async def test_a_map_with_a_style_asks_its_host_and_the_listed_ones_and_no_other(
    live_server, web_build, hosts: Hosts, new_context: NewContext
):
    context = await new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = BoardPage(await context.new_page(), url=live_server.url)
    await page.open()
    rider = page.rider
    await rider.sign_up("Robin")
    await rider.map_is_drawn()
    assert hosts.style.asked[0] == "/style.json"
    # The worker asks for the lines, and the page for the tiles.
    assert "/lines.json" in hosts.style.asked
    assert len(hosts.tiles.asked) > 0
    assert hosts.unlisted.asked == []
    assert {url.split("/")[2] for url in page.elsewhere} <= {
        host.origin.removeprefix("http://") for host in (hosts.style, hosts.tiles, hosts.unlisted)
    }
    blocked = [error for error in page.errors if error.startswith("Connecting to")]
    assert len(blocked) > 0
    assert [error for error in blocked if not error.startswith(f"Connecting to '{hosts.unlisted.origin}/")] == []
    await expect(rider.map_view.locator(".maplibregl-ctrl-attrib")).to_contain_text("© The mappers")
    await page.picture("map-style")

    # Without its host the map is empty, and says so; all else works.
    hosts.style.is_down = True
    await page.page.reload()
    await expect(rider.root).to_contain_text("The streets of the map cannot be loaded now.")
    await rider.map_is_drawn()
    await rider.end("Pick-up").get_by_label("Address or place").fill("Dam Square")
    await rider.end("Drop-off").get_by_label("Address or place").fill("Artis Zoo")
    await expect(rider.map_view).to_have_attribute("data-route", "estimated")
    await expect(rider.marker("drop-off")).to_be_in_viewport(ratio=1)
    await page.picture("map-style-down")
