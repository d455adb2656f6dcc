from collections.abc import AsyncIterator

import pytest

from tests.conftest import LiveServer
from tests.support.staff import StaffBrowser, make_staff


@pytest.fixture
def backend() -> str:
    """Most tests here do not depend on the backend; a test that does says so."""
    return "embedded"


@pytest.fixture
async def stranger(live_server: LiveServer) -> AsyncIterator[StaffBrowser]:
    """A browser without a log-in."""
    async with StaffBrowser(live_server.url) as browser:
        yield browser


@pytest.fixture
async def staff(live_server: LiveServer, stranger: StaffBrowser) -> StaffBrowser:
    """A member of staff who is logged in."""
    await make_staff(live_server.application, "stella")
    assert (await stranger.log_in("stella")).status_code == 303
    return stranger
