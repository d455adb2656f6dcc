"""The command line, as an operator uses it.

Servers run in separate processes. Of the other commands one does; the rest run in this process, because loading
everything takes seconds.
"""

import asyncio
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import sys
import uuid
import zipfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from typer.testing import CliRunner

from application import workers
from application.commands import cli
from application.paths import ROOT
from application.settings import PREFIX, Settings, load_settings
from schema.build import subgraph_sdl
from services.runtime import logs
from tests.support import servers
from tests.support.api import MY_TRIPS, PASSWORD, POOL, Api
from tests.support.brokers import broker, free_port
from tests.support.processes import ServerProcess, server_process
from tests.support.waiting import PATIENCE_S


@dataclass
class Outcome:
    """The result of a command."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in this process must not change its log configuration."""
    monkeypatch.setattr(logs, "configure", lambda **_: None)


@pytest.fixture
def environment(tmp_path: Path, sqlite_template: Path) -> dict[str, str]:
    """The environment of a process, with a migrated database for this test."""
    shutil.copy(sqlite_template, tmp_path / "taxirank.sqlite3")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | {
        "TAXIRANK_DATABASE_URL": f"sqlite://{tmp_path / 'taxirank.sqlite3'}",
        "TAXIRANK_MEDIA_URL": str(tmp_path / "media"),
        "TAXIRANK_PORT": "0",
        "TAXIRANK_BUILD_PAGES": "false",
        "TAXIRANK_PASSWORD_HASH_MEMORY_KIB": "1024",
        "TAXIRANK_SHUTDOWN_TIMEOUT_S": "2",
        "TAXIRANK_LOG_FORMAT": "json",
    }


async def start(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "server.py", *arguments, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe
    )


def command(environment: dict[str, str], *arguments: str, stdin: str | None = None) -> Outcome:
    """Run a command in this process."""
    ours = {name: None for name in os.environ if name.startswith(PREFIX)}
    result = CliRunner().invoke(cli, arguments, env=ours | environment, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Outcome(result.exit_code, result.stdout, result.stderr)


@dataclass
class Serving:
    """A server process that answers."""

    process: asyncio.subprocess.Process
    url: str
    log: list[str]

    async def stopped(self) -> int:
        """The exit code, after SIGTERM; the rest of the log is read."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            _, err = await self.process.communicate()
        self.log += err.decode().splitlines()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def serving(environment: dict[str, str]) -> AsyncIterator[Serving]:
    """`server.py` on a free port."""
    port = free_port()
    process = await start(environment | {"TAXIRANK_PORT": str(port)})
    server = Serving(process, f"http://127.0.0.1:{port}", [])
    try:
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(base_url=server.url) as http:
            while True:
                try:
                    assert (await http.get("/readyz")).status_code == 200
                    break
                except httpx.TransportError:
                    assert process.returncode is None
                    await asyncio.sleep(0.02)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def forked(environment: dict[str, str]) -> AbstractAsyncContextManager[ServerProcess]:
    """A forked server on a free port, for tests that are not about the start: a tenth of the time."""
    names = {name for name in environment if name.startswith(PREFIX)} - {f"{PREFIX}PORT"}
    return server_process(**{name.removeprefix(PREFIX).lower(): environment[name] for name in names})


def assert_one_line(outcome: Outcome, *hints: str) -> None:
    """The command failed with one line on standard error, and without a traceback."""
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith("taxirank: ")
    assert outcome.err.count("\n") == 1, outcome.err
    for hint in hints:
        assert hint in outcome.err


def test_the_committed_schema_equals_the_one_of_the_code(environment: dict[str, str], tmp_path: Path) -> None:
    committed = (ROOT / "schema.graphql").read_text(encoding="utf-8")
    printed = command(environment, "export-schema")
    assert (printed.code, printed.out) == (0, committed), "run `server.py export-schema schema.graphql`"


def test_the_schema_of_a_subgraph_is_printed_for_composing_a_graph(environment: dict[str, str]) -> None:
    printed = command(environment, "export-schema", "--subgraph")
    assert (printed.code, printed.out) == (0, subgraph_sdl())
    assert 'type Trip implements Node @key(fields: "id") {' in printed.out


def test_settings_lists_every_setting_with_its_description(environment: dict[str, str]) -> None:
    outcome = command(environment, "settings")
    assert outcome.code == 0
    listed = re.findall(r"^TAXIRANK_([A-Z0-9_]+)=.*\n    \S", outcome.out, re.MULTILINE)
    assert [name.lower() for name in listed] == list(Settings.model_fields)


@pytest.mark.parametrize(
    ("changes", "hints"),
    [
        ({"TAXIRANK_PROT": "1"}, ["unknown setting TAXIRANK_PROT", "server.py settings"]),
        ({"TAXIRANK_PORT": "eighty"}, ["TAXIRANK_PORT"]),
        (
            {"TAXIRANK_DATABASE_URL": "postgresql://me@127.0.0.1:1/x"},
            ["TAXIRANK_DATABASE_URL", "cannot be reached"],
        ),
        ({"TAXIRANK_MEDIA_URL": "ftp://x/y"}, ["TAXIRANK_MEDIA_URL"]),
        # Nobody can write there, not even root.
        ({"TAXIRANK_MEDIA_URL": "/proc"}, ["TAXIRANK_MEDIA_URL", "use one where this user may write"]),
        ({"TAXIRANK_MEDIA_URL": __file__}, ["TAXIRANK_MEDIA_URL", "name one that can be created"]),
        ({"TAXIRANK_MEDIA_OPTIONS": "{"}, ["TAXIRANK_MEDIA_OPTIONS: must be a JSON object"]),
        ({"TAXIRANK_MEDIA_OPTIONS": '{"region": "eu"}'}, ["TAXIRANK_MEDIA_OPTIONS", "leave them out"]),
        (
            {"TAXIRANK_MEDIA_URL": "s3://photos", "TAXIRANK_MEDIA_OPTIONS": '{"regoin": "eu"}'},
            ["TAXIRANK_MEDIA_OPTIONS: Unknown media option 'regoin'"],
        ),
        ({"TAXIRANK_MEDIA_URL": "s3://photos?regoin=eu"}, ["TAXIRANK_MEDIA_URL: Unknown media option 'regoin'"]),
        (
            {"TAXIRANK_DATABASE_URL": f"sqlite://{__file__}"},
            ["TAXIRANK_DATABASE_URL", "is not an SQLite database"],
        ),
        ({"TAXIRANK_DATABASE_URL": f"sqlite://{ROOT}"}, ["TAXIRANK_DATABASE_URL", "cannot be used"]),
        ({"TAXIRANK_DATABASE_URL": "sqlite:///proc/x.sqlite3"}, ["TAXIRANK_DATABASE_URL", "cannot be used"]),
        ({"TAXIRANK_HOST": "no.such.name.invalid"}, ["TAXIRANK_HOST: no.such.name.invalid is not an address"]),
        ({"TAXIRANK_HOST": "192.0.2.1"}, ["TAXIRANK_HOST: 192.0.2.1 is not an address of this machine"]),
        ({"TAXIRANK_TRUSTED_DOCUMENTS": "none.json"}, ["TAXIRANK_TRUSTED_DOCUMENTS: it cannot be read"]),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(
    environment: dict[str, str], changes: dict[str, str], hints: list[str]
) -> None:
    assert_one_line(command(environment | changes), *hints)


def test_a_port_in_use_is_one_line_before_the_log_says_serving(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        hint = f"TAXIRANK_PORT: port {port} of 127.0.0.1 is in use"
        assert_one_line(command(environment | {"TAXIRANK_PORT": port}), hint)
        assert_one_line(command(environment, "serve", "--port", port), hint)


def test_an_invalid_port_is_refused_as_an_option_too(environment: dict[str, str]) -> None:
    assert_one_line(command(environment, "serve", "--port", "99999"), "TAXIRANK_PORT")


@pytest.mark.parametrize("arguments", [["migrate"], ["seed-demo"], ["create-staff", "chief"]])
def test_a_file_that_is_not_a_database_is_one_line_for_every_command(
    environment: dict[str, str], arguments: list[str]
) -> None:
    database = {"TAXIRANK_DATABASE_URL": f"sqlite://{__file__}"}
    outcome = command(environment | database, *arguments, stdin=PASSWORD)
    assert_one_line(outcome, "TAXIRANK_DATABASE_URL", "is not an SQLite database: use another file")


def test_a_trusted_document_that_cannot_run_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "trusted.json").write_text('{"my-id": "{ me { id } }", "other-id": "{ nobody { id } }"}')
    trusted = {"TAXIRANK_TRUSTED_DOCUMENTS": str(tmp_path / "trusted.json")}
    hint = "TAXIRANK_TRUSTED_DOCUMENTS: its document 'other-id' cannot run: Cannot query field 'nobody'"
    assert_one_line(command(environment | trusted), hint)


def test_an_sqlite_file_that_cannot_be_created_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = {"TAXIRANK_DATABASE_URL": f"sqlite://{tmp_path}/file/x.sqlite3"}
    assert_one_line(command(environment | database), "TAXIRANK_DATABASE_URL", "cannot be created")


def test_an_unmigrated_postgresql_is_one_line_that_names_the_migrate_command(
    environment: dict[str, str], postgres: servers.Postgres
) -> None:
    postgres.execute("CREATE DATABASE unmigrated")
    database = {"TAXIRANK_DATABASE_URL": postgres.database_url("unmigrated")}
    try:
        assert_one_line(command(environment | database), "not up to date", "server.py migrate")
    finally:
        postgres.execute("DROP DATABASE unmigrated WITH (FORCE)")


def test_a_missing_postgresql_database_is_one_line(
    environment: dict[str, str], postgres: servers.Postgres
) -> None:
    database = {"TAXIRANK_DATABASE_URL": postgres.database_url("nowhere")}
    assert_one_line(command(environment | database), "TAXIRANK_DATABASE_URL", "nowhere")


async def test_a_server_serves_logs_in_json_and_refuses_a_second_one_on_its_file(
    environment: dict[str, str],
) -> None:
    async with serving(environment) as server:
        second = await asyncio.to_thread(command, environment)
        async with Api(server.url) as api:
            response = await api.http.get("/nothing", headers={"X-Request-ID": "from-the-proxy"})
            assert response.headers["X-Request-ID"] == "from-the-proxy"
            await api.post("mutation { logOut { errors { code } } }")
        assert await server.stopped() == 0
    assert_one_line(second, "another server uses this database")
    lines = [json.loads(line) for line in server.log]
    (line,) = [line for line in lines if line.get("request_id") == "from-the-proxy"]
    assert (line["event"], line["path"], line["status"], line["level"]) == ("request", "/nothing", 404, "info")
    assert all({"event", "level", "timestamp", "logger"} <= line.keys() for line in lines)
    assert lines[0]["event"] == "serving"
    assert lines[0]["graphql"] == f"{server.url}/graphql"
    assert lines[0]["board"] == f"{server.url}/"
    assert [line["event"] for line in lines[-2:]] == ["stopping", "stopped"]


async def test_a_second_server_on_one_in_process_postgresql_is_refused_and_sigint_ends_the_first_with_0(
    environment: dict[str, str], postgres: servers.Postgres
) -> None:
    environment["TAXIRANK_DATABASE_URL"] = postgres.copy()
    try:
        async with forked(environment) as server:
            await server.ready()
            assert_one_line(await asyncio.to_thread(command, environment), "another server uses this database")
            # Control-C must end the server as cleanly.
            assert await server.stop(signal.SIGINT) == 0
    finally:
        postgres.drop(environment["TAXIRANK_DATABASE_URL"])


async def test_sigterm_ends_the_server_within_the_set_time_while_sockets_are_open(
    environment: dict[str, str],
) -> None:
    async with forked(environment | {"TAXIRANK_SHUTDOWN_TIMEOUT_S": "100"}) as server, Api(server.url) as api:
        await server.ready()
        await api.sign_up("RIDER")
        events = {"Accept": "text/event-stream"}
        async with (
            api.socket() as socket,
            api.http.stream("POST", "/graphql", json={"query": MY_TRIPS}, headers=events) as stream,
        ):
            await (await socket.start(MY_TRIPS)).next()
            chunks = stream.aiter_bytes()
            received = b""
            while b"event: next" not in received:
                received += await anext(chunks)
            loop = asyncio.get_running_loop()
            began = loop.time()
            code = await server.stop()
            # It takes half a second on an idle machine: nothing waits for the hundred seconds of the setting.
            assert loop.time() - began < PATIENCE_S
            # No `complete` (clients would not reconnect), but a complete response: otherwise httpx would raise.
            assert b"".join([chunk async for chunk in chunks]) == b""
            assert code == 0
            assert (await socket.closed()).code in (1012, 1006)
        assert "Traceback" not in server.log()


async def test_a_redis_cluster_is_refused_in_one_line(environment: dict[str, str]) -> None:
    async with broker(**{"cluster-enabled": "yes"}) as cluster:
        environment |= {"TAXIRANK_REDIS_URL": cluster.url}
        outcome = await asyncio.to_thread(command, environment, "serve")
    assert_one_line(outcome, "TAXIRANK_REDIS_URL", "Redis Cluster", "write redis+cluster://HOST:PORT")


async def test_sentinels_that_cannot_be_used_are_refused_in_one_line(
    environment: dict[str, str], redis_url: str
) -> None:
    plain = redis_url.removeprefix("redis://").partition("/")[0]
    for place, *told in (
        (plain, f"{plain}: it is a Redis, not a Sentinel", "list only sentinels"),
        (f"127.0.0.1:{free_port()}", "no sentinel answers", "start them"),
    ):
        environment |= {"TAXIRANK_REDIS_URL": f"redis+sentinel://{place}/city"}
        outcome = await asyncio.to_thread(command, environment, "serve")
        assert_one_line(outcome, "TAXIRANK_REDIS_URL", *told)


async def test_two_workers_serve_sockets_and_end_with_the_server(
    environment: dict[str, str], redis_url: str
) -> None:
    environment |= {
        "TAXIRANK_WORKERS": "2",
        "TAXIRANK_REDIS_URL": redis_url,
        "TAXIRANK_REDIS_PREFIX": f"test-{uuid.uuid4().hex}",
    }
    async with serving(environment) as server, Api(server.url) as driver, Api(server.url) as rider:
        await driver.sign_up("DRIVER")
        await rider.sign_up("RIDER")
        async with driver.socket() as one, driver.socket() as other:
            pools = [await socket.start(POOL) for socket in (one, other)]
            for pool in pools:
                await pool.next()
            await rider.create_trip()
            for pool in pools:
                assert (await pool.next())["__typename"] == "TripOffered"
        assert await server.stopped() == 0
    assert [line for line in server.log if "Traceback" in line] == []


def test_links_in_letters_lead_to_the_port_of_the_command_line(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: list[int] = []
    monkeypatch.setattr(workers, "run", lambda *_, **__: ports.append(load_settings().port))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment |= {"TAXIRANK_PORT": "8000", "TAXIRANK_HOST": "127.0.0.1", "TAXIRANK_BUILD_PAGES": "false"}
    assert command(environment, "serve", "--port", str(port)).code == 0
    assert ports == [port]
    assert command(environment, "serve", "--port", "0").code == 0
    assert ports[1] > 0


def test_a_password_is_set_for_somebody_who_has_forgotten_it_and_the_sessions_end(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert command(environment, "create-staff", "chief", stdin=f"{PASSWORD}\n").code == 0
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        former, user_id = database.execute("SELECT password_hash, id FROM users").fetchone()
        database.execute(
            "INSERT INTO sessions (id, token_hash, created, used, user_id) "
            "VALUES (?, 'x', '2026-01-01', '2026-01-01', ?)",
            [user_id, user_id],
        )
    assert_one_line(command(environment, "set-password", "nobody", stdin=f"{PASSWORD}-2\n"), "no user 'nobody'")
    assert_one_line(command(environment, "set-password", "chief", stdin="chief123\n"), "easy to guess")
    assert command(environment, "set-password", "CHIEF", stdin=f"{PASSWORD}-2\n").code == 0
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        assert database.execute("SELECT password_hash FROM users").fetchone() != (former,)
        assert database.execute("SELECT * FROM sessions").fetchall() == []
        # By the user of the operating system, whatever the environment says.
        trail = database.execute(
            "SELECT staff_username, action, user_id FROM staff_actions ORDER BY id"
        ).fetchall()
    by = f"{pwd.getpwuid(os.getuid()).pw_name} (command line)"
    assert trail == [(by, "ADD_USER", user_id), (by, "SET_PASSWORD", user_id)]


def test_a_member_of_staff_is_created_once_and_with_a_strong_password(
    environment: dict[str, str], tmp_path: Path
) -> None:
    weak = command(environment, "create-staff", "chief", stdin="chief123\n")
    assert_one_line(weak, "easy to guess")
    made = command(environment, "create-staff", "chief", stdin=f"{PASSWORD}\n")
    assert (made.code, made.out) == (0, "created chief\n")
    assert_one_line(command(environment, "create-staff", "CHIEF", stdin=PASSWORD), "taken")
    # Every user of the machine can see arguments.
    assert command(environment, "create-staff", "other", "--password", PASSWORD).code == 2
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        assert database.execute("SELECT username, is_staff, role FROM users").fetchall() == [("chief", 1, "RIDER")]
    database.close()


def test_the_rights_of_staff_are_taken_away_but_not_from_the_last_one(environment: dict[str, str]) -> None:
    for name in ("chief", "stella"):
        assert command(environment, "create-staff", name, stdin=f"{PASSWORD}\n").code == 0
    done = command(environment, "revoke-staff", "Stella")
    assert (done.code, done.out) == (0, "Stella is no longer a member of staff, and all sessions have ended\n")
    assert_one_line(command(environment, "revoke-staff", "stella"), "'stella' is not a member of staff")
    assert_one_line(command(environment, "revoke-staff", "nobody"), "there is no user 'nobody'")
    assert_one_line(
        command(environment, "revoke-staff", "chief"), "the last active member of staff", "create-staff"
    )


def test_everything_about_a_person_is_written_to_a_file_of_its_own(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert_one_line(command(environment, "export-user", "dana"), "there is no user 'dana'")
    assert command(environment, "seed-demo").code == 0
    file = tmp_path / "dana.zip"
    made = command(environment, "export-user", "Dana", str(file))
    assert (made.code, made.out) == (0, f"wrote {file}\n")
    with zipfile.ZipFile(file) as archive:
        account = json.loads(archive.read("account.json"))
    assert account["account"]["username"] == "dana"
    assert len(account["trips_as_driver"]) > 0
    assert file.stat().st_mode & 0o077 == 0
    written = file.read_bytes()
    assert_one_line(command(environment, "export-user", "dana", str(file)), "cannot be written: File exists")
    assert_one_line(command(environment, "export-user", "dana", str(tmp_path / "no" / "x")), "cannot be written")
    assert file.read_bytes() == written


def test_a_photo_that_cannot_be_read_ends_an_export_with_one_line_and_no_file(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert command(environment, "seed-demo").code == 0
    photo = f"{uuid.uuid4().hex}.webp"
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        database.execute("UPDATE users SET photo = ? WHERE username = 'dana'", (photo,))
    # A link to itself cannot be read, even by root.
    (tmp_path / "media").mkdir(exist_ok=True)
    (tmp_path / "media" / photo).symlink_to(photo)
    file = tmp_path / "dana.zip"
    outcome = command(environment, "export-user", "dana", str(file))
    assert (outcome.code, outcome.err) == (1, "taxirank: The photo cannot be read at the moment.\n")
    assert not file.exists()


@pytest.mark.parametrize("name", ["set-password", "export-user", "create-staff", "revoke-staff", "approve-driver"])
def test_a_name_that_is_not_utf_8_ends_a_command_with_one_line(environment: dict[str, str], name: str) -> None:
    # So does Python decode the byte 0xff of an argument.
    assert_one_line(command(environment, name, "dan\udcff", stdin=f"{PASSWORD}\n"), "is not UTF-8")


def test_a_password_that_is_not_utf_8_ends_the_command_with_one_line(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(environment, "seed-demo").code == 0
    monkeypatch.setattr("application.commands.people.sys", SimpleNamespace(stdin=StringIO(f"{PASSWORD}\udcff\n")))
    assert_one_line(command(environment, "set-password", "dana"), "is not UTF-8")


def test_drivers_are_approved_and_refused_without_the_admin_and_the_trail_has_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"TAXIRANK_DRIVER_APPROVAL": "true", "TAXIRANK_ADMIN": "false"}
    assert command(environment, "list-waiting-drivers").out == "No driver waits.\n"
    assert command(environment, "seed-demo").code == 0
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        database.execute("UPDATE users SET approval = 'WAITING' WHERE username = 'dirk'")
    waiting = command(environment, "list-waiting-drivers")
    assert re.fullmatch(r"dirk\tDirk \w+\t\d{4}-\d\d-\d\d \d\d:\d\d UTC\t\w+ .+, \d seats\n", waiting.out), (
        waiting.out
    )

    for name in ("nobody", "rosa"):
        for arguments in (("approve-driver", name), ("refuse-driver", name, "--reason", "No licence.")):
            assert_one_line(command(environment, *arguments), f"there is no driver '{name}'")
    assert command(environment, "refuse-driver", "dirk").code == 2
    assert_one_line(command(environment, "refuse-driver", "dirk", "--reason", " "), "Give a reason")
    assert_one_line(command(environment, "refuse-driver", "dirk", "--reason", "x" * 501), "reason")
    for arguments, approval, reason in (
        (("approve-driver", "DIRK"), "APPROVED", None),
        (("approve-driver", "dirk"), "APPROVED", None),
        (("refuse-driver", "dirk", "--reason", "No licence."), "REFUSED", "No licence."),
    ):
        assert command(environment, *arguments).code == 0
        with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
            found = database.execute("SELECT approval, approval_reason FROM users WHERE username = 'dirk'")
            assert found.fetchall() == [(approval, reason)]
    assert command(environment, "list-waiting-drivers").out == "No driver waits.\n"
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        trail = database.execute("SELECT action, detail, staff_username FROM staff_actions ORDER BY id").fetchall()
        assert [row[:2] for row in trail] == [("APPROVE_DRIVER", ""), ("REVOKE_APPROVAL", "No licence.")]
        assert all(row[2].endswith(" (command line)") for row in trail)
    database.close()
    off = environment | {"TAXIRANK_DRIVER_APPROVAL": "false"}
    assert "TAXIRANK_DRIVER_APPROVAL is off" in command(off, "approve-driver", "dirk").out


def test_webhooks_are_managed_without_the_admin(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {"TAXIRANK_WEBHOOK_PRIVATE_HOSTS": "127.0.0.1:9"}
    assert command(environment, "webhooks", "list").out == "There is no endpoint.\n"
    for url, hint in (("https://127.0.0.1/", "the host is not a public one"), ("http://taxi.example/", "https")):
        assert_one_line(command(environment, "webhooks", "add", url), "Nothing can be sent to this address", hint)
    hook = "http://127.0.0.1:9/hook"
    assert_one_line(command(environment, "webhooks", "add", hook, "--event", "trip.stolen"), "trip.stolen")
    added = command(environment, "webhooks", "add", hook, "--event", "trip.completed", "--description", "Billing")
    endpoint_id, secret = added.out.split()
    assert secret.startswith("whsec_")
    listed = command(environment, "webhooks", "list").out
    assert listed == f"{endpoint_id}\tenabled\t{hook}\ttrip.completed\tBilling\n"
    assert command(environment, "webhooks", "rotate", endpoint_id).out.strip() not in ("", secret)
    assert command(environment, "webhooks", "test", endpoint_id).code == 0
    assert command(environment, "webhooks", "resend", endpoint_id).out == "0 dead letters are sent again\n"
    assert command(environment, "webhooks", "disable", endpoint_id).code == 0
    assert "\tdisabled (STAFF)\t" in command(environment, "webhooks", "list").out
    assert_one_line(command(environment, "webhooks", "test", endpoint_id), "enable it first")
    assert command(environment, "webhooks", "enable", endpoint_id).code == 0
    assert command(environment, "webhooks", "delete", endpoint_id).code == 0
    assert_one_line(command(environment, "webhooks", "delete", endpoint_id), "There is no such endpoint")
    assert command(environment, "webhooks", "delete", "7").code == 2
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        trail = database.execute(
            "SELECT action, detail, staff_username, staff_id, user_id FROM staff_actions ORDER BY id"
        ).fetchall()
    database.close()
    by = f"{pwd.getpwuid(os.getuid()).pw_name} (command line)"
    host = f"127.0.0.1:9 {endpoint_id}"
    kinds = ("ADD", "ROTATE", "TEST", "RESEND", "DISABLE", "ENABLE", "DELETE")
    assert trail == [
        (f"{kind}_WEBHOOK", f"{host} all" if kind == "RESEND" else host, by, None, None) for kind in kinds
    ]


def test_the_demo_data_is_created_once(environment: dict[str, str], tmp_path: Path) -> None:
    # Whatever is required of drivers.
    environment |= {"TAXIRANK_DRIVER_APPROVAL": "true", "TAXIRANK_VEHICLE_REQUIRED": "true"}
    first = command(environment, "seed-demo")
    assert first.code == 0
    assert first.out == f"Log in as rosa, ravi, dana, dirk with the password {PASSWORD}\n"
    again = command(environment, "seed-demo")
    assert (again.code, again.out) == (0, "The demo data already exists.\n")
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM users").fetchone() == (4,)
        statuses = {row[0] for row in database.execute("SELECT status FROM trips")}
        assert database.execute("SELECT count(*) FROM trips").fetchone() == (4,)
    database.close()
    assert statuses == {"COMPLETED", "STARTED", "CANCELLED", "REQUESTED"}


def test_the_demo_with_its_known_password_is_refused_if_there_is_a_public_address(
    environment: dict[str, str], tmp_path: Path
) -> None:
    public = {"TAXIRANK_PUBLIC_URL": "https://taxi.example"}
    assert_one_line(command(environment | public, "seed-demo"), "TAXIRANK_PUBLIC_URL is set")
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM users").fetchone() == (0,)
    database.close()


@pytest.mark.parametrize("arguments", [["serve"], ["migrate"], ["seed-demo"], ["create-staff", "chief"]])
def test_no_command_works_on_a_database_of_a_newer_version(
    environment: dict[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    with sqlite3.connect(tmp_path / "taxirank.sqlite3") as database:
        database.execute("INSERT INTO aerich (version, app, content) VALUES ('99_newer.py', 'models', '{}')")
    database.close()
    assert_one_line(
        command(environment, *arguments, stdin=PASSWORD), "99_newer.py", "this version knows only migrations up to"
    )


@pytest.mark.parametrize(
    ("arguments", "hints"),
    [
        (["localhost:8000"], ["'localhost:8000' is not the address of a server"]),
        (["http://127.0.0.1:1"], ["http://127.0.0.1:1: nothing answers"]),
        (["http://localhost", "--riders", "0"], ["--riders", "at least 1"]),
        (["http://localhost", "--center", "Amsterdam"], ["--center", "52.3702,4.8952"]),
        (["http://localhost", "--json", "/nowhere/summary.json"], ["--json", "/nowhere"]),
    ],
)
def test_a_simulation_that_cannot_run_is_one_line(
    environment: dict[str, str], arguments: list[str], hints: list[str]
) -> None:
    assert_one_line(command(environment, "simulate", *arguments), *hints)


def test_without_an_address_the_server_of_the_settings_is_used(environment: dict[str, str]) -> None:
    settings = {"TAXIRANK_HOST": "0.0.0.0", "TAXIRANK_PORT": "1"}
    assert_one_line(command(environment | settings, "simulate"), "http://localhost:1: nothing answers")


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (200, "<html>", "not a Taxirank"),
        (404, "{}", "not a Taxirank"),
        (200, '{"data": {"me": {"role": 1}}}', "not a Taxirank"),
        (503, '{"errors": []}', "is not ready"),
    ],
)
def test_simulating_on_another_server_or_an_unready_one_is_one_line(
    environment: dict[str, str], status: int, body: str, hint: str
) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as other, ThreadPoolExecutor() as threads:
        threads.submit(other.serve_forever)
        try:
            outcome = command(environment, "simulate", f"http://127.0.0.1:{other.server_port}")
        finally:
            other.shutdown()
    assert_one_line(outcome, hint)


async def test_an_interrupted_simulation_shows_the_summary_so_far(
    environment: dict[str, str], tmp_path: Path
) -> None:
    summary = tmp_path / "summary.json"
    few = ["--riders", "2", "--drivers", "2", "--requests-per-minute", "600", f"--json={summary}"]
    async with forked(environment) as server:
        await server.ready()
        process = await start(environment, "simulate", server.url, *few)
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while not (await process.stderr.readline()).startswith(b"driving"):
                assert process.returncode is None
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert out.startswith(b"requests ")
    assert out.count(b"as it must be") == 8
    assert json.loads(summary.read_bytes())["accepted_by_two"] == 0


@pytest.mark.attack("errors")
@pytest.mark.parametrize("form", ["json", "console"])
async def test_a_traceback_in_the_log_shows_no_values(environment: dict[str, str], form: str) -> None:
    program = f"""
import structlog
from services.runtime import logs

def log_in(password):
    raise ValueError

logs.configure(level="info", format="{form}")
try:
    log_in("".join(["hunt", "er2"]))
except ValueError as error:
    structlog.stdlib.get_logger("x").error("incident", exc_info=error)
"""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, env=environment, stderr=pipe
    )
    _, err = await process.communicate()
    assert b"ValueError" in err
    assert b"hunter2" not in err


@pytest.mark.attack("errors")
async def test_the_log_does_not_show_the_urls_of_requests_for_routes(environment: dict[str, str]) -> None:
    program = """
import logging
from services.runtime import logs
from tests.support.waiting import PATIENCE_S

logs.configure(level="debug", format="json")
for name in ("httpx", "httpcore.http11"):
    logging.getLogger(name).info("GET http://osrm/route/v1/driving/13.388860,52.517037")
logging.getLogger("others").info("heard")
"""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=ROOT, env=environment, stderr=pipe
    )
    _, err = await process.communicate()
    assert b"heard" in err
    assert b"13.388860" not in err
