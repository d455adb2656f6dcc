"""A page that Vite serves uses the API as docs/operations.md says, through the real Vite."""

import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.browser.conftest import WEB
from tests.conftest import LiveServer
from tests.support.api import open_socket
from tests.support.node_servers import node_server
from tests.support.tools import missing

pytestmark = [pytest.mark.attack("cross-site"), pytest.mark.parametrize("backend", ["embedded"], indirect=True)]

OPERATIONS = WEB.parent / "docs" / "operations.md"
TARGET = "http://127.0.0.1:8000"


def documented(server: LiveServer) -> str:
    """The configuration in the document, for this server."""
    found = re.search(r"^```ts\n// vite.config.ts\n(.*?)^```$", OPERATIONS.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    assert TARGET in found[1]
    return found[1].replace(TARGET, server.url)


@asynccontextmanager
async def vite(folder: Path, config: str) -> AsyncGenerator[str]:
    """Vite with only an empty page; its address."""
    node, script = shutil.which("node"), WEB / "node_modules" / "vite" / "bin" / "vite.js"
    if node is None or not script.exists():
        missing("Vite", "run `npm ci` in web/")
    (folder / "vite.config.mjs").write_text(config)
    (folder / "index.html").write_text("<!doctype html><title>A front end</title>")
    arguments = ("--host", "127.0.0.1", "--port", "{port}", "--strictPort")
    async with node_server(node, str(script), *arguments, folder=folder) as url:
        yield url


@pytest.mark.usefixtures("web_build")
async def test_a_page_served_by_vite_opens_a_socket_as_documented_and_not_with_change_origin(
    live_server: LiveServer, tmp_path: Path
) -> None:
    right = documented(live_server)
    wrong = right.replace("ws: true", "ws: true, changeOrigin: true")
    assert wrong != right
    async with vite(tmp_path, right) as url, open_socket(url, headers={"Origin": url}):
        pass
    async with vite(tmp_path, wrong) as url:
        with pytest.raises(InvalidStatus, match="403"):
            async with open_socket(url, headers={"Origin": url}):
                pass
