"""Worker processes have enough time to start, and every death of one is logged."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from application import workers
from application.application import Application
from application.asgi import Asgi
from application.lifespan import running
from application.paths import ROOT
from application.settings import Settings
from services.database.instance_lock import AnotherServer
from tests.support.waiting import PATIENCE_S, until

WITHOUT_TABLES = ROOT / "tests" / "support" / "without_tables"
# The constants are changed in the parent process; the application is loaded in its workers.
PROGRAM = """
import functools
import os
import sys
import structlog
import uvicorn
from application import workers
from gateway.uvicorn.http_protocol import HttpProtocol
from services.runtime.fair_queue import FairQueue

if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    log = structlog.get_logger()
    workers._log = log
    for change in sys.argv[3:]:
        name, _, value = change.partition("=")
        setattr(workers, name, float(value))
    config = uvicorn.Config(
        f"tests.support.asgi_apps:{sys.argv[1]}", factory=True, workers=2, log_config=None,
        timeout_graceful_shutdown=int(os.environ.get("GRACE_S", "1")),
        # uvicorn's own closes a connection whose request it has not read yet.
        http=functools.partial(HttpProtocol, timeout_s=10.0, handshakes=FairQueue()),
    )
    try:
        with workers.bound("127.0.0.1", int(sys.argv[2])) as listeners:
            workers.run(config, listeners, on_ready=lambda: log.info("serving"))
    except workers.NoneStarted:
        sys.exit(1)
"""


@pytest.fixture
def backend() -> str:
    """One of the two, because no database is used."""
    return "embedded"


class Parent:
    """A process with two workers."""

    def __init__(self, process: Process, url: str) -> None:
        self.process = process
        self.url = url

    async def line(self) -> dict[str, Any]:
        """The next line of its log."""
        assert self.process.stderr is not None
        while not (line := await self.process.stderr.readline()).startswith(b"{"):
            assert line, "it has ended"
        return json.loads(line)

    async def ended(self) -> tuple[int | None, list[dict[str, Any]]]:
        """Its exit code and the rest of its log."""
        _, err = await self.process.communicate()
        return self.process.returncode, [json.loads(line) for line in err.splitlines() if line.startswith(b"{")]

    async def pid(self) -> int:
        """The process of a worker."""
        async with httpx.AsyncClient(verify=False, timeout=PATIENCE_S) as http:
            return int((await http.get(self.url)).text)


@asynccontextmanager
async def parent(app: str, *changes: str, **environment: str) -> AsyncGenerator[Parent]:
    """Two workers of an application of tests/support/asgi_apps.py."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        # Without the folder that it starts in: PYTHONPATH says what comes first.
        *(sys.executable, "-P", "-c", PROGRAM, app, str(port), *changes),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{WITHOUT_TABLES}{os.pathsep}{ROOT}", **environment},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield Parent(process, f"http://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
        # The workers also hold the pipes until they have ended.
        await process.communicate()


@pytest.mark.parametrize(("app", "cause"), [("fails", {"exit_code": 1}), ("is_killed", {"signal": "SIGKILL"})])
async def test_if_no_worker_can_start_the_server_ends_with_an_error_and_logs_each_death(
    app: str, cause: dict[str, object]
) -> None:
    async with parent(app) as server:
        code, log = await server.ended()
    assert code == 1
    assert [line["event"] for line in log] == ["worker died"] * 2
    assert all(cause.items() <= line.items() and not line["was_ready"] for line in log)


async def test_a_worker_that_cannot_start_is_tried_again_while_another_serves(tmp_path: Path) -> None:
    async with parent("fails_once", "RESTART_PAUSE_S=0", FAILED_ONCE=str(tmp_path / "once")) as server:
        events = [await server.line(), await server.line()]
        assert sorted(line["event"] for line in events) == ["serving", "worker died"]
        (died,) = (line for line in events if line["event"] == "worker died")
        assert died["exit_code"] == 7
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended() == (0, [])


async def test_a_worker_that_is_killed_is_logged_and_replaced() -> None:
    async with parent("works") as server:
        assert (await server.line())["event"] == "serving"
        victim = await server.pid()
        os.kill(victim, signal.SIGKILL)
        died = await server.line()
        assert (died["event"], died["pid"], died["signal"]) == ("worker died", victim, "SIGKILL")
        assert await server.pid() != victim
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended() == (0, [])


async def test_sighup_replaces_the_workers_one_by_one_and_one_of_them_always_answers() -> None:
    async with parent("works") as server:
        assert (await server.line())["event"] == "serving"
        before = {await server.pid()}
        server.process.send_signal(signal.SIGHUP)
        assert (await server.line())["event"] == "replacing all workers, one by one"
        replaced = asyncio.create_task(server.line())
        while not replaced.done():
            # Fails if nobody listens, and if a worker ends that has just taken the connection.
            before.add(await server.pid())
        assert (await replaced)["event"] == "all workers are replaced"
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended() == (0, [])
    # Two old ones and two new ones.
    assert 3 <= len(before) <= 4


async def test_if_a_new_worker_does_not_start_the_old_ones_stay(tmp_path: Path) -> None:
    limit = tmp_path / "starts"
    limit.write_text("xx")
    async with parent("starts_so_often", STARTS=str(limit)) as server:
        assert (await server.line())["event"] == "serving"
        await until(lambda: not limit.read_text())
        before = await server.pid()
        server.process.send_signal(signal.SIGHUP)
        assert (await server.line())["event"] == "replacing all workers, one by one"
        assert (await server.line())["event"] == "worker died"
        assert (await server.line())["event"] == "a new worker does not start: the old ones stay"
        os.kill(before, 0)
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended() == (0, [])


async def test_a_worker_that_stops_answering_is_logged_killed_and_replaced() -> None:
    async with parent("works", "ANSWER_TIMEOUT_S=1") as server:
        assert (await server.line())["event"] == "serving"
        victim = await server.pid()
        os.kill(victim, signal.SIGSTOP)
        assert (await server.line())["event"] == "worker does not answer; killing it"
        assert (await server.line())["event"] == "worker died"
        assert await server.pid() != victim


async def test_a_worker_that_does_not_start_in_time_is_logged() -> None:
    # No process can load all modules in no time.
    async with parent("works", "START_TIMEOUT_S=0") as server:
        code, log = await server.ended()
    assert code == 1
    assert {line["event"] for line in log} == {"worker did not start in time; killing it", "worker died"}


async def test_while_the_workers_answer_their_last_requests_nobody_can_connect() -> None:
    """A balancer that is refused chooses another server; nobody would serve who could connect."""
    async with parent("works", GRACE_S="60") as server:
        assert (await server.line())["event"] == "serving"
        address = "127.0.0.1", urlsplit(server.url).port
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        server.process.terminate()

        async def is_refused() -> bool:
            try:
                _, other = await asyncio.open_connection(*address)
            except ConnectionRefusedError:
                return True
            other.close()
            return False

        await until(is_refused)
        writer.write(b"12")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert (await server.ended())[0] == 0


async def test_workers_end_when_their_parent_is_killed() -> None:
    async with parent("works") as server:
        assert (await server.line())["event"] == "serving"
        await server.pid()
        server.process.kill()

        async def is_free() -> bool:
            try:
                await server.pid()
            except httpx.TransportError:
                return True
            return False

        await until(is_free)


def test_a_worker_has_enough_time_to_start_on_a_slow_machine() -> None:
    # With 0.3 of a core for two workers, a server needs about half a minute.
    assert workers.START_TIMEOUT_S >= 90
    assert workers.ANSWER_TIMEOUT_S >= 30


async def test_a_start_that_fails_in_the_serving_process_is_one_line(settings: Settings) -> None:
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    first, second = Application(settings), Application(settings)
    async with running(first):
        with pytest.raises(AnotherServer):
            await Asgi(second)({"type": "lifespan", "state": {}}, receive, send)
    (failed,) = told
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"].startswith("another server uses this database")
    assert "\n" not in failed["message"]


def test_every_address_of_a_host_name_is_bound() -> None:
    with workers.bound("localhost", 0) as listeners:
        assert {listener.getsockname()[0] for listener in listeners} <= {"127.0.0.1", "::1"}
        assert listeners
