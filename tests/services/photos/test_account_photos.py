"""After any interruption the store has the photos of the accounts, and after a while no others."""

import asyncio
import io
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from obstore.store import LocalStore
from PIL import Image
from structlog.testing import capture_logs
from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.backends.sqlite.client import SqliteTransactionWrapper

from application.application import Application
from application.asgi import Asgi
from application.settings import Settings
from models.values import Role
from services.accounts.passwords import Passwords
from services.accounts.sessions import NewSession
from services.database.connections import Database
from services.errors import DatabaseUnavailable
from services.photos.account_photos import PhotosUnavailable
from services.photos.processing import PhotoInvalid
from tests.support.api import PASSWORD


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "PNG")
    return data.getvalue()


def stored(application: Application) -> set[str]:
    return {path.name for path in Path(application.settings.media_url).iterdir()}


async def referenced(application: Application) -> set[str]:
    rows = await application.database.fetch("SELECT photo FROM users WHERE photo IS NOT NULL")
    return {row["photo"] for row in rows}


async def waiting(application: Application) -> int:
    return await application.account_photos.unreferenced()


async def sign_up(application: Application, name: str = "rosa") -> NewSession:
    return await application.services.accounts.sign_up(
        username=name,
        password1=PASSWORD,
        password2=PASSWORD,
        first_name="Rosa",
        last_name="Alvarez",
        role=Role.RIDER,
        photo=picture(),
    )


async def do_jobs(application: Application) -> None:
    for _, job in application.periodic_jobs._jobs.values():  # pyright: ignore[reportPrivateUsage]
        await job()


async def let_pass(database: Database, seconds: int) -> None:
    await database.fetch(f"UPDATE unreferenced_photos SET since = {database.sql.ago(seconds)}")


async def stop_before_the_insert(application: Application, monkeypatch: pytest.MonkeyPatch) -> "Stopped":
    """A sign-up that has stored its photo and then stops."""
    stopped = Stopped()
    hash_password = Passwords.hash

    async def hash_later(self: Passwords, password: str) -> str:
        stopped.reached.set()
        await stopped.goes_on.wait()
        return await hash_password(self, password)

    monkeypatch.setattr(Passwords, "hash", hash_later)
    stopped.task = asyncio.create_task(sign_up(application))
    await stopped.reached.wait()
    return stopped


class Stopped:
    task: "asyncio.Task[NewSession]"

    def __init__(self) -> None:
        self.reached, self.goes_on = asyncio.Event(), asyncio.Event()


def break_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections break after the commit, before its answer."""
    for wrapper in (TransactionWrapper, SqliteTransactionWrapper):
        commit = wrapper.commit

        async def commit_and_break(self: Any, commit: Any = commit) -> None:
            await commit(self)
            raise ConnectionResetError("the link broke")

        monkeypatch.setattr(wrapper, "commit", commit_and_break)


def put_the_store_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise PermissionError("the folder is read-only")

    monkeypatch.setattr(LocalStore, "delete_async", fail)


async def test_a_photo_whose_account_was_never_committed_is_removed_after_an_hour(
    application: Application, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For the store and the database, the process ends here.
    killed = await stop_before_the_insert(application, monkeypatch)
    assert len(stored(application)) == 1
    another = Application(settings)
    await another.database.connect()
    try:
        await let_pass(another.database, 3_500)
        await do_jobs(another)
        assert len(stored(another)) == 1
        assert "taxirank_unreferenced_photos 1.0" in await scrape(another)
        await let_pass(another.database, 3_700)
        with capture_logs() as logs:
            await do_jobs(another)
        assert stored(another) == set()
        assert await waiting(another) == 0
        assert {"event": "removed photos without an account", "photos": 1, "log_level": "info"} in logs
        told = await scrape(another)
        assert "taxirank_left_over_photos_total 1.0" in told
        assert "taxirank_unreferenced_photos 0.0" in told
    finally:
        await another.database.disconnect()
        killed.goes_on.set()
    # If it had only been slow, there would be no account without its photo.
    with pytest.raises(Exception, match=r"webp"):
        await killed.task
    assert await referenced(application) == stored(application) == set()


async def scrape(application: Application) -> str:
    response = await Asgi(application).metrics.route().endpoint(cast("Any", None))
    return response.body.decode()


async def test_a_photo_name_is_random_and_independent_of_the_photo(application: Application) -> None:
    names = {await application.account_photos.store(picture()) for _ in range(3)}

    assert len(names) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}\.webp", name) for name in names)
    assert stored(application) == names
    for name in names:
        await application.account_photos.discard(name)


async def test_a_refused_upload_leaves_nothing_in_the_store(application: Application) -> None:
    with pytest.raises(PhotoInvalid):
        await application.account_photos.store(b"no picture")

    assert stored(application) == set()
    assert await waiting(application) == 0


async def test_a_failing_store_is_reported_as_such_and_not_as_a_bad_photo(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as full:
        full.setattr(LocalStore, "put_async", fail)
        with pytest.raises(PhotosUnavailable):
            await application.account_photos.store(picture())

    await let_pass(application.database, 3_700)
    await do_jobs(application)
    assert await waiting(application) == 0


async def test_a_photo_is_removed_if_its_account_is_refused(application: Application) -> None:
    await sign_up(application)
    with pytest.raises(Exception, match="taken"):
        await sign_up(application)
    assert stored(application) == await referenced(application)
    assert await waiting(application) == 0


async def test_a_connection_that_breaks_during_the_commit_leaves_an_account_and_its_photo(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        break_commits(broken)
        with pytest.raises(DatabaseUnavailable):
            await sign_up(application)
    await do_jobs(application)
    assert stored(application) == await referenced(application)
    assert len(stored(application)) == 1


@pytest.mark.parametrize("change", ["replaced", "removed", "deleted"])
@pytest.mark.parametrize("failure", ["the connection breaks", "the store is away"])
async def test_a_photo_without_an_account_is_removed_in_the_end(
    application: Application, monkeypatch: pytest.MonkeyPatch, change: str, failure: str
) -> None:
    actor = (await sign_up(application)).actor
    with monkeypatch.context() as broken, suppress(DatabaseUnavailable):
        if failure == "the store is away":
            put_the_store_away(broken)
        else:
            break_commits(broken)
        if change == "deleted":
            await application.services.deletions.delete(actor, password=PASSWORD)
        else:
            photo = picture() if change == "replaced" else None
            await application.services.profiles.update(actor, photo=photo)
    kept = await referenced(application)
    assert len(kept) == (1 if change == "replaced" else 0)
    assert len(stored(application)) == len(kept) + 1
    await asyncio.gather(do_jobs(application), do_jobs(application))
    assert stored(application) == kept
    assert await waiting(application) == 0


async def test_an_outage_of_the_store_is_logged_and_the_removal_is_tried_again(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = (await sign_up(application)).actor
    with monkeypatch.context() as broken, capture_logs() as logs:
        put_the_store_away(broken)
        await application.services.profiles.update(actor, photo=None)
        await do_jobs(application)
    told = [(entry["event"], entry["log_level"], entry["error"]) for entry in logs if "error" in entry]
    assert told == [
        ("the photo store fails", "warning", "the folder is read-only"),
        ("a photo could not be removed yet", "warning", "The photo store does not answer."),
        # Between the two, the check of the store finds that it can write.
        ("the photo store fails", "warning", "the folder is read-only"),
        ("photos could not be removed yet", "warning", "The photo store does not answer."),
    ]
    assert await waiting(application) == len(stored(application)) == 1
    await do_jobs(application)
    assert await waiting(application) == len(stored(application)) == 0


async def test_more_photos_than_one_statement_reads_are_removed(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.photos.account_photos.SWEEP_LIMIT", 2)
    actor = (await sign_up(application)).actor
    with monkeypatch.context() as broken:
        put_the_store_away(broken)
        for _ in range(5):
            await application.services.profiles.update(actor, photo=picture())
    assert await waiting(application) == 5
    await do_jobs(application)
    assert await waiting(application) == 0
    assert stored(application) == await referenced(application)
