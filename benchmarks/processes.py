"""What several server processes on one database cost, compared with one.

``uv run --group benchmarks python -m benchmarks.processes`` starts PostgreSQL, Redis and the servers.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, cast

import asyncpg
import orjson
import psutil
import typer
import uvloop
from redis.asyncio import Redis

from application.application import Application
from application.lifespan import running as started
from application.settings import load_settings
from benchmarks import cores
from benchmarks.cores import cpu_s
from benchmarks.process_costs import positions, requests
from benchmarks.site import Site
from models.values import Role
from services.accounts.session_checks import RECHECK_S
from tests.support import servers

NOTES = 3000
# By then every process has swept again.
SETTLE_S = 3.0
LONGEST_S = 60
DELETED = 500_000
SESSIONS = 10_000
_WAITING = """
    WITH rider AS (
        INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff,
            is_active, created)
        SELECT id, id::text, id::text, '', 'A', 'B', 'RIDER', false, true, now()
        FROM (SELECT gen_random_uuid() AS id) made RETURNING id),
    made AS (
        INSERT INTO trips (id, created, updated, version, status, pick_up_address, drop_off_address, expires_at,
            given_back_by, rider_id)
        SELECT gen_random_uuid(), now(), now(), 1, 'REQUESTED', 'Here', 'There', now() + interval '1 day', '', id
        FROM rider, generate_series(1, $1) RETURNING id)
    INSERT INTO outbox (trip_id, version, for_pool, created)
    SELECT id, 1, TRUE, now() - interval '1 minute' FROM made
"""


async def notes(site: Site, number: int) -> str:
    """How many PUBLISH each of many waiting notes takes, when all processes find them."""
    redis = Redis.from_url(site.redis_url)
    connection = await asyncpg.connect(site.database_url)
    async with site.processes(number):
        await asyncio.sleep(SETTLE_S)
        before = await _published(redis)
        await asyncio.sleep(SETTLE_S)
        heartbeats_per_s = (await _published(redis) - before) / SETTLE_S
        before, began_s = await _published(redis), asyncio.get_running_loop().time()
        await connection.execute(_WAITING, NOTES)
        for _ in range(LONGEST_S * 50):
            if not await connection.fetchval("SELECT EXISTS (SELECT 1 FROM outbox)"):
                break
            await asyncio.sleep(0.02)
        took_s = asyncio.get_running_loop().time() - began_s
        await asyncio.sleep(SETTLE_S)
        elapsed_s = asyncio.get_running_loop().time() - began_s
        published = await _published(redis) - before - heartbeats_per_s * elapsed_s
    await connection.close()
    await redis.aclose()
    return f"{published / NOTES:.1f} PUBLISH a note, all gone after {took_s:.1f} s"


async def dump(site: Site, number: int) -> str:
    """What a sweep reads to find no note, while a dump keeps deleted notes from being removed."""
    del number
    connection, reader = [await asyncpg.connect(site.database_url) for _ in range(2)]
    async with reader.transaction(isolation="repeatable_read", readonly=True):
        await reader.fetch("SELECT 1 FROM outbox")
        last_id = await connection.fetchval(
            "WITH made AS (INSERT INTO outbox (session_id, for_pool, created) SELECT gen_random_uuid(), FALSE, "
            "now() FROM generate_series(1, $1) RETURNING id) SELECT max(id) FROM made",
            DELETED,
        )
        await connection.execute("DELETE FROM outbox")
        await connection.execute("VACUUM ANALYZE outbox")
        took = [await _look(connection, after) for after in (0, last_id)]
    await connection.close()
    await reader.close()
    return f"{DELETED:,} deleted notes: {took[0]} from the first id, {took[1]} after what is settled"


async def _look(connection: asyncpg.Connection, after: int) -> str:
    (row,) = await connection.fetch(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT id FROM outbox WHERE id > {after} ORDER BY id LIMIT 1"
    )
    (plan,) = orjson.loads(row[0])
    blocks = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return f"{blocks:,} blocks and {plan['Execution Time']:.2f} ms"


async def sessions(site: Site, number: int) -> str:
    """What PostgreSQL spends on the check of many sessions with sockets at one process."""
    del number
    connection = await asyncpg.connect(site.database_url)
    user_id = await connection.fetchval(
        "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, "
        "is_active, created) VALUES (gen_random_uuid(), 'a', 'a', '', 'A', 'B', $1, FALSE, TRUE, now()) "
        "RETURNING id",
        Role.DRIVER,
    )
    rows = await connection.fetch(
        "INSERT INTO sessions (id, token_hash, created, used, user_id) "
        "SELECT gen_random_uuid(), n::text, now(), now(), $1 FROM generate_series(1, $2) n RETURNING id",
        user_id,
        SESSIONS,
    )
    await connection.execute("ANALYZE sessions, users")
    application = Application(load_settings(database_url=site.database_url, redis_url=site.redis_url))
    async with started(application):
        await application.periodic_jobs.stop()
        idle = await _spent_by_postgres(connection)
        for row in rows:
            application.live_sessions.register(row["id"], lambda: None)
        # Each is looked at when it comes, and then at some time of each minute.
        await asyncio.sleep(RECHECK_S)
        busy = await _spent_by_postgres(connection)
    await connection.close()
    return f"{busy - idle:.1f} ms of PostgreSQL a second for {SESSIONS:,} sessions (without any: {idle:.1f} ms)"


async def _spent_by_postgres(connection: asyncpg.Connection) -> float:
    """The CPU time that the servers' backends need for a second, in milliseconds."""
    pids = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'taxirank'")
    backends = [psutil.Process(row["pid"]) for row in pids]
    before, began_s = sum(map(cpu_s, backends)), time.perf_counter()
    await asyncio.sleep(RECHECK_S)
    return (sum(map(cpu_s, backends)) - before) / (time.perf_counter() - began_s) * 1000


async def _published(redis: Redis) -> int:
    stats = cast("dict[str, dict[str, int]]", await redis.info("commandstats"))
    return stats.get("cmdstat_publish", {}).get("calls", 0)


# Each with the numbers of processes that it is measured with.
_MEASURING = {
    "notes": (notes, (1, 2, 4)),
    "dump": (dump, (1,)),
    "sessions": (sessions, (1,)),
    "requests": (requests, (1, 2, 4)),
    "positions": (positions, (1, 2, 4)),
}


def main(
    processes: Annotated[list[int] | None, typer.Option(help="How many processes; may be given again.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this; may be given again.")] = None,
) -> None:
    """Measure what ``only`` names (notes, dump, sessions, requests, positions), or everything."""
    cores.pin(os.getpid(), cores.LOAD_CORE)
    for name in only or _MEASURING:
        measure, numbers = _MEASURING[name]
        for number in processes or numbers:
            with (
                tempfile.TemporaryDirectory() as folder,
                servers.postgres(Path(folder)) as postgres,
                servers.redis() as redis_url,
            ):
                site = Site(postgres.copy(), redis_url, Path(folder))
                print(f"{name}, {number} processes: {uvloop.run(measure(site, number))}", flush=True)


if __name__ == "__main__":
    typer.run(main)
