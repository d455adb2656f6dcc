"""The screen of docs/clients/react.md, made from an empty folder as the page says, with what npm has today."""

import asyncio
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import ConsoleMessage, expect

from application.paths import ROOT
from tests.browser.conftest import NewContext
from tests.conftest import LiveServer
from tests.support import client_package
from tests.support.node_servers import node_server
from tests.support.tools import missing, need_node

PAGE = ROOT / "docs" / "clients" / "react.md"
_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="rider/(?P<file>[^"]+)")?\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)
SERVER = "http://127.0.0.1:8000"
MOVES_WITHIN_MS = 60_000

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)


def section() -> str:
    """The page's text about the empty folder."""
    found = re.search(
        r"^## From an empty folder\n(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return found[1]


@asynccontextmanager
async def simulated_drivers(url: str) -> AsyncGenerator[None]:
    """A few of the drivers that the page sends through the city, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "server.py", "simulate", url, "--drivers", "8", "--riders", "1", "--seconds", "600"),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_from_an_empty_folder_to_a_screen_that_shows_the_car_move(
    live_server: LiveServer, new_context: NewContext, tmp_path: Path
) -> None:
    """Prints the time from the first command: run it with `-n 0 -rP`. Nothing is in npm's cache before."""
    need_node()
    shutil.copy(client_package.pack(), tmp_path)
    npm = {
        "npm_config_cache": str(tmp_path / "cache"),
        "npm_config_yes": "true",
        "npm_config_update_notifier": "false",
    }
    if await outcome("npm", "view", "create-vite", "version", folder=tmp_path, environment=npm) is None:
        missing("npm's registry", "it cannot be reached")
    folder, began = tmp_path, time.monotonic()
    last_command: list[str] = []
    for block in _BLOCK.finditer(section()):
        if block["file"] is not None:
            assert SERVER in block["text"] or block["file"] != "vite.config.ts"
            (folder / block["file"]).write_text(block["text"].replace(SERVER, live_server.url), encoding="utf-8")
            continue
        assert block["language"] == "bash"
        for command in map(shlex.split, block["text"].splitlines()):
            match last_command := command:
                case ["cd", name]:
                    folder /= name
                case ["npm", "run", "dev"]:
                    pass
                case _:
                    await do(*command, folder=folder, environment=npm)
    assert last_command == ["npm", "run", "dev"]
    installed = time.monotonic() - began

    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("warning", "error"):
            complaints.append(message.text)

    dev = ("--", "--host", "127.0.0.1", "--port", "{port}", "--strictPort")
    async with node_server(*last_command, *dev, folder=folder, environment=npm) as url:
        page = await (await new_context()).new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        async with simulated_drivers(live_server.url):
            await page.goto(url)
            await page.get_by_role("button", name="Sign up").click()
            await page.get_by_role("button", name="To the zoo").click()
            car = page.locator("#car")
            await expect(car).to_be_visible(timeout=MOVES_WITHIN_MS)
            first = await car.get_attribute("cx") or ""
            await expect(car).not_to_have_attribute("cx", first, timeout=MOVES_WITHIN_MS)
            took = time.monotonic() - began
        await page.context.close()
    assert complaints == []
    print(f"the car moves {took:.0f} s after the first command, of which {installed:.0f} s are npm's")

    # The page's text passes the checks of the template too.
    await do("npm", "run", "build", folder=folder, environment=npm)


async def do(*command: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a command to its end, or fail with its output."""
    assert await outcome(*command, folder=folder, environment=environment) is not None, shlex.join(command)


async def outcome(*command: str, folder: Path, environment: dict[str, str]) -> str | None:
    """What a command prints, also for a failure of the test; None if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    print(printed.decode(), end="")
    return printed.decode() if process.returncode == 0 else None
