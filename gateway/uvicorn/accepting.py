"""Accepts the connections that wait in the system's queue, all at once."""

import asyncio
import socket
from collections.abc import Callable, Sequence

# So many of each listener: each costs about 0.1 ms.
MOST_AT_ONCE = 64


class Accepting:
    """Accepts what the event loop has not: it accepts few connections in each of its turns, however long that is.

    Nobody sees what waits in the system's queue: neither probes, which pass all others, nor the newest requests,
    which are served first in an overload.
    """

    def __init__(self, listeners: Sequence[socket.socket], protocol: Callable[[], asyncio.Protocol]) -> None:
        """``protocol`` makes that of a new connection."""
        self._listeners = listeners
        self._protocol = protocol
        self._opening: set[asyncio.Task[object]] = set()

    def accept(self) -> None:
        """Accept what waits now."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            for _ in range(MOST_AT_ONCE):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    # Nobody waits, or the process has too many open files, or it stops.
                    break
                connection.setblocking(False)
                opening = loop.create_task(loop.connect_accepted_socket(self._protocol, connection))
                self._opening.add(opening)
                opening.add_done_callback(self._opened)

    def _opened(self, opening: "asyncio.Task[object]") -> None:
        self._opening.discard(opening)
        if not opening.cancelled():
            # The client may have left.
            opening.exception()
