"""Fixtures: every behaviour runs on SQLite with the in-process bus, and on PostgreSQL with Redis."""

import gc

# Before the imports: almost nothing that they and the test collection create is garbage.
gc.set_threshold(200_000, 50, 100)

import asyncio
import logging
import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx._transports.default as transports
import pytest
import redis.utils
import starlette_admin.base
import structlog
import uvicorn
from filelock import FileLock
from jinja2 import Environment, FileSystemBytecodeCache
from tortoise.models import MetaInfo
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from application import execution as execution_of_settings
from application.application import Application
from application.asgi import Asgi
from application.lifespan import running
from application.serving import uvicorn_options
from application.settings import Settings
from schema.operations import execution
from schema.operations.compiled import answers, plan_cache
from services.accounts import passwords
from services.limits import throttle
from tests.support import attacks, servers, tools
from tests.support.api import Api
from tests.support.built_once import schemas_once
from tests.support.computed_once import RememberedDocuments, filters_once, rates_once
from tests.support.in_process import listening
from tests.support.processes import HASH_MEMORY_KIB, WITHOUT_LIMITS

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parent
# Browsers, clients in other languages, servers in separate processes, load, fuzzing and many rows: two thirds of
# the total time; the longest first.
SLOW = (
    *("browser/", "live/", "clients/", "audits/", "federation/", "simulation/", "fuzzing/"),
    *("deploy/test_proxies.py", "deploy/test_rolling_deploys.py", "deploy/test_backup.py"),
    "deploy/test_early_answers.py",
    "application/test_command_line.py",
    "gateway/test_malformed_requests.py",
    *("services/database/test_postgres.py", "services/database/test_replicas.py"),
    "test_races.py",
    "schema/api/test_ended_sessions.py",
    "schema/api/test_refused_values.py",
    "schema/transport/test_sharing.py",
    "services/live/test_slices_of_the_city.py",
    "schema/operations/compiled/test_whole_schema.py",
    "schema/operations/compiled/test_equal.py",
    "application/test_workers.py",
    "services/database/test_query_plans.py",
    "services/database/test_migrations.py",
    "services/events/test_redis_outages.py",
    "services/events/test_sentinels.py",
    "test_audit.py",
    "test_attack_command.py",
    "application/test_extreme_settings.py",
    "test_log_secrets.py",
    "test_readme.py",
)
# Files whose tests share what takes seconds to start, a browser or the process that servers are forked from: each
# group runs in one process.
TOGETHER = (
    ("browser/test_board", "browser/test_foreign_pages.py"),
    ("browser/",),
    (
        *("live/test_faults.py", "live/test_sentinel_faults.py"),
        *("live/test_killed_upload.py", "live/test_load_balancer.py"),
        *("deploy/test_proxies.py", "deploy/test_rolling_deploys.py", "deploy/test_early_answers.py"),
        "deploy/test_backup.py",
        *(
            "live/test_traces.py",
            "live/test_two_processes.py",
            "live/test_upload_memory.py",
            "application/test_command_line.py",
        ),
        *("services/database/test_postgres.py", "test_log_secrets.py"),
    ),
)


class FilesTogether(LoadFileScheduling):
    """Gives each file to one process, and the files that share something to the same."""

    def _split_scope(self, nodeid: str) -> str:
        """What stays whole of the tests; the file, if nothing else."""
        file = super()._split_scope(nodeid)
        below = file.removeprefix("tests/")
        return next((files[0] for files in TOGETHER if below.startswith(files)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether | None:
    """Give the tests to the processes, unless it was said how."""
    return FilesTogether(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the other executor."""
    parser.addoption(
        "--graphql-core", action="store_true", help="compile no operation: graphql-core executes whatever is sent"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Count the attempts of attacks, and avoid costs of each start and each failure."""
    config.pluginmanager.register(attacks, "attacks")
    # The tests start a hundred servers: if Python may not store compiled files, each would take 1.3 s more.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # Tests read the lines of all requests.
    logging.getLogger("taxirank.access").setLevel(logging.DEBUG)
    tools.find_node()
    # Servers that tests start build no pages, except in the tests of the pages.
    os.environ["TAXIRANK_BUILD_PAGES"] = "false"
    # structlog also shows the variables of a failure by default, which takes a second each.
    plainly = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plainly])
    # No server changes it, and building it takes as long as the rest of a start.
    execution_of_settings.build_schema = schemas_once(execution_of_settings.build_schema)
    execution.Documents = RememberedDocuments
    # A plan depends on nothing but the schema either.
    execution.PlanCache = cache(execution.PlanCache)
    passwords.zxcvbn = rates_once(passwords.zxcvbn)
    MetaInfo._generate_filters = filters_once(MetaInfo._generate_filters)
    # Each server compiles the admin's templates; the cache finds them by their contents.
    starlette_admin.base.Environment = partial(Environment, bytecode_cache=FileSystemBytecodeCache())
    # Each client would load the system's certificates, or at least a TLS library, for plain HTTP on loopback.
    transports.create_ssl_context = cache(transports.create_ssl_context)
    # Each connection would read the version of redis-py from disk.
    redis.utils.get_lib_version = cache(redis.utils.get_lib_version)
    # Compile every operation, also one that a test sends only once: its answer must stay the same.
    plan_cache.USES = 1
    if config.getoption("graphql_core"):
        answers.MAX_FIELDS = 0
    # A machine that is busy with other tests is not an unresponsive Redis. Tests of the time-out set their own.
    throttle.TIMEOUT_S = 10.0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Mark the tests that `-m "not slow"` leaves out, and run them first, so that all processes end at about the
    same time.
    """

    @cache
    def place(path: Path) -> int:
        below = path.relative_to(TESTS).as_posix()
        return next((place for place, slow in enumerate(SLOW) if below.startswith(slow)), len(SLOW))

    for item in items:
        if place(item.path) < len(SLOW):
            item.add_marker("slow")
    yield
    items.sort(key=lambda item: place(item.path))


def exclude_from_collections() -> None:
    """Collect all garbage, and exclude what is left from later garbage collections. They took a fourth of the
    total time, most of it in caches that stay.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """Exclude what stays for the whole run."""
    exclude_from_collections()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="module", autouse=True)
def garbage_is_collected_at_the_end_of_each_file() -> Iterator[None]:
    """Exclude what stays after a file."""
    yield
    exclude_from_collections()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of a run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[servers.Postgres]:
    """A real PostgreSQL, one for all processes of a run."""
    with servers.postgres(run_folder) as database:
        yield database


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis-protocol server."""
    with servers.redis() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(run_folder: Path) -> Path:
    """A migrated SQLite file to copy, one for all processes of a run."""
    path = run_folder / "template.sqlite3"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            unfinished = run_folder / "unfinished.sqlite3"
            servers.migrate(f"sqlite://{unfinished}")
            unfinished.rename(path)
    return path


@pytest.fixture(params=["embedded", "production"])
def backend(request: pytest.FixtureRequest) -> str:
    """The databases and the bus that a test runs on."""
    return request.param


@cache
def _common_settings() -> Settings:
    """The common settings of all servers; reading them takes as long as starting a server."""
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_pool_size=5,
        port=0,
        **WITHOUT_LIMITS,  # pyright: ignore[reportArgumentType]
    ).model_copy(update={"password_hash_memory_kib": HASH_MEMORY_KIB})


@pytest.fixture
def settings(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a server with an empty database."""
    own: dict[str, Any] = {"media_url": str(tmp_path / "media"), "mail_folder": tmp_path / "mail"}
    if backend == "embedded":
        path = tmp_path / "taxirank.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield _common_settings().model_copy(update={**own, "database_url": f"sqlite://{path}"})
        return
    postgres: servers.Postgres = request.getfixturevalue("postgres")
    database_url = postgres.lend()
    own["redis_url"] = request.getfixturevalue("redis_url")
    own["redis_prefix"] = f"test-{uuid.uuid4().hex}"
    yield _common_settings().model_copy(update={**own, "database_url": database_url})
    postgres.take_back(database_url)


@dataclass
class LiveServer:
    """A server within the test's process, with a real uvicorn on a free port."""

    url: str
    application: Application
    asgi: Asgi
    loop: asyncio.AbstractEventLoop


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[LiveServer]:
    """Serve an application as `server.py` does."""
    application = Application(settings)
    asgi = Asgi(application)
    options = {**uvicorn_options(settings, host="127.0.0.1", port=0), "loop": "none"}
    async with listening(uvicorn.Config(asgi, **options)) as port:
        running = LiveServer(f"http://127.0.0.1:{port}", application, asgi, asyncio.get_running_loop())
        yield running
        await attacks.see_alive_if_attacked(running.url)


@pytest.fixture
def topics_do_not_linger_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that start from now on close a topic soon after its last follower has left."""
    monkeypatch.setattr("application.application.LINGER_S", 0.05)


@pytest.fixture
async def live_server(settings: Settings) -> AsyncIterator[LiveServer]:
    """A running server with an empty database."""
    async with serving(settings) as server:
        yield server


@pytest.fixture
async def application(settings: Settings) -> AsyncIterator[Application]:
    """A server's use cases without HTTP."""
    application = Application(settings)
    async with running(application):
        yield application


SignUp = Callable[..., Awaitable[Api]]


@asynccontextmanager
async def people(server: LiveServer) -> AsyncIterator[SignUp]:
    """Creates people on a server: `await person("RIDER")` has signed up; `await person()` is logged out."""
    async with AsyncExitStack() as stack:

        async def make(role: str | None = None, **fields: Any) -> Api:
            api = await stack.enter_async_context(Api(server.url))
            return await api.sign_up(role, **fields) if role is not None else api

        yield make


@pytest.fixture
async def person(live_server: LiveServer) -> AsyncIterator[SignUp]:
    """Creates people on the running server."""
    async with people(live_server) as make:
        yield make


@pytest.fixture
async def rider(person: SignUp) -> Api:
    """A rider who is logged in."""
    return await person("RIDER")


@pytest.fixture
async def driver(person: SignUp) -> Api:
    """A driver who is logged in."""
    return await person("DRIVER")
