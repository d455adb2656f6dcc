from pathlib import Path

import httpx
from starlette.applications import Starlette

from gateway.board import Board
from gateway.map_sources import MapSources

MADE_UP = MapSources()


def client_of(build: Path, *, has_demo: bool = False, maps: MapSources = MADE_UP) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Starlette(routes=[Board(build, has_demo=has_demo, maps=maps).route()]))
    return httpx.AsyncClient(transport=transport, base_url="http://taxirank.test")


async def test_without_a_build_the_page_says_so_and_a_later_build_is_served_immediately(tmp_path):
    client = client_of(tmp_path)
    before = await client.get("/")
    assert before.status_code == 200
    assert "are not built yet" in before.text
    assert before.headers["cache-control"] == "no-cache"

    (tmp_path / "index.html").write_text("<title>Taxirank · board</title>", encoding="utf-8")
    assert (await client.get("/")).text == "<title>Taxirank · board</title>"


async def test_the_page_runs_only_its_own_scripts_and_loads_only_from_its_own_host(tmp_path):
    (tmp_path / "index.html").touch()
    response = await client_of(tmp_path).get("/")

    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "worker-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-frame-options"] == "DENY"


async def test_the_page_answers_only_get_and_head(tmp_path):
    client = client_of(tmp_path)

    assert (await client.head("/")).status_code == 200
    assert (await client.post("/")).status_code == 405


async def test_the_page_says_whether_the_server_offers_a_demo(tmp_path):
    (tmp_path / "index.html").write_text('<!doctype html><html lang="en"></html>', encoding="utf-8")

    assert "data-demo" not in (await client_of(tmp_path).get("/")).text
    assert '<html data-demo lang="en">' in (await client_of(tmp_path, has_demo=True).get("/")).text
