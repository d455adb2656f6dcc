"""One server for all tests of a module that need no separate one; embedded, because these tests do not depend on
the database.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from application.settings import Settings
from tests.conftest import LiveServer, SignUp, people, serving
from tests.support.api import Api
from tests.support.processes import HASH_MEMORY_KIB, WITHOUT_LIMITS


@pytest.fixture(scope="module")
def shared_settings(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the shared server."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copy(sqlite_template, folder / "taxirank.sqlite3")
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=f"sqlite://{folder / 'taxirank.sqlite3'}",
        media_url=str(folder / "media"),
        port=0,
        allowed_origins=("https://app.example",),
        max_body_bytes=64 * 1024,
        max_message_bytes=4 * 1024,
        # Long enough for a busy machine: only one test waits for it.
        connection_init_timeout_s=2.0,
        max_operations_per_socket=3,
        **WITHOUT_LIMITS,  # pyright: ignore[reportArgumentType]
    ).model_copy(update={"password_hash_memory_kib": HASH_MEMORY_KIB})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server(shared_settings: Settings) -> AsyncIterator[LiveServer]:
    """A running server, which earlier tests have used."""
    async with serving(shared_settings) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def someone(shared_server: LiveServer) -> AsyncIterator[SignUp]:
    """Creates people on the shared server: `await someone("RIDER")` has signed up; `await someone()` has not."""
    async with people(shared_server) as make:
        yield make


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(someone: SignUp) -> Api:
    """A client without a log-in."""
    return await someone()
