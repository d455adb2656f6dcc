"""The servers under test. Each runs as a process on a core of its own."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import psutil

from application.paths import ROOT
from application.settings import PREFIX
from benchmarks import cores
from benchmarks.http_client import HttpClient, HttpFailed
from benchmarks.sizes import Sizes

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test. ``label``: its name in tables and charts."""

    name: str
    label: str
    module: tuple[str, ...]


TAXIRANK = Target("taxirank", "Taxirank", ("server.py", "serve"))
UNSHARED = Target("unshared", "without sharing", ("-m", "benchmarks.unshared", "serve"))
BARE = Target("bare", "bare Starlette", ("-m", "benchmarks.bare_socket"))
TARGETS = (TAXIRANK, UNSHARED, BARE)


@dataclass(frozen=True, slots=True)
class Running:
    """A running target."""

    target: Target
    port: int
    process: psutil.Process


class ServerDied(Exception):
    """The server ended or never answered. The text has the end of its log."""


@asynccontextmanager
async def running(
    target: Target,
    *,
    environment: dict[str, str],
    sizes: Sizes | None,
    log: Path,
    port: int | None = None,
    drain_s: float = 0.0,
) -> AsyncGenerator[Running]:
    """Start a target on the server's core, by default on a free port, and stop it, which takes ``drain_s`` longer
    than usual.

    Raises: ServerDied.
    """
    port = port or _free_port()
    command = [sys.executable, *target.module, "--port", str(port)]
    if sizes is not None and target is BARE:
        command += ["--sizes", orjson.dumps(asdict(sizes)).decode()]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    process = _start(command, {**inherited, **environment}, log)
    try:
        await _answers(process, port, log)
        yield Running(target, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, drain_s + STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(command: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    cores.pin(process.pid, cores.SERVER_CORE)
    return process


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Return when the server is ready."""
    probe = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while process.poll() is None:
                try:
                    async with HttpClient(port) as http:
                        await http.post(probe)
                        return
                except (OSError, HttpFailed):
                    await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    raise ServerDied(_last_words(log))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
