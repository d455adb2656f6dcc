"""Direct access to uvicorn's connection: raw frames, abort, keep-alive.

It uses uvicorn's protocol objects. With any other server it does nothing, and the callers use ASGI.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from gateway.uvicorn.reset import reset
from gateway.uvicorn.socket_protocol import STOP_PATIENCE_S, SocketProtocol


class Connection:
    """The TCP connection behind an ASGI ``send``. On another server the methods do nothing."""

    __slots__ = ("_transport", "write_ready")

    def __init__(self, send: Callable[..., Any]) -> None:
        protocol = getattr(send, "__self__", None)
        self._transport: asyncio.Transport | None = getattr(protocol, "transport", None)
        # Writes ready bytes to a socket; None if that is impossible, for example with compression.
        self.write_ready: Callable[[bytes], bool] | None = (
            protocol.write_ready if isinstance(protocol, SocketProtocol) and not protocol.conn.extensions else None
        )

    def abort(self) -> None:
        """Close the connection immediately."""
        if self._transport is not None:
            reset(self._transport)

    def when_stopping(self, end: Callable[[], None]) -> Callable[[], None]:
        """Call ``end`` when the server stops, or immediately if it is stopping; returns a function that cancels
        this.

        An endless answer would delay the stop. It gets half a second to end, then it is aborted.
        """
        protocol: Any = self._transport.get_protocol() if self._transport is not None else None

        def stop() -> None:
            asyncio.get_running_loop().call_later(STOP_PATIENCE_S, self.abort)
            end()

        def forget() -> None:
            protocol.on_shutdown = None

        if not hasattr(protocol, "on_shutdown"):
            return lambda: None
        if protocol.is_shutting_down:
            stop()
        protocol.on_shutdown = stop
        return forget

    def expect_acknowledgements(self, *, within_s: float) -> None:
        """Abort the connection when the peer's system acknowledges nothing for ``within_s``.

        Otherwise a peer without network is noticed only after a quarter of an hour. Source: tcp(7),
        TCP_USER_TIMEOUT, on Linux.
        """
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        connected = self._transport.get_extra_info("socket") if self._transport is not None else None
        if option is not None and connected is not None and connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, option, round(within_s * 1000))
