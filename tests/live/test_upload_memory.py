"""Simultaneous uploads use the memory of the allowed number of decoders, not of the number of uploads."""

import asyncio
import shutil
from pathlib import Path

import httpx
import pytest

from benchmarks.uploads import MEGABYTE, forget_peak, largest_photo, resident_bytes, sign_up
from tests.support.processes import server_process

UPLOADS = 12
MAX_BYTES, MAX_PIXELS = 2 * MEGABYTE, 4_000_000
# Per pixel, while two are decoded; a waiting file lies on the disk, and is in memory once when it is its turn.
BOUND_BYTES = 2 * 21 * MAX_PIXELS + UPLOADS * 2 * MAX_BYTES + 40 * MEGABYTE


@pytest.mark.attack("uploads")
@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak of a process is read as Linux tells"
)
async def test_many_uploads_at_once_take_no_more_memory_than_two_decoders(
    sqlite_template: Path, tmp_path: Path
) -> None:
    database = tmp_path / "taxirank.sqlite3"
    shutil.copy(sqlite_template, database)
    photo = largest_photo("WEBP", max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)
    settings = {"photo_max_bytes": MAX_BYTES, "photo_max_pixels": MAX_PIXELS, "password_hash_memory_kib": 1024}
    async with (
        server_process(database_url=f"sqlite://{database}", media_url=tmp_path / "media", **settings) as server,
        httpx.AsyncClient(base_url=server.url, timeout=60, verify=False) as http,
    ):
        await server.ready()
        forget_peak(server.pid)
        before = resident_bytes(server.pid)
        async with asyncio.TaskGroup() as group:
            for number in range(UPLOADS):
                group.create_task(sign_up(http, number, photo))
        assert resident_bytes(server.pid, peak=True) - before < BOUND_BYTES
        assert (await http.get("/readyz")).status_code == 200
        assert "incident" not in server.log()
