"""Behind a proxy the admin's links and cookies use the public address."""

import re
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import httpx
import pytest

from application.settings import Settings
from tests.conftest import LiveServer, serving
from tests.support.api import PASSWORD
from tests.support.database_rows import add_rider
from tests.support.staff import make_staff
from tests.support.waiting import PATIENCE_S

PUBLIC = "https://taxi.example"


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[LiveServer]:
    """A server that users reach by https."""
    async with serving(settings.model_copy(update={"public_url": PUBLIC})) as running:
        yield running


class Proxy:
    """A proxy with TLS: it sends the server's own address, and nothing says https."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            verify=False,
            headers={"Origin": PUBLIC, "Sec-Fetch-Site": "same-origin"},
            timeout=PATIENCE_S,
        )
        self._cookies: dict[str, str] = {}

    async def ask(self, method: str, address: str, **fields: str) -> httpx.Response:
        """Pass on a request, with the cookies that came before."""
        path = address.removeprefix(PUBLIC)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        fields |= {"csrftoken": self._cookies.get("starlette_admin_csrftoken", "")} if method == "POST" else {}
        response = await self._http.request(method, path, data=fields or None, headers={"Cookie": cookies})
        self._http.cookies.clear()
        for header in response.headers.get_list("set-cookie"):
            for name, cookie in SimpleCookie(header).items():
                self._cookies[name] = cookie.value
                assert cookie["secure"] or not cookie.value, header
        return response

    async def close(self) -> None:
        await self._http.aclose()


@pytest.fixture
async def proxy(server: LiveServer) -> AsyncIterator[Proxy]:
    """A browser behind a proxy."""
    proxy = Proxy(server.url)
    yield proxy
    await proxy.close()


def addresses(page: str) -> set[str]:
    """The origins of everything that a page links to, loads, or sends forms to with an absolute URL."""
    found: list[str] = re.findall(r"""(?:src|href|action|[uU]rl)\s*[=:]\s*["'](https?://[^"']+)""", page)
    return {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in found}


@pytest.mark.attack("cross-site")
async def test_admin_links_use_the_public_address_and_its_cookies_are_secure(
    server: LiveServer, proxy: Proxy
) -> None:
    await make_staff(server.application, "stella")
    victim = await add_rider(server.application.database)

    lost = await proxy.ask("GET", "/admin/trip/list")
    assert lost.headers["location"].startswith(f"{PUBLIC}/admin/login?next=https%3A%2F%2Ftaxi.example%2Fadmin")
    slash = await proxy.ask("GET", "/admin/trip/list/")
    assert slash.headers["location"].startswith(PUBLIC)
    form = await proxy.ask("GET", lost.headers["location"])
    assert addresses(form.text) == {PUBLIC}

    entered = await proxy.ask("POST", lost.headers["location"], username="stella", password=PASSWORD)
    assert entered.status_code == 303
    assert entered.headers["location"] == f"{PUBLIC}/admin/trip/list"
    for path in ("/admin/trip/list", "/admin/user/list", "/admin/user/create", "/admin/nothing/list"):
        page = await proxy.ask("GET", path)
        assert addresses(page.text) == {PUBLIC}, path
    assert (await proxy.ask("GET", "/admin/")).headers["location"] == f"{PUBLIC}/admin/trip/list"

    # A button's message is in a cookie too.
    pressed = await proxy.ask("POST", f"/admin/_api/user/row-action?name=deactivate&pk={victim.id}")
    assert pressed.status_code == 200
    assert "starlette_admin_flash" in pressed.headers["set-cookie"]
    left = await proxy.ask("POST", "/admin/logout")
    assert left.headers["location"].startswith(f"{PUBLIC}/admin")


@pytest.mark.attack("cross-site")
async def test_a_forged_host_changes_no_link_of_the_admin(server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, verify=False, timeout=PATIENCE_S) as http:
        for host in ("localhost:1", "db.internal", "10.0.0.7"):
            lost = await http.get("/admin/", headers={"Host": host, "X-Forwarded-Host": host})
            assert lost.headers["location"].startswith(PUBLIC)
            assert host not in lost.headers["location"]
