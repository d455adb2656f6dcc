"""The board's service worker is served so that browsers accept it for the whole site, and it loads nothing."""

import httpx
import pytest
from starlette.applications import Starlette

from application.application import Application
from application.asgi import Asgi
from application.settings import Settings
from gateway.service_worker import PATH, service_worker_route
from services.trips.push_texts import PushText


async def test_the_service_worker_may_serve_the_site_and_loads_nothing() -> None:
    transport = httpx.ASGITransport(Starlette(routes=[service_worker_route()]))
    async with httpx.AsyncClient(transport=transport, base_url="http://taxirank.test") as client:
        response = await client.get(PATH)
        assert (await client.post(PATH)).status_code == 405
    assert PATH.count("/") == 1
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["content-security-policy"] == "default-src 'none'"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert all(f"  {text}: [" in response.text for text in PushText), "each message has its words"


@pytest.mark.parametrize("backend", ["embedded"])
async def test_without_the_board_there_is_no_service_worker(settings: Settings) -> None:
    for board in (True, False):
        asgi = Asgi(Application(settings.model_copy(update={"board": board})))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://127.0.0.1") as client:
            assert (await client.get(PATH)).status_code == (200 if board else 404)
