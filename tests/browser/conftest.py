from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Playwright, async_playwright

from gateway.web_build import WebBuild
from tests.browser.admin_page import AdminPage
from tests.browser.console_page import ConsolePage
from tests.browser.executable import chromium
from tests.browser.graphiql_page import GraphiQLPage
from tests.support.tools import need_node

WEB = Path(__file__).parents[2] / "web"


@pytest.fixture(scope="session")
def web_build() -> Path:
    """`web/dist`, made of the sources as they are."""
    need_node()
    build = WebBuild(WEB)
    build.make()
    return build.folder


@pytest.fixture
async def graphiql(live_server, web_build) -> AsyncIterator[GraphiQLPage]:
    """GraphiQL in a browser of its own that can reach the server and nothing else."""
    url = live_server.url
    async with async_playwright() as playwright:
        browser = await launch(playwright, f"EXCLUDE {urlsplit(url).hostname}")
        try:
            context = await browser.new_context(viewport={"width": 1440, "height": 840})
            page = GraphiQLPage(await context.new_page(), url=url)
            await page.open()
            yield page
        finally:
            await browser.close()


OpenBoard = Callable[..., Awaitable[ConsolePage]]
OpenAdmin = Callable[..., Awaitable[AdminPage]]


@pytest.fixture
async def visit(live_server, web_build) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Opens a kind of page: each call is another browser, that can reach the server and nothing else.

    Whatever else happened, a request to another host, an error of a script or something that the policy of the
    page forbids fails the test.
    """
    async with async_playwright() as playwright:
        browser = await launch(playwright, f"EXCLUDE {urlsplit(live_server.url).hostname}")
        pages: list[ConsolePage | AdminPage] = []

        async def open_page(
            kind: type[ConsolePage | AdminPage], url: str = live_server.url, **context: Any
        ) -> ConsolePage | AdminPage:
            options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **context}
            page = kind(await (await browser.new_context(**options)).new_page(), url=url)
            pages.append(page)
            await page.open()
            return page

        try:
            yield open_page
        finally:
            await browser.close()
        assert [page.elsewhere for page in pages] == [[] for _ in pages]
        assert [page.errors for page in pages] == [[] for _ in pages]


@pytest.fixture
def board(visit) -> OpenBoard:
    """Opens the console, as ``visit`` does."""
    return partial(visit, ConsolePage)


@pytest.fixture
def admin(visit) -> OpenAdmin:
    """Opens the admin at its log-in page, as ``visit`` does."""
    return partial(visit, AdminPage)


async def launch(playwright: Playwright, *rules: str) -> Browser:
    """Start Chromium with a fresh profile, in which no name resolves but those of the rules."""
    executable = chromium(playwright.chromium.executable_path)
    browser = await playwright.chromium.launch(
        executable_path=executable.path,
        env={**executable.environment},
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--host-resolver-rules={', '.join([*rules, 'MAP * ~NOTFOUND'])}",
        ],
    )
    # Some builds end with their last page, though another is about to be opened.
    await browser.new_page()
    return browser
