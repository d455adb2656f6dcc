"""The database's shape: aerich migrations, one folder a dialect."""

import hashlib
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aerich import Command
from aerich.migrate import Migrate
from tortoise.exceptions import OperationalError

from services.config import Settings, load_settings
from services.database import APP, connect_alone, connection_name, tortoise_config

ROOT = Path(__file__).resolve().parent.parent / "migrations"
DIALECTS = {"sqlite": "sqlite://:memory:", "postgres": "postgres://offline@localhost/offline"}
LOCK_KEY = int.from_bytes(hashlib.sha256(b"taxirank migrations").digest()[:8], "big", signed=True)


def _command(settings: Settings) -> Command:
    return Command(tortoise_config(settings), app=APP, location=str(ROOT / connection_name(settings)))


async def apply(settings: Settings) -> list[str]:
    """Bring the database to the newest shape; the names of what was applied. One call a process at a time."""
    if settings.sqlite_path is not None:
        settings.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
    async with _one_at_a_time(settings), _command(settings) as command:
        return await command.upgrade()


@asynccontextmanager
async def _one_at_a_time(settings: Settings) -> AsyncGenerator[None]:
    """Lets one process after another migrate a PostgreSQL database: several containers may start at once."""
    if settings.sqlite_path is not None:
        yield
        return
    connection = await connect_alone(settings)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        yield
    finally:
        connection.terminate()


async def pending(settings: Settings) -> list[str]:
    """The migrations that the database still lacks."""
    async with _command(settings) as command:
        try:
            return await command.heads()
        except OperationalError:
            # The table that says what was applied is made by the first migration.
            return Migrate.get_all_version_files()


async def generate(dialect: str, name: str, root: Path = ROOT) -> str | None:
    """Write a migration of what changed in the models, without a database; its name, or None if nothing has.

    aerich keeps its state on a class: call it for one dialect a process.
    """
    settings = Settings.model_validate({"database_url": DIALECTS[dialect]})
    command = Command(tortoise_config(settings), app=APP, location=str(root / dialect))
    try:
        await command.init(offline=True)
        return await command.migrate(name, no_input=True, offline=True) or None
    finally:
        await command.aclose()


def __getattr__(name: str) -> Any:
    """``TORTOISE_ORM``, which aerich's own command line asks for; the settings are read only then."""
    if name == "TORTOISE_ORM":
        return tortoise_config(load_settings())
    raise AttributeError(f"module {sys.modules[__name__]!r} has no attribute {name!r}")
