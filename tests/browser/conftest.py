import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Playwright, async_playwright

from tests.browser.graphiql_page import GraphiQLPage
from tests.support.tools import is_newer, missing

WEB = Path(__file__).parents[2] / "web"


@pytest.fixture(scope="session")
def web_build() -> Path:
    """`web/dist`, made again if a source is newer."""
    build = WEB / "dist"
    sources = [WEB / name for name in ("package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")]
    for folder in ("src", "graphiql"):
        sources += [path for path in (WEB / folder).rglob("*") if path.is_file()]
    if not is_newer(build / "graphiql" / "index.html", than=sources):
        npm = shutil.which("npm")
        if npm is None:
            missing("npm", "install Node 20 or newer (https://nodejs.org)")
        if not is_newer(WEB / "node_modules" / ".package-lock.json", than=[WEB / "package-lock.json"]):
            run(npm, "ci")
        run(npm, "run", "build")
    return build


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} in {WEB} failed:\n{done.stdout}{done.stderr}", pytrace=False)


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


async def launch(playwright: Playwright, *rules: str) -> Browser:
    """Start Chromium with a fresh profile, in which no name resolves but those of the rules."""
    names = ("chromium", "chromium-browser", "google-chrome", playwright.chromium.executable_path)
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        missing("Chromium", "apt-get install chromium, or uv run playwright install chromium")
    return await playwright.chromium.launch(
        executable_path=executable,
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
