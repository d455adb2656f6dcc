"""One server for all tests of a module, and three logged-in people."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from application.settings import Settings
from tests.conftest import serving
from tests.fuzzing import fuzzed
from tests.fuzzing.fuzzed import Fuzzed
from tests.support.processes import WITHOUT_LIMITS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the long run."""
    parser.addoption(
        "--long-fuzz",
        action="store_true",
        help="100 times as many examples in tests/fuzzing, other ones each time; takes several minutes",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before the tests are imported: their settings depend on it."""
    fuzzed.is_long = config.getoption("long_fuzz", default=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long run has no time limit."""
    if fuzzed.is_long:
        for item in items:
            item.add_marker(pytest.mark.timeout(3600))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fuzzed]:
    """The fuzzed server."""
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copy(sqlite_template, folder / "taxirank.sqlite3")
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=f"sqlite://{folder / 'taxirank.sqlite3'}",
        media_url=str(folder / "media"),
        password_hash_memory_kib=1024,
        port=0,
        photo_max_pixels=250_000,
        **{**WITHOUT_LIMITS, "location_rate": "off", "socket_message_rate": "off"},  # pyright: ignore[reportArgumentType]
    )
    async with serving(settings) as server, fuzzed.people_of(server) as target:
        yield target
