"""The address of PostgreSQL, and a server's behaviour with an unusable one or one that goes away."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from application.settings import Settings
from services.database import instance_lock
from services.database import postgres as postgres_module
from services.database.address import Address, BadUrl
from services.database.connections import Database, WrongDatabase, pool_connector
from services.database.instance_lock import AnotherServer, InstanceLock
from services.database.primaries import Primary
from services.errors import DatabaseUnavailable
from tests.conftest import LiveServer
from tests.support.api import Api
from tests.support.processes import server_process
from tests.support.replication import standby_of
from tests.support.servers import OwnPostgres, own_postgres
from tests.support.waiting import PATIENCE_S, until


def test_a_url_names_a_user_a_database_and_hosts_with_ports() -> None:
    address = Address.parse("postgresql://a%40b:p%2Fw@db.example:6543/taxi%20rank?sslmode=require")
    assert address == Address(
        (("db.example", 6543),),
        "a@b",
        "taxi rank",
        "read-write",
        "postgresql://a%40b:p%2Fw@/taxi%20rank?sslmode=require",
    )
    assert Address.parse("postgresql://postgres@/x?host=/run/postgresql&port=5433").hosts == (
        ("/run/postgresql", 5433),
    )
    assert Address.parse("postgresql:///x").hosts == ((None, 5432),)


def test_a_url_may_name_several_hosts() -> None:
    address = Address.parse("postgresql://u:p@h1:5432,[::1]:5433,h3/db?target_session_attrs=primary")
    assert address.hosts == (("h1", 5432), ("::1", 5433), ("h3", 5432))
    assert address.target == "primary"
    assert Address.parse("postgresql://u@/db?host=/a,/b&port=1,2").hosts == (("/a", 1), ("/b", 2))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://h:many/x", "its port is not a number"),
        ("postgresql://h:70000/x", "its port is not a number"),
        ("postgresql://h1:1,h2:x/x", "its port is not a number"),
        ("postgresql://h1,h2/x?port=1,2,3", "2 hosts and 3 ports"),
        ("postgresql://h1,,h2/x", "empty"),
        ("postgresql://h/x?target_session_attrs=standby", "read-write"),
        ("postgresql://h/x?conect_timeout=1", "conect_timeout"),
        ("postgresql://h/x?sslmode", "name=value"),
    ],
)
def test_an_invalid_url_says_why(url: str, says: str) -> None:
    with pytest.raises(BadUrl, match=says):
        Address.parse(url)


@pytest.fixture(scope="module")
def own() -> Iterator[OwnPostgres]:
    """A PostgreSQL to freeze and to restart."""
    with own_postgres() as database:
        yield database


def settings_of(url: str, tmp_path: Path, **more: Any) -> Settings:
    return Settings(_env_file=None, database_url=url, media_url=str(tmp_path), **more)  # pyright: ignore


@pytest.fixture
def settings(own: OwnPostgres, tmp_path: Path) -> Settings:
    """A server's settings, on that PostgreSQL and the in-process bus."""
    return settings_of(own.copy(), tmp_path, password_hash_memory_kib=1024, shutdown_timeout_s=2)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    await database.connect()
    try:
        yield database
    finally:
        await database.disconnect()


@pytest.fixture
def hosts_have_long_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a host that does not answer waits longer than the test."""
    monkeypatch.setattr(postgres_module, "CONNECT_TIMEOUT_S", 2 * PATIENCE_S)


def hosts(url: str, *folders: str) -> str:
    """The address of one database on several servers."""
    return f"{url.partition('?')[0]}?host={','.join(folders)}"


async def test_the_first_of_several_hosts_that_accepts_writes_is_used_also_after_a_failover(
    tmp_path: Path,
) -> None:
    with own_postgres() as primary, standby_of(primary) as standby:
        # The database that every server has: it existed when the standby was created.
        url = primary.url
        folder = url.partition("host=")[2]
        database_url = hosts(url, str(tmp_path / "nobody"), standby.folder, folder)
        await refuses_a_standby(settings_of(hosts(url, standby.folder), tmp_path))
        async with connected(settings_of(database_url, tmp_path)) as database:
            await database.fetch("CREATE TABLE mark (at int)")
            await database.fetch("INSERT INTO mark VALUES (1)")
            await primary.stop()
            with pytest.raises(DatabaseUnavailable):
                await database.ping()
            await asyncio.to_thread(standby.promote)
            await database.ping()
            await database.fetch("INSERT INTO mark VALUES (2)")
        # It must be running to be stopped.
        await primary.start()


async def test_of_two_primaries_the_one_that_was_promoted_last_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written at the former one is lost, and a lock there keeps nobody away."""
    monkeypatch.setattr(instance_lock, "WATCH_INTERVAL_S", 0.05)
    with own_postgres() as former, standby_of(former) as promoted:
        url, folder = former.url, former.url.partition("host=")[2]
        settings = settings_of(hosts(url, folder, promoted.folder), tmp_path, redis_url="redis://127.0.0.1")
        async with connected(settings) as database:
            lock = InstanceLock(settings)
            await lock.acquire()
            await lock.watch(database)
            before = lock._connection
            await asyncio.to_thread(promoted.promote)
            await until(lambda: database.former_primaries)
            await database.fetch("CREATE TABLE mark (at int)")
            await until(lambda: lock._connection not in {None, before})
            async with connected(settings) as later:
                await later.fetch("INSERT INTO mark VALUES (1)")
            await lock.release()
            await asyncio.to_thread(promoted.stop)
            await until(partial(fails, database, DatabaseUnavailable))
            await asyncio.to_thread(promoted.start_as_standby)
            await until(partial(fails, database, WrongDatabase))
            with pytest.raises(WrongDatabase, match=r"a former primary: another server has taken its place$"):
                await database.fetch("CREATE TABLE lost (at int)")
        async with connected(settings_of(url, tmp_path)) as at_former:
            (row,) = await at_former.fetch("SELECT to_regclass('mark') AS mark, to_regclass('lost') AS lost")
            assert (row["mark"], row["lost"]) == (None, None)


async def fails(database: Database, error: type[DatabaseUnavailable]) -> bool:
    """Whether it fails with this error."""
    try:
        await database.ping()
    except DatabaseUnavailable as failure:
        return isinstance(failure, error)
    return False


async def refuses_a_standby(settings: Settings) -> None:
    """Neither the lock nor the connections of a server can start there, and both say why in one line."""
    says = r"^TAXIRANK_DATABASE_URL: .* accepts no writes .*: use the primary$"
    with pytest.raises(WrongDatabase, match=says):
        await InstanceLock(settings).acquire()
    with pytest.raises(WrongDatabase, match=says):
        await Database(settings).connect()


@pytest.mark.usefixtures("hosts_have_long_to_answer")
async def test_only_the_first_caller_waits_for_a_host_that_does_not_answer(
    own: OwnPostgres, tmp_path: Path
) -> None:
    url = own.copy()
    folder = url.partition("host=")[2]
    # Accepts connections and sends nothing, like a machine that stands still.
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / ".s.PGSQL.5432"))
        silent.listen()
        database = Database(settings_of(hosts(url, str(tmp_path), folder), tmp_path))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await database.connect()
        async with asyncio.timeout(PATIENCE_S):
            await database.connect()
        await database.disconnect()


@pytest.mark.usefixtures("hosts_have_long_to_answer")
async def test_nobody_waits_for_a_host_that_does_not_answer_when_another_has_become_the_primary(
    own: OwnPostgres, tmp_path: Path
) -> None:
    url = own.copy()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / ".s.PGSQL.5432"))
        silent.listen()
        connector = pool_connector(settings_of(hosts(url, str(tmp_path), url.partition("host=")[2]), tmp_path))
        # It was the primary when the hosts were asked.
        connector._has_looked = True
        connecting = asyncio.create_task(connector.connect())
        await until(lambda: connector._attempts)
        for timeline in (1, 2):
            connector.learn(connector.address.hosts[1], Primary("the cluster", timeline))
        async with asyncio.timeout(PATIENCE_S):
            connection = await connecting
        await connection.close()


async def test_a_server_whose_database_turns_read_only_is_not_ready_until_that_is_over(
    own: OwnPostgres, live_server: LiveServer, settings: Settings
) -> None:
    name = settings.database_url.partition("?")[0].rpartition("/")[2]
    async with Api(live_server.url) as api:
        await api.sign_up("RIDER")
        # As managed services do when the disk is full. Open connections must notice it too.
        own.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await live_server.application.database.fetch("SET default_transaction_read_only = on")
        assert await api.code(SIGN_UP) == "INTERNAL"
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "unusable")
        own.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        # Read-only connections are replaced.
        assert (await api.http.get("/readyz")).status_code == 200
        await api.sign_up("RIDER")


SIGN_UP = """mutation {
    signUp(input: {username: "rosa", password1: "correct-horse-battery-9", password2: "correct-horse-battery-9",
        firstName: "R", lastName: "A", role: RIDER}) { __typename }
}"""


async def test_the_whole_stop_has_one_time_limit_even_if_postgresql_is_frozen(
    own: OwnPostgres, settings: Settings
) -> None:
    given = {"database_url": settings.database_url, "shutdown_timeout_s": 3, "media_url": settings.media_url}
    async with server_process(**given, log_format="json") as server, Api(server.url) as api:
        await server.ready()
        own.freeze()
        try:
            signing_up = asyncio.create_task(api.post(SIGN_UP))
            # Its connection is answered, so earlier messages are being processed.
            assert (await api.http.get("/healthz")).status_code == 200
            await server.stop()
        finally:
            own.thaw()
        await asyncio.gather(signing_up, return_exceptions=True)
        log = server.log()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    times = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    (gave_up, *_) = (
        at for at, line in zip(times, lines, strict=True) if line["event"] == "stopped without waiting any longer"
    )
    # All other parts end at once: a further limit would be 0.9 s.
    assert (times[-1] - gave_up).total_seconds() < 0.9, log
    assert lines[-1]["event"] == "stopped"


async def test_the_lock_is_taken_again_after_a_restart_of_postgresql(own: OwnPostgres, settings: Settings) -> None:
    lock = await watched(settings, fail_if_lost)
    before = lock._connection
    await own.stop()
    await own.start()
    # A second server that asked earlier could win it.
    await until(lambda: lock._connection not in {None, before})
    with pytest.raises(AnotherServer):
        await InstanceLock(settings).acquire()
    await lock.release()


async def test_a_server_stops_when_another_took_the_lock_while_postgresql_restarted(
    own: OwnPostgres, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = asyncio.Event()
    first = await watched(settings, lost.set)
    # It is checking something else at that moment.
    monkeypatch.setattr(instance_lock, "RETRY_INTERVAL_S", 3.0)
    await own.stop()
    await until(lambda: first._connection is None)
    await own.start()
    second = InstanceLock(settings)
    await second.acquire()
    async with asyncio.timeout(PATIENCE_S):
        await lost.wait()
    await first.release()
    await second.release()


async def test_a_server_that_lost_its_lock_to_another_ends_with_an_error_and_one_line_that_says_why(
    settings: Settings,
) -> None:
    given = {"database_url": settings.database_url, "media_url": settings.media_url, "shutdown_timeout_s": 2}
    async with server_process(**given, log_format="json") as server, connected(settings) as database:
        await server.ready()
        other = await asyncpg.connect(settings.database_url)
        # It waits in line, so it gets the lock next.
        waiting = asyncio.create_task(other.execute("SELECT pg_advisory_lock($1)", instance_lock._LOCK_KEY))
        await until(lambda: database.fetch("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'taxirank lock%'"
        )
        await waiting
        status = await server.ended()
        await other.close()
        log = server.log()
    assert status == 1
    assert "another server uses this database" in json.loads(log.splitlines()[-2])["event"]
    assert "Traceback" not in log


async def test_after_postgresql_was_frozen_the_lock_is_taken_again_from_the_previous_session(
    own: OwnPostgres, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_lock, "WATCH_INTERVAL_S", 0.05)
    monkeypatch.setattr(instance_lock, "ANSWER_TIMEOUT_S", 0.2)
    lock = await watched(settings, fail_if_lost)
    before = lock._connection
    own.freeze()
    await until(lambda: lock._connection is None)
    own.thaw()
    monkeypatch.setattr(instance_lock, "ANSWER_TIMEOUT_S", 5.0)
    await until(lambda: lock._connection not in {None, before})
    with pytest.raises(AnotherServer):
        await InstanceLock(settings).acquire()
    await lock.release()


async def watched(settings: Settings, on_lost: Callable[[], None]) -> InstanceLock:
    """A lock that is watched."""
    lock = InstanceLock(settings, on_lost=on_lost)
    await lock.acquire()
    async with connected(settings) as database:
        await lock.watch(database)
    return lock


def fail_if_lost() -> None:
    pytest.fail("the lock was given up")
