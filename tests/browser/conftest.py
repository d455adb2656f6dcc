from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright, expect
from pytest_asyncio import is_async_test

from application.settings import Settings
from gateway.web_build import WebBuild
from tests.browser.admin_page import AdminPage
from tests.browser.board_page import BoardPage
from tests.browser.city_page import CityPage
from tests.browser.executable import chromium
from tests.browser.graphiql_page import GraphiQLPage
from tests.browser.watched_page import PATIENCE_MS, WatchedPage
from tests.conftest import LiveServer, SignUp, people, serving
from tests.support.tools import need_node

FOLDER = Path(__file__).parent
WEB = FOLDER.parents[1] / "web"


@pytest.fixture(scope="session")
def web_build() -> Path:
    """`web/dist`, built from the current sources."""
    need_node()
    build = WebBuild(WEB)
    build.make()
    return build.folder


# A map computes what it would draw, and draws nothing: the processor would spend long on pixels that no test looks
# at. Places, clicks and the map's own state do not depend on them.
UNDRAWN = """
    for (const name of ["drawArrays", "drawElements"])
        WebGL2RenderingContext.prototype[name] = () => {};
"""

# Another site than the server's, and a host name that its owner points at the server.
ANOTHER_SITE = "127.0.0.2"
REBOUND = "rebound.example"
RULES = ("EXCLUDE 127.0.0.1", f"EXCLUDE {ANOTHER_SITE}", f"MAP {REBOUND} 127.0.0.1", "MAP * ~NOTFOUND")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for screenshots."""
    parser.addoption("--screenshots", action="store_true", help="draw pages of tests/browser into var/screenshots")


def pytest_configure(config: pytest.Config) -> None:
    """Draw screenshots only with the option, and expect what a busy machine shows later too."""
    expect.set_options(timeout=PATIENCE_MS)
    WatchedPage.draws_pictures = config.getoption("screenshots", default=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests share a browser, and so its event loop. The first of a process may have to build the pages."""
    for item in items:
        if item.path.parent == FOLDER:
            item.add_marker(pytest.mark.timeout(600))
            if is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


class SharedBrowser:
    """One browser for all tests of a process: starting one takes longer than most of the tests."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browser: Browser | None = None

    async def running(self) -> Browser:
        """The browser; another one if it has crashed."""
        if self._browser is None or not self._browser.is_connected():
            self._browser = await launch(self._playwright)
        return self._browser

    async def close(self) -> None:
        """Close it."""
        if self._browser is not None:
            await self._browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser() -> AsyncIterator[SharedBrowser]:
    """The browser of this process."""
    async with async_playwright() as playwright:
        shared = SharedBrowser(playwright)
        yield shared
        await shared.close()


NewContext = Callable[..., Awaitable[BrowserContext]]


@pytest_asyncio.fixture(loop_scope="session")
async def new_context(shared_browser: SharedBrowser) -> AsyncIterator[NewContext]:
    """Opens contexts, which are as separate as two browsers with new profiles, and are closed after the test."""
    browser = await shared_browser.running()
    before = browser.contexts
    assert len(before) == 1, "no test has left anything beside the page of `launch`"
    yield browser.new_context
    for context in browser.contexts:
        if context not in before:
            await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def live_server(settings: Settings) -> AsyncIterator[LiveServer]:
    """A running server with an empty database."""
    async with serving(settings) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def person(live_server: LiveServer) -> AsyncIterator[SignUp]:
    """Creates people on the running server."""
    async with people(live_server) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="session")
async def graphiql(live_server, web_build, new_context: NewContext) -> GraphiQLPage:
    """GraphiQL in a browser that can reach the server and nothing else."""
    context = await new_context(viewport={"width": 1440, "height": 840})
    page = GraphiQLPage(await context.new_page(), url=live_server.url)
    await page.open()
    return page


OpenBoard = Callable[..., Awaitable[BoardPage]]
OpenAdmin = Callable[..., Awaitable[AdminPage]]
OpenCity = Callable[..., Awaitable[CityPage]]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(live_server, web_build, new_context: NewContext) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Opens a kind of page: each call is another browser, which can reach only the server.

    Its maps have no pixels, unless the test asks for ``draws_maps`` or for screenshots.

    A request to another host, a script error or a violation of the page's policy fails the test.
    """
    pages: list[BoardPage | AdminPage | CityPage] = []

    async def open_page(
        kind: type[BoardPage | AdminPage | CityPage],
        url: str = live_server.url,
        *,
        draws_maps: bool = False,
        **context: Any,
    ) -> BoardPage | AdminPage | CityPage:
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **context}
        page = kind(await (await new_context(**options)).new_page(), url=url)
        if not draws_maps and not WatchedPage.draws_pictures:
            await page.page.context.add_init_script(UNDRAWN)
        pages.append(page)
        await page.open()
        return page

    yield open_page
    for page in pages:
        await page.page.context.close()
    assert [page.elsewhere for page in pages] == [[] for _ in pages]
    assert [page.errors for page in pages] == [[] for _ in pages]


@pytest.fixture
def board(visit) -> OpenBoard:
    """Opens the board, as ``visit`` does."""
    return partial(visit, BoardPage)


@pytest.fixture
def admin(visit) -> OpenAdmin:
    """Opens the admin at its log-in page, as ``visit`` does."""
    return partial(visit, AdminPage)


@pytest.fixture
def city(visit) -> OpenCity:
    """Opens the city, live, at the log-in page that it leads to, as ``visit`` does."""
    return partial(visit, CityPage, viewport={"width": 1440, "height": 900})


async def launch(playwright: Playwright) -> Browser:
    """Start Chromium with a new profile, in which only the host names of the tests resolve."""
    executable = chromium(playwright.chromium.executable_path)
    browser = await playwright.chromium.launch(
        executable_path=executable.path,
        env={**executable.environment},
        args=[
            "--no-sandbox",
            # The processor draws the pages, and computes WebGL for their maps.
            "--disable-gpu",
            "--enable-unsafe-swiftshader",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            # No page lives long enough for optimized code to pay off.
            "--js-flags=--no-opt --no-maglev",
            f"--host-resolver-rules={', '.join(RULES)}",
        ],
    )
    # Some builds exit with their last page, even if another is about to open.
    await browser.new_page()
    return browser
