"""Whole servers in separate processes."""

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx

from tests.support import forked
from tests.support.attacks import see_alive_if_attacked
from tests.support.waiting import until

# Imports take long on a busy machine.
START_TIMEOUT_S = 45.0
# Below the minimum of the setting: thousands sign up.
HASH_MEMORY_KIB = 64
# Many people sign up in tests, and quickly.
WITHOUT_LIMITS = {
    "log_in_rate": "off",
    "sign_up_rate": "off",
    "recovery_rate": "off",
    "trip_rate": "off",
    "estimate_rate": "off",
    "subscribe_rate": "off",
    "open_trips_per_rider": "off",
    # All tests use one address, and many do what would block it, or more than a client would.
    "socket_offence_rate": "off",
    "socket_message_rate": "off",
}


class ServerProcess:
    """``server.py serve`` on a free port of loopback."""

    # It needs nothing of the test's environment.
    loop: None = None

    def __init__(self, port: int, process: ForkServerProcess, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    def log(self) -> str:
        """Its output."""
        return self._log.read_text(errors="replace")

    async def ready(self) -> None:
        """Return when it serves. Raises: AssertionError with its log if it has ended instead."""
        async with httpx.AsyncClient(base_url=self.url) as http:

            async def answers() -> bool:
                assert self._process.exitcode is None, self.log()
                try:
                    return (await http.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    # Polling faster would take processor time from the starting servers.
                    await asyncio.sleep(0.05)
                    return False

            await until(answers, START_TIMEOUT_S)

    def freeze(self) -> None:
        """Freeze it, as a process without CPU time."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.join()

    async def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Stop it normally; its exit status."""
        if self._process.exitcode is None:
            os.kill(self.pid, by)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; its exit status."""
        await until(lambda: self._process.exitcode is not None)
        assert self._process.exitcode is not None
        return self._process.exitcode


@asynccontextmanager
async def server_process(
    *, prepare: Callable[[], None] | None = None, port: int = 0, **settings: object
) -> AsyncGenerator[ServerProcess]:
    """A server with these settings, without limits and with cheap hashes of passwords. It may not be ready yet, so
    that several can start in parallel. ``prepare`` runs in its process first: a function of a module. ``port``:
    otherwise a free one.
    """
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
    # The least that is allowed: each start makes one, too.
    cheap = {"build_pages": False, "password_hash_memory_kib": 1024}
    settings = WITHOUT_LIMITS | cheap | settings
    environment = {f"TAXIRANK_{name.upper()}": str(value) for name, value in settings.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TAXIRANK_")}
    with tempfile.NamedTemporaryFile() as file:
        log = Path(file.name)
        process = forked.start(["serve", "--port", str(port)], {**inherited, **environment}, log, prepare=prepare)
        running = ServerProcess(port, process, log)
        try:
            yield running
            await see_alive_if_attacked(running.url)
        finally:
            if process.exitcode is None:
                running.thaw()
            await running.stop()
