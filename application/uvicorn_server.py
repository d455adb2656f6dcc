"""uvicorn's server in one process: it reports when it is ready, and drains before it stops."""

import asyncio
import errno
import math
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import structlog
import uvicorn

from gateway.draining import DRAINING, Draining
from gateway.uvicorn.http_protocol import HttpProtocol
from gateway.uvicorn.socket_protocol import SocketProtocol

# uvicorn's own.
TICK_S = 0.1
# libuv accepts one connection of a listener in each turn of the event loop. After an outage thousands come back at
# once, so each listener is there this often.
ACCEPTED_AT_ONCE = 16
# How often a server that stops looks for connections that it has not told yet.
LATE_S = 0.02
# How many turns of the event loop a server that stops goes on accepting at the most.
MAX_LAST_TURNS = 100

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


class Server(uvicorn.Server):
    """uvicorn's server. Ends with status 0 only after a signal from outside.

    After the signal it drains, as long as the application says (``Drain``). The same signal again ends that.
    """

    def __init__(self, config: uvicorn.Config, *, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._is_hurried = False
        self._drain: Drain | None = None
        self._listeners: list[socket.socket] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and listen. Raises: CannotListen."""
        if sockets is not None:
            for listener in sockets:
                # A duplicate is made like the original, and all share one mode, also those of other workers. An
                # `accept` that waits would stop their event loops.
                listener.setblocking(False)
            duplicates = [listener.dup() for listener in sockets for _ in range(ACCEPTED_AT_ONCE - 1)]
            sockets = self._listeners = [*sockets, *duplicates]
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

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second. Returns whether it is time to stop."""
        if not await super().on_tick(counter):
            return False
        if self._drain is None:
            draining: Draining = self.lifespan.state.get(DRAINING) or Draining()
            self._drain = Drain(draining, self.server_state.connections)
        if self._is_hurried:
            return True
        if not self._drain.is_delayed:
            await self._stop_listening()
        return self._drain.step()

    async def _stop_listening(self) -> None:
        """Close the port for this process. Does nothing the second time.

        Clients that have connected by now are accepted first. The system resets a connection that nobody has
        accepted when the listener is closed. The event loop accepts between two of its turns.
        """
        listening = select.poll()
        for server in self.servers:
            for listener in server.sockets:
                listening.register(listener.fileno(), select.POLLIN)
        for _ in range(MAX_LAST_TURNS):
            await asyncio.sleep(0)
            if not listening.poll(0):
                break
        for server in self.servers:
            server.close()
        for listener in self._listeners:
            listener.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end the connections, and stop the application."""
        await self._stop_listening()
        late = asyncio.create_task(self._tell_late(set(self.server_state.connections)))
        try:
            await super().shutdown(sockets)
        finally:
            late.cancel()

    async def _tell_late(self, told: set[Any]) -> None:
        """Tell those connections to go that uvicorn does not know when it tells all: one that was accepted in this
        turn of the event loop. The stop would wait for it, and then cut its sockets without a code.
        """
        while True:
            await asyncio.sleep(LATE_S)
            for connection in self.server_state.connections - told:
                told.add(connection)
                connection.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end."""
        if sig in self._captured_signals:
            self._is_hurried = True
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take signals as requests to end."""
        with super().capture_signals():
            yield
            if not self.force_exit:
                # uvicorn would raise the signals again, and a clean end would look like a kill.
                self._captured_signals.clear()


class Drain:
    """The time between the signal and the stop.

    First, for the delay, only ``/readyz`` is different, so that load balancers choose other servers. Then nobody
    can connect any more: a balancer that asks nobody for ``/readyz`` would send many back to this server, which
    soon has the fewest connections. The sockets and event streams are sent away, in random order and evenly, so
    that their clients do not connect to the other servers all at once; requests on open connections are answered.
    """

    def __init__(self, draining: Draining, connections: set[Any]) -> None:
        self._connections = connections
        self._sent_away: set[Any] = set()
        self._delay_ends_s = time.monotonic() + draining.delay_s
        self._ends_s = self._delay_ends_s + draining.drain_s
        if draining.delay_s or draining.drain_s:
            _log.info("draining", delay_s=draining.delay_s, drain_s=draining.drain_s)
        draining.has_begun = True

    @property
    def is_delayed(self) -> bool:
        """Whether the delay is not over."""
        return time.monotonic() < self._delay_ends_s

    def step(self) -> bool:
        """Send some away. Returns whether it is over, which it is early when nobody is left."""
        if self.is_delayed:
            return False
        staying = [
            connection
            for connection in self._connections - self._sent_away
            if isinstance(connection, SocketProtocol)
            or (isinstance(connection, HttpProtocol) and connection.on_shutdown is not None)
        ]
        left_s = self._ends_s - time.monotonic()
        if not staying or left_s <= 0:
            return True
        steps = max(1.0, left_s / TICK_S)
        for connection in random.sample(staying, math.ceil(len(staying) / steps)):
            self._sent_away.add(connection)
            connection.shutdown()
        return False
