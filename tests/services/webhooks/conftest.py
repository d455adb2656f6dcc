"""An application, and a receiver that it may send to."""

from collections.abc import AsyncIterator

import pytest

from application.application import Application
from application.settings import Settings
from tests.support.webhooks import Receiver, receiving, sending_to


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def application(settings: Settings, receiver: Receiver) -> AsyncIterator[Application]:
    """Its jobs do not run, and it sends when the test says so."""
    async with sending_to(settings, receiver) as application:
        await application.periodic_jobs.stop()
        yield application
