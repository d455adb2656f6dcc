"""A server that is killed in the middle of a sign-up leaves no photo for good."""

import asyncio
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pytest

from application.application import Application
from application.settings import Settings
from services.photos.account_photos import UNREFERENCED_MAX_S
from tests.support.api import Api
from tests.support.pictures import picture, sign_up_with_photo
from tests.support.processes import server_process
from tests.support.waiting import until

# Only PostgreSQL can be frozen between the photo and its account.
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("backend", ["production"], indirect=True)]


async def test_the_photo_of_a_server_that_was_killed_before_the_commit_is_removed(settings: Settings) -> None:
    folder = Path(settings.media_url)

    def photos() -> int:
        return len(list(folder.glob("*.webp")))

    async with server_process(
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        redis_prefix=settings.redis_prefix,
        media_url=folder,
    ) as server:
        await server.ready()
        held = await asyncpg.connect(settings.database_url)
        async with held.transaction():
            await held.execute("LOCK TABLE users IN SHARE MODE")
            async with Api(server.url) as api:
                signing_up = asyncio.create_task(sign_up_with_photo(api, picture()))
                await until(photos)
                server.kill()
                with suppress(httpx.TransportError):
                    await signing_up
        await held.close()
    restarted = Application(settings)
    await restarted.database.connect()
    try:
        assert not await restarted.database.fetch("SELECT id FROM users")
        await restarted.account_photos.sweep()
        assert await restarted.account_photos.unreferenced() == photos() == 1
        since = restarted.database.sql.ago(UNREFERENCED_MAX_S + 1)
        await restarted.database.fetch(f"UPDATE unreferenced_photos SET since = {since}")
        await restarted.account_photos.sweep()
        assert await restarted.account_photos.unreferenced() == photos() == 0
    finally:
        await restarted.database.disconnect()
