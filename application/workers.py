"""Runs uvicorn: binds its addresses, and starts, replaces and ends its worker processes."""

import errno
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait

import structlog
import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

# A starting worker imports all modules, perhaps with only a third of a core.
START_TIMEOUT_S = 120.0
# A thread of the worker answers even while its event loop is blocked. A worker that does not answer has no CPU
# time, or is suspended.
ANSWER_TIMEOUT_S = 30.0
CHECK_INTERVAL_S = 0.5
# The pause before a worker that failed to start is started again.
RESTART_PAUSE_S = 5.0
# The time for a worker to end, beyond its time for requests.
END_TIMEOUT_S = 5.0

_log = structlog.stdlib.get_logger("taxirank")


class CannotListen(Exception):
    """The address or port is not available. ``setting`` names which; the text is one line that says what to do."""

    def __init__(self, error: OSError, host: str, port: int) -> None:
        self.setting = "PORT"
        if error.errno == errno.EADDRINUSE:
            text = f"port {port} of {host} is in use: stop the program that listens there, or choose another"
        elif error.errno in (errno.EACCES, errno.EPERM):
            text = f"port {port} is not allowed to this user: choose one above 1023"
        else:
            self.setting = "HOST"
            text = (
                f"{host} is not an address of this machine ({error.strerror}): use 127.0.0.1, or 0.0.0.0 for all"
            )
        super().__init__(text)


class NoneStarted(Exception):
    """None of the worker processes could start."""


@contextmanager
def bound(host: str, port: int) -> Generator[list[socket.socket]]:
    """Bind every address of the host, without listening, until the block ends. Raises: CannotListen."""
    refused: OSError | None = None
    with ExitStack() as stack:
        listeners: list[socket.socket] = []
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            failure = error if isinstance(error, OSError) else OSError(errno.EINVAL, "not a name")
            raise CannotListen(failure, host, port) from error
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                listener = stack.enter_context(closing(socket.socket(family, kind, protocol)))
                # Connections of the previous server may still be in TIME_WAIT.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind(address)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise CannotListen(error, host, port) from error
                # For example ::1 of `localhost` where IPv6 is off.
                refused = error
            else:
                listeners.append(listener)
        if not listeners:
            assert refused is not None
            raise CannotListen(refused, host, port) from refused
        yield listeners


def run(config: uvicorn.Config, listeners: list[socket.socket], *, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. ``on_ready`` is called once, when the first request can be answered.

    Raises:
        CannotListen: another server took the port first.
        NoneStarted: no worker process could start.
        SystemExit: the application could not start or had to stop. It has logged why.
    """
    if config.workers > 1:
        Workers(config, listeners, on_ready=on_ready).run()
    else:
        Server(config, on_ready=on_ready).run(listeners)


class Server(uvicorn.Server):
    """uvicorn's server. Reports when it is ready. Ends with status 0 only after a signal from outside."""

    def __init__(self, config: uvicorn.Config, *, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and listen. Raises: CannotListen."""
        try:
            await super().startup(sockets)
        except OSError as error:
            raise CannotListen(error, self.config.host, self.config.port) from error
        self._on_ready()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the end. Raises: CannotListen, and SystemExit as ``run`` does."""
        super().run(sockets)
        if self.lifespan.should_exit:
            # An application that stops itself also uses SIGTERM; only its lifespan shows the difference.
            sys.exit(1)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take signals as requests to end."""
        with super().capture_signals():
            yield
            if not self.force_exit:
                # uvicorn would raise the signals again, and a clean end would look like a kill.
                self._captured_signals.clear()


@dataclass
class _Watch:
    """The state of one worker."""

    began_s: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    is_asked: bool = False
    answered_s: float = 0.0
    # When its replacement starts. None while the worker lives.
    replaced_at_s: float | None = None


class Workers(Multiprocess):
    """uvicorn's worker processes: each has time to start, and is replaced when it dies, which is logged.

    uvicorn gives a starting worker no more time than a serving one, waits for the workers one after another, and
    does not log how they die.
    """

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], *, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self._on_ready: Callable[[], None] | None = on_ready
        self._watches: dict[Process, _Watch] = {}
        self._failed_starts = 0

    def run(self) -> None:
        """Start the workers and replace them until SIGTERM or SIGINT. Raises: NoneStarted."""
        with _woken_by_signals() as signals:
            self.init_processes()
            while not self.should_exit.is_set():
                living = [process.process.sentinel for process in self.processes if process.process.is_alive()]
                if signals in wait([*living, signals], CHECK_INTERVAL_S):
                    signals.recv(4096)
                self.handle_signals()
                self.keep_subprocess_alive()
        self.terminate_all()
        self.join_all()
        if self._no_worker_starts():
            raise NoneStarted

    def keep_subprocess_alive(self) -> None:
        """Check each worker, and replace those that have died."""
        if self.should_exit.is_set():
            return
        self._watches = {process: self._watches.get(process) or _Watch() for process in self.processes}
        now_s = time.monotonic()
        for index, process in enumerate(self.processes):
            watch = self._watches[process]
            if watch.replaced_at_s is None and not self._is_healthy(process, watch, now_s):
                self._kill(process, watch, now_s)
            if self._no_worker_starts():
                self.should_exit.set()
                return
            if watch.replaced_at_s is not None and watch.replaced_at_s <= now_s:
                self.processes[index] = Process(self.config, self.sockets)
                self.processes[index].start()

    def join_all(self) -> None:
        """Wait for the workers to end; kill those that do not end in time."""
        deadline_s = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + END_TIMEOUT_S
        for process in self.processes:
            process.process.join(max(0.0, deadline_s - time.monotonic()))
            if process.process.is_alive():
                _log.error("worker did not end in time; killing it", pid=process.pid)
                process.process.kill()
                process.process.join()

    def _is_healthy(self, process: Process, watch: _Watch, now_s: float) -> bool:
        if not process.process.is_alive():
            return False
        # The worker may die here; the next check sees that.
        with suppress(OSError, EOFError):
            if watch.is_asked and process.parent_conn.poll():
                watch.is_asked = False
                if process.parent_conn.recv():
                    watch.answered_s = now_s
                    self._mark_ready(process, watch)
            if not watch.is_asked:
                process.parent_conn.send(b"ping")
                watch.is_asked = True
        if watch.is_ready and now_s - watch.answered_s > ANSWER_TIMEOUT_S:
            _log.error("worker does not answer; killing it", pid=process.pid, waited_s=ANSWER_TIMEOUT_S)
            return False
        if not watch.is_ready and now_s - watch.began_s > START_TIMEOUT_S:
            _log.error("worker did not start in time; killing it", pid=process.pid, waited_s=START_TIMEOUT_S)
            return False
        return True

    def _mark_ready(self, process: Process, watch: _Watch) -> None:
        if watch.is_ready:
            return
        watch.is_ready = True
        self._failed_starts = 0
        _log.debug("worker is ready", pid=process.pid)
        if self._on_ready is not None:
            self._on_ready()
            self._on_ready = None

    def _kill(self, process: Process, watch: _Watch, now_s: float) -> None:
        process.kill()
        process.process.join()
        _log.error("worker died", pid=process.pid, was_ready=watch.is_ready, **_cause(process.exitcode))
        watch.replaced_at_s = now_s
        if not watch.is_ready:
            self._failed_starts += 1
            watch.replaced_at_s += RESTART_PAUSE_S

    def _no_worker_starts(self) -> bool:
        return self._failed_starts >= len(self.processes) and not any(
            watch.is_ready and watch.replaced_at_s is None for watch in self._watches.values()
        )


def end_with_parent() -> None:
    """Shut this process down when its parent dies without sending it a signal.

    Otherwise workers would continue to serve and keep the port after their parent was killed.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


def _cause(exit_code: int | None) -> dict[str, object]:
    if exit_code is None or exit_code >= 0:
        return {"exit_code": exit_code}
    try:
        return {"signal": signal.Signals(-exit_code).name}
    except ValueError:
        return {"signal": -exit_code}


@contextmanager
def _woken_by_signals() -> Generator[socket.socket]:
    """A socket that becomes readable when a signal arrives."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(before)
