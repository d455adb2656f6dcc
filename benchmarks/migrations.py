"""How long others wait while a PostgreSQL with a million trips is migrated from the first version.

``uv run --group benchmarks python -m benchmarks.migrations`` takes a few minutes. It starts a PostgreSQL from the
wheel, applies the first migration, fills the tables, and applies the rest while readers and writers run.
"""

import asyncio
import sys
import tempfile
import time
from contextvars import Context
from pathlib import Path
from shutil import copy
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from application.settings import load_settings
from services.database import migrations
from tests.support import servers

_FILL = """
    INSERT INTO users SELECT md5('u' || n)::uuid, 'u' || n, 'u' || n, '', 'A', 'B',
        CASE WHEN n % 2 = 0 THEN 'RIDER' ELSE 'DRIVER' END, NULL, false, true, now()
    FROM generate_series(1, $1::int / 5) n;
    INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, given_back_by,
        rider_id, driver_id)
    SELECT gen_random_uuid(), now() - n * interval '1 second', now(), 3, 'COMPLETED', 'a', 'b', '',
        md5('u' || (n % ($1::int / 10)) * 2 + 2)::uuid, md5('u' || (n % ($1::int / 10)) * 2 + 1)::uuid
    FROM generate_series(1, $1::int) n;
    ANALYZE
"""
_WORK = {
    "read a trip": "SELECT * FROM trips WHERE id = $1",
    "read a user": "SELECT * FROM users WHERE id = (SELECT rider_id FROM trips WHERE id = $1)",
    "write a trip": "UPDATE trips SET version = version + 1 WHERE id = $1",
    "write a user": "UPDATE users SET photo = NULL WHERE id = (SELECT driver_id FROM trips WHERE id = $1)",
    "add a note": "INSERT INTO outbox (trip_id, for_pool, created) VALUES ($1, true, now())",
}


async def _use(url: str, statement: str, ids: list[object], waits: list[float]) -> None:
    """Run the statement again and again, and keep how long each took."""
    connection = await asyncpg.connect(url)
    try:
        number = 0
        while True:
            began_s = time.perf_counter()
            await connection.execute(statement, ids[number % len(ids)])
            waits.append(time.perf_counter() - began_s)
            number += 1
            await asyncio.sleep(0.005)
    finally:
        connection.terminate()


async def _apply(url: str, root: Path) -> None:
    settings = load_settings(database_url=url)
    migrations.ROOT = root
    await asyncio.create_task(migrations.apply(settings), context=Context())


async def _measure(url: str, trips: int) -> None:
    root = migrations.ROOT
    with tempfile.TemporaryDirectory() as name:
        models = Path(name) / "postgres" / "models"
        models.mkdir(parents=True)
        copy(next((root / "postgres" / "models").glob("0_*.py")), models)
        await _apply(url, Path(name))
    connection = await asyncpg.connect(url)
    for statement in _FILL.split(";"):
        await connection.execute(statement.replace("$1", str(trips)))
    ids = [row["id"] for row in await connection.fetch("SELECT id FROM trips TABLESAMPLE SYSTEM (1) LIMIT 2000")]
    waits: dict[str, list[float]] = {name: [] for name in _WORK}
    users = [asyncio.create_task(_use(url, statement, ids, waits[name])) for name, statement in _WORK.items()]
    began_s = time.perf_counter()
    await _apply(url, root)
    took_s = time.perf_counter() - began_s
    for user in users:
        user.cancel()
    await asyncio.gather(*users, return_exceptions=True)
    for name, took in waits.items():
        took.sort()
        longest_ms, median_ms = took[-1] * 1000, took[len(took) // 2] * 1000
        print(f"{name}: {len(took)} times, longest {longest_ms:.0f} ms, median {median_ms:.1f} ms")
    print(f"{trips:,} trips: {took_s:.0f} s for all migrations but the first")
    await connection.close()


def main() -> None:
    """Measure, with the number of trips that is given or a million."""
    trips = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with servers.own_postgres() as postgres:
        postgres.execute("CREATE DATABASE measured")
        url = urlunsplit(urlsplit(postgres.url)._replace(scheme="postgresql", path="/measured"))
        asyncio.run(_measure(url, trips))


if __name__ == "__main__":
    main()
