"""Who gets the page with the city, live, and what it may load."""

from pathlib import Path

import httpx
import pytest

from application import asgi
from application.settings import Settings
from tests.conftest import serving
from tests.support.api import PASSWORD
from tests.support.staff import StaffBrowser, make_staff, path_of

PAGE = "<!doctype html><title>Taxirank · the city, live</title>"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a build that has not been made."""
    monkeypatch.setattr(asgi, "WEB_BUILD", tmp_path)
    return tmp_path


async def test_staff_get_the_page_once_it_is_built_and_others_are_sent_to_the_log_in_and_back(
    settings: Settings, build: Path
) -> None:
    async with serving(settings) as server, StaffBrowser(server.url) as browser:
        await make_staff(server.application, "stella")
        sent_away = await browser.get("/live")
        assert path_of(sent_away) == "/admin/login"
        next_page = httpx.URL(sent_away.headers["location"]).params["next"]
        fields = {"username": "stella", "password": PASSWORD}
        entered = await browser.form("/login", fields, params={"next": next_page})
        assert path_of(entered) == "/admin/live"

        unbuilt = await browser.get("/live")
        assert unbuilt.status_code == 200
        assert "are not built yet" in unbuilt.text
        assert "style-src 'sha256-" in unbuilt.headers["content-security-policy"]

        (build / "city").mkdir()
        (build / "city" / "index.html").write_text(PAGE, encoding="utf-8")
        assert (await browser.get("/live")).text == PAGE
        assert 'href="' + server.url + '/admin/live"' in (await browser.get("/trip/list")).text


async def test_the_page_runs_only_its_own_scripts_loads_only_from_its_own_host_and_is_not_kept(
    settings: Settings, build: Path
) -> None:
    (build / "city").mkdir()
    (build / "city" / "index.html").write_text(PAGE, encoding="utf-8")
    async with serving(settings) as server, StaffBrowser(server.url) as browser:
        await make_staff(server.application, "stella")
        await browser.log_in("stella")
        response = await browser.get("/live")

    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "worker-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-frame-options"] == "DENY"


async def test_without_the_admin_there_is_no_such_page(settings: Settings) -> None:
    without = settings.model_copy(update={"admin": False})
    async with serving(without) as server, httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get("/admin/live")).status_code == 404
