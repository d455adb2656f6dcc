"""Whether the time of a request for a reset tells if there is such an account: ``python -m benchmarks.recovery``.

The client asks in turns for names of accounts with a verified address and for names that nobody has, each name
once. After each request it asks something else, again and again: what the server does for the letter could delay
those answers.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import orjson
import typer

from application.application import Application
from application.settings import load_settings
from benchmarks.http_client import HttpClient, check, request
from benchmarks.latencies import Latencies
from benchmarks.target import TAXIRANK, running
from services.database import migrations
from tests.support import servers

RESET = "mutation($name: String!) { requestPasswordReset(username: $name) { errors { message } } }"
# Reads the database: the token is unknown.
PROBE = request("unknown", orjson.dumps({"query": "{ me { id } }"}))


def main(
    names: Annotated[int, typer.Option(min=10, help="Names of each kind.")] = 300,
    watch_ms: Annotated[float, typer.Option(min=0, help="How long other answers are watched after each.")] = 100,
    postgres: Annotated[bool, typer.Option("--postgres", help="With PostgreSQL and Redis.")] = False,
) -> None:
    """Print both distributions, and how often a name of one kind takes longer than one of the other."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backend = {"TAXIRANK_DATABASE_URL": f"sqlite://{folder / 'taxirank.sqlite3'}"}
        if postgres:
            backend = {
                "TAXIRANK_DATABASE_URL": stack.enter_context(servers.postgres(folder)).copy(),
                "TAXIRANK_REDIS_URL": stack.enter_context(servers.redis()),
            }
        asyncio.run(_measure(folder, backend, names, watch_ms / 1000))


async def _measure(folder: Path, backend: dict[str, str], count: int, watch_s: float) -> None:
    environment = {
        **backend,
        "TAXIRANK_MAIL_FOLDER": str(folder / "mail"),
        "TAXIRANK_MEDIA_URL": f"file://{folder / 'media'}",
        "TAXIRANK_RECOVERY_RATE": "off",
        "TAXIRANK_LOG_LEVEL": "warning",
    }
    known = await _accounts(backend, count)
    unknown = [f"{uuid4().hex}@example.com" for _ in range(count)]
    answers: dict[bool, list[float]] = {True: [], False: []}
    nexts: dict[bool, list[float]] = {True: [], False: []}
    slowest: dict[bool, list[float]] = {True: [], False: []}
    async with (
        running(TAXIRANK, environment=environment, sizes=None, log=folder / "log") as server,
        HttpClient(server.port) as http,
    ):
        for _ in range(20):
            await _ask(http, f"{uuid4().hex}@example.com")
        for pair in zip(known, unknown, strict=True):
            kinds = [(True, pair[0]), (False, pair[1])]
            # Which comes first must not matter.
            random.shuffle(kinds)
            for is_known, name in kinds:
                answers[is_known].append(await _ask(http, name))
                until = time.perf_counter() + watch_s
                watched = [await _timed(http, PROBE)]
                nexts[is_known].append(watched[0])
                while time.perf_counter() < until:
                    watched.append(await _timed(http, PROBE))
                slowest[is_known].append(max(watched))
    letters = len(list((folder / "mail").glob("*.eml")))
    print(f"{count} names of each kind, {letters} letters")
    _show("the answer", answers)
    _show("the next answer", nexts)
    _show(f"the slowest answer within {watch_s * 1000:.0f} ms", slowest)


def _show(what: str, times: dict[bool, list[float]]) -> None:
    print(what)
    for is_known, name in ((True, "account"), (False, "nobody")):
        found = Latencies(times[is_known])
        print(f"  {name:8}" + "".join(f"  p{p} {found.percentile_ms(p):.2f} ms" for p in (10, 50, 90, 99)))
    print(f"  an account takes longer than nobody in {_share_longer(times[True], times[False]):.1%} of pairs")


def _share_longer(some: Sequence[float], others: Sequence[float]) -> float:
    """How often one of ``some`` is longer than one of ``others``; a half if nothing distinguishes them."""
    return sum((a > b) + (a == b) / 2 for a in some for b in others) / len(some) / len(others)


async def _ask(http: HttpClient, name: str) -> float:
    return await _timed(http, request("unknown", orjson.dumps({"query": RESET, "variables": {"name": name}})))


async def _timed(http: HttpClient, data: bytes) -> float:
    begun = time.perf_counter()
    body = await http.post(data)
    elapsed = time.perf_counter() - begun
    if data is not PROBE:
        check(body)
    return elapsed


async def _accounts(backend: dict[str, str], count: int) -> list[str]:
    settings = load_settings(**{name.removeprefix("TAXIRANK_").lower(): value for name, value in backend.items()})
    await migrations.apply_or_check(settings)
    application = Application(settings)
    await application.database.connect()
    names = [f"{uuid4().hex}@example.com" for _ in range(count)]
    for name in names:
        await application.database.fetch(
            "INSERT INTO users (id, username, username_key, password_hash, first_name, last_name, role, is_staff, "
            "is_active, created, email, email_verified_at) "
            "VALUES ($1, $2, $2, 'none', 'Ann', 'Lee', 'RIDER', $3, $4, {now}, $2, {now})",
            uuid4(),
            name,
            False,
            True,
        )
    await application.database.disconnect()
    return names


if __name__ == "__main__":
    typer.run(main)
