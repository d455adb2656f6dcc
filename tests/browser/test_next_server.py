"""A page that Next.js serves uses the API as docs/operations.md says, through the real Next.js."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from application.paths import ROOT
from application.settings import Settings
from tests.conftest import LiveServer, SignUp
from tests.support import tools
from tests.support.api import open_socket
from tests.support.brokers import free_port
from tests.support.node_servers import node_server
from tests.support.tools import missing

FOLDER = Path(__file__).parent / "next"
OPERATIONS = ROOT / "docs" / "operations.md"
TARGET = "http://127.0.0.1:8000"
UNLISTED = "http://localhost:1"
MY_TRIPS = "subscription { myTripsUpdated { __typename } }"

pytestmark = pytest.mark.parametrize("backend", ["embedded"], indirect=True)


@pytest.fixture(scope="session")
def port() -> int:
    """The port of Next.js: the server's settings have it."""
    return free_port()


@pytest.fixture
def settings(settings: Settings, port: int) -> Settings:
    """The page's origin is listed."""
    return settings.model_copy(update={"allowed_origins": (f"http://127.0.0.1:{port}",)})


@pytest_asyncio.fixture(loop_scope="session")
async def url(live_server: LiveServer, port: int) -> AsyncIterator[str]:
    """Next.js in development, with the configuration in the document; its address."""
    node = shutil.which("node")
    if node is None:
        missing("Node", "https://nodejs.org")
    tools.npm_packages(FOLDER)
    found = re.search(r"^```js\n// next.config.mjs\n(.*?)^```$", OPERATIONS.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    assert TARGET in found[1]
    (FOLDER / "next.config.mjs").write_text(found[1].replace(TARGET, live_server.url))
    script = FOLDER / "node_modules" / "next" / "dist" / "bin" / "next"
    command = (node, str(script), "dev", "--hostname", "127.0.0.1", "--port", "{port}")
    async with node_server(
        *command, folder=FOLDER, environment={"NEXT_TELEMETRY_DISABLED": "1"}, port=port
    ) as address:
        yield address


async def test_a_page_served_by_next_asks_and_hears_as_documented_and_is_refused_if_its_origin_is_not_listed(
    url: str, person: SignUp
) -> None:
    rider = await person("RIDER")
    ((name, value),) = rider.http.cookies.items()
    cookie = f"{name}={value}"
    async with httpx.AsyncClient(base_url=url, headers={"Cookie": cookie, "Origin": url}, timeout=30) as page:
        answered = await page.post("/graphql", json={"query": "{ me { role } }"})
        assert answered.json() == {"data": {"me": {"role": "RIDER"}}}
        refused = await page.post("/graphql", json={"query": "{ me { role } }"}, headers={"Origin": UNLISTED})
        assert refused.status_code == 403

        # An event stream passes as it comes.
        stream = {"Accept": "text/event-stream"}
        async with page.stream("POST", "/graphql", json={"query": MY_TRIPS}, headers=stream) as events:
            assert await anext(line async for line in events.aiter_lines() if "MyTripsSnapshot" in line)

    async with open_socket(url, headers={"Cookie": cookie, "Origin": url}) as socket:
        await socket.init()
        changes = await socket.start(MY_TRIPS)
        assert (await changes.next())["__typename"] == "MyTripsSnapshot"
        await rider.create_trip()
        assert (await changes.next())["__typename"] == "TripChanged"
    with pytest.raises(InvalidStatus, match="403"):
        async with open_socket(url, headers={"Cookie": cookie, "Origin": UNLISTED}):
            pass
