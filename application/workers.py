"""Runs uvicorn: binds its addresses, and starts, replaces and ends its worker processes.

Longer than 300 lines because the life of a worker, from its start to its end, is in one class.
"""

import errno
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import cast

import structlog
import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess
from uvicorn.supervisors.multiprocess import Process as UvicornProcess

from application.uvicorn_server import CannotListen, Server

# A starting worker imports all modules, perhaps with only a third of a core.
START_TIMEOUT_S = 120.0
# A thread of the worker answers even while its event loop is blocked. A worker that does not answer has no CPU
# time, or is suspended.
ANSWER_TIMEOUT_S = 30.0
CHECK_INTERVAL_S = 0.5
END_INTERVAL_S = 0.1
# The pause before a worker that failed to start is started again.
RESTART_PAUSE_S = 5.0
# The time for a worker to end, beyond its time for requests.
END_TIMEOUT_S = 5.0

_log = structlog.stdlib.get_logger("taxirank")


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


def run(
    config: uvicorn.Config, listeners: list[socket.socket], *, on_ready: Callable[[], None], drain_s: float = 0
) -> None:
    """Serve until SIGTERM or SIGINT. ``on_ready`` is called once, when the first request can be answered.

    ``drain_s``: how long the drain of a worker may take, before its time for requests.

    Raises:
        CannotListen: another server took the port first.
        NoneStarted: no worker process could start.
        SystemExit: the application could not start or had to stop. It has logged why.
    """
    if config.workers > 1:
        Workers(config, listeners, on_ready=on_ready, drain_s=drain_s).run()
    else:
        Server(config, on_ready=on_ready).run(listeners)


@dataclass
class _Watch:
    """The state of one worker."""

    began_s: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    is_asked: bool = False
    answered_s: float = 0.0
    # When its replacement starts. None while the worker lives.
    replaced_at_s: float | None = None


class Process(UvicornProcess):
    """A worker process, with this module's server."""

    @property
    def server(self) -> Server:
        """The server in the worker."""
        if self._server is None:
            self._server = Server(self.config)
        return cast("Server", self._server)


class Workers(Multiprocess):
    """uvicorn's worker processes: each has time to start, and is replaced when it dies, which is logged.

    uvicorn gives a starting worker no more time than a serving one, waits for the workers one after another, and
    does not log how they die.

    SIGHUP replaces all workers, one by one: a new one starts, and when it is ready, an old one ends. They read the
    code and the settings again. If a new one does not start, the old ones stay.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        *,
        on_ready: Callable[[], None],
        drain_s: float = 0,
    ) -> None:
        super().__init__(config, sockets)
        self.processes: list[Process] = []  # pyright: ignore[reportIncompatibleVariableOverride]
        self._on_ready: Callable[[], None] | None = on_ready
        self._end_timeout_s = drain_s + (config.timeout_graceful_shutdown or 0) + END_TIMEOUT_S
        # The workers to replace, the new one that starts for one of them, and until when each old one may end.
        self._old: list[Process] = []
        self._new: Process | None = None
        self._leaving: dict[Process, float] = {}
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
                self._replace_next()
                self._end_leaving(time.monotonic())
        # The workers have their own. With these, clients would wait at a port that nobody serves any more.
        for listener in self.sockets:
            listener.close()
        self.terminate_all()
        self.join_all()
        if self._no_worker_starts():
            raise NoneStarted

    def init_processes(self) -> None:
        """Start the workers."""
        for _ in range(self.processes_num):
            self._start()

    def _start(self) -> Process:
        process = Process(self.config, self.sockets)
        process.start()
        self.processes.append(process)
        return process

    def handle_hup(self) -> None:
        """Begin to replace all workers."""
        _log.info("replacing all workers, one by one")
        self._old = [process for process in self.processes if process is not self._new]

    def _replace_next(self) -> None:
        """Start a new worker, or end an old one in whose place a new one is ready."""
        if self.should_exit.is_set():
            return
        # Others may have died, and have been replaced.
        self._old = [process for process in self._old if process in self.processes]
        if self._new is None:
            if self._old:
                self._new = self._start()
        elif (watch := self._watches.get(self._new)) is not None and watch.is_ready:
            self._retire(self._old.pop(0) if self._old else self._new)
            self._new = None
            if not self._old:
                _log.info("all workers are replaced")

    def _retire(self, process: Process) -> None:
        self.processes.remove(process)
        process.terminate()
        self._leaving[process] = time.monotonic() + self._end_timeout_s

    def _end_leaving(self, now_s: float) -> None:
        for process, deadline_s in tuple(self._leaving.items()):
            if process.process.is_alive() and now_s > deadline_s:
                _log.error("worker did not end in time; killing it", pid=process.pid)
                process.process.kill()
            elif not process.process.is_alive():
                process.process.join()
                del self._leaving[process]

    def keep_subprocess_alive(self) -> None:
        """Check each worker, and replace those that have died."""
        if self.should_exit.is_set():
            return
        self._watches = {process: self._watches.get(process) or _Watch() for process in self.processes}
        now_s = time.monotonic()
        for index, process in enumerate(tuple(self.processes)):
            watch = self._watches[process]
            if watch.replaced_at_s is None and not self._is_healthy(process, watch, now_s):
                self._kill(process, watch, now_s)
                if process is self._new:
                    self._keep_old()
                    continue
            if self._no_worker_starts():
                self.should_exit.set()
                return
            if watch.replaced_at_s is not None and watch.replaced_at_s <= now_s:
                self.processes[index] = Process(self.config, self.sockets)
                self.processes[index].start()

    def _keep_old(self) -> None:
        """The new worker did not start. It is the last one of the list."""
        _log.error("a new worker does not start: the old ones stay", left=len(self._old))
        assert self._new is not None
        self.processes.remove(self._new)
        self._new, self._old = None, []
        self._failed_starts = 0

    def join_all(self) -> None:
        """Wait for the workers to end; kill those that do not end in time. Pass signals on to them."""
        self.signal_queue.clear()
        deadline_s = time.monotonic() + self._end_timeout_s
        self._leaving = dict.fromkeys(self.processes, deadline_s) | self._leaving
        while self._leaving:
            wait([process.process.sentinel for process in self._leaving], END_INTERVAL_S)
            self._end_leaving(time.monotonic())
            for number in self.signal_queue:
                for process in self._leaving:
                    with suppress(ProcessLookupError):
                        os.kill(process.process.pid or 0, number)
            self.signal_queue.clear()

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
