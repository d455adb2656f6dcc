"""Who gets the page with the city, live, and what it may load."""

from pathlib import Path

import httpx
import pytest

from application import asgi
from application.settings import Settings
from tests.conftest import people, serving
from tests.support.api import PASSWORD
from tests.support.staff import StaffBrowser, make_staff, path_of
from tests.support.waiting import PATIENCE_S

LOG_IN = """mutation ($name: String!, $password: String!) {
    logIn(username: $name, password: $password) { errors { code } } }"""
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
    async with serving(without) as server, httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as http:
        assert (await http.get("/admin/live")).status_code == 404


async def test_nobody_else_gets_the_page(settings: Settings, build: Path) -> None:
    (build / "city").mkdir()
    (build / "city" / "index.html").write_text(PAGE, encoding="utf-8")
    async with serving(settings) as server, people(server) as person:
        database = server.application.database
        callers = {"anonymous": await person(), "rider": await person("RIDER"), "driver": await person("DRIVER")}
        for caller in ("staff", "ended", "former", "deactivated"):
            callers[caller] = await person()
            name = await make_staff(server.application, f"{caller}@taxi.example")
            await callers[caller].data(LOG_IN, name=name, password=PASSWORD)
        for caller, column in (("former", "is_staff"), ("deactivated", "is_active")):
            await database.fetch(
                f"UPDATE users SET {column} = $1 WHERE username = $2", False, f"{caller}@taxi.example"
            )
        cookies = dict(callers["ended"].http.cookies)
        await callers["ended"].data("mutation { logOut { errors { code } } }")
        callers["ended"].http.cookies.update(cookies)

        for caller, api in callers.items():
            token = api.http.cookies.get("taxirank_session")
            bearer = {"Authorization": f"Bearer {token}", "Cookie": ""}
            for headers in ({}, bearer):
                response = await api.http.get("/admin/live", headers=headers)
                if caller == "staff" and headers == {}:
                    assert response.text == PAGE
                    continue
                assert response.status_code in (302, 303, 307), caller
                assert "/admin/login" in response.headers["location"], caller
                assert "city" not in response.text
