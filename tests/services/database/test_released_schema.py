"""What released migrations make never changes, however they are run."""

from pathlib import Path
from shutil import copy
from uuid import uuid4

import pytest

from application.settings import Settings
from services.database import migrations
from services.database.connections import Database
from tests.services.database.test_migrations import NAMES, alone
from tests.support import servers
from tests.support.catalogue import described

RELEASED = 10


@pytest.mark.parametrize("dialect", list(migrations.DIALECTS))
async def test_the_released_migrations_make_the_schema_that_was_released(
    dialect: str, tmp_path: Path, postgres: servers.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / dialect / "models").mkdir(parents=True)
    for name in NAMES[:RELEASED]:
        copy(migrations.ROOT / dialect / "models" / name, tmp_path / dialect / "models")
    monkeypatch.setattr(migrations, "ROOT", tmp_path)
    url = f"sqlite://{tmp_path}/taxi.sqlite3"
    if dialect == "postgres":
        postgres.execute(f"CREATE DATABASE {(name := f'empty_{uuid4().hex}')}")
        url = postgres.database_url(name)
    settings = Settings(_env_file=None, database_url=url)  # pyright: ignore
    await alone(migrations.apply(settings))

    database = Database(settings)
    await database.connect()
    found = await described(database)
    await database.disconnect()
    if dialect == "postgres":
        postgres.drop(url)

    assert found == (Path(__file__).parent / "released_schema" / f"{dialect}.txt").read_text().splitlines()
