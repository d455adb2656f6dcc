from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from gateway.board import Board
from gateway.city import CityPage
from gateway.graphiql import GraphiQL
from gateway.map_sources import MapSources

STYLE = 'https://style.example:8443/v1/"streets"?a=1&key=k'
MAPS = MapSources(STYLE, ("https://tiles.example", "https://style.example:8443"))
CONNECT_SRC = "connect-src 'self' https://style.example:8443 https://tiles.example;"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    for name in (
        "index.html",
        "graphiql/index.html",
        "city/index.html",
        "assets/maplibre-gl-worker-Bq3.js",
        "assets/main-Bq3.js",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('<!doctype html><html lang="en"></html>', encoding="utf-8")
    return tmp_path


async def test_a_style_of_real_tiles_opens_the_policies_of_the_pages_with_maps_to_its_hosts(
    build: Path,
):
    graphiql = GraphiQL(build, maps=MAPS)
    routes = [Board(build, has_demo=False, maps=MAPS).route(), *graphiql.routes()]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://taxirank.test"
    ) as client:
        board, worker, script = [
            await client.get(path) for path in ("/", "/assets/maplibre-gl-worker-Bq3.js", "/assets/main-Bq3.js")
        ]

    city = CityPage(build, maps=MAPS).page()
    assert city.body == board.content
    # A worker has the policy of its own script.
    for response in (board, city, worker):
        assert CONNECT_SRC in response.headers["content-security-policy"] + ";"
    # Nothing else becomes wider.
    assert board.headers["content-security-policy"].count("example") == 2
    for response in (script, graphiql.page()):
        assert "example" not in response.headers["content-security-policy"]
    escaped = STYLE.replace("&", "&amp;").replace('"', "&quot;")
    assert board.text == f'<!doctype html><html data-map-style="{escaped}" lang="en"></html>'


async def test_without_a_style_nothing_of_other_hosts_is_allowed():
    assert MapSources().connect_src == "'self'"
    assert MapSources().named_in("<html>") == "<html>"
