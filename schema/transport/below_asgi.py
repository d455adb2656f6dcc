"""What ASGI has no words for: ready bytes to the TCP connection, cutting it, and seeing that nobody is there.

All of it reaches into uvicorn's protocol objects. With any other server there is nothing to reach, and ASGI has
to do.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# A process that stood still for a while may find a pong late before it reads what came meanwhile.
LAST_LOOK_S = 0.5


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sockets, but a peer that does not answer a ping in time is cut: what it would see is 1006.

    uvicorn closes such a socket with 1011, which graphql-ws clients take as fatal, and waits until that is
    taken. Without pings nobody notices that a peer's network has gone while there is nothing to send to it.
    """

    # Whether the peer does not take what is sent; as `writable`, but read without a call.
    is_paused = False

    def write_ready(self, data: bytes) -> bool:
        """Write ready bytes to the connection: all of them or none, and says which.

        None while the peer does not read, and once the socket is closing. Through ASGI every message is encoded
        and framed anew for every socket: 13 µs more a delivery.
        """
        if self.is_paused or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    def pause_writing(self) -> None:
        """The peer does not take what is sent."""
        self.is_paused = True
        super().pause_writing()

    def keepalive_timeout(self) -> None:
        """No pong yet: look once more, then cut the connection."""
        self.pong_timer = self.loop.call_later(LAST_LOOK_S, self._cut)

    def resume_writing(self) -> None:
        """The peer has taken much of what waited. The ping waits behind the rest, so its time begins anew."""
        self.is_paused = False
        super().resume_writing()
        if self.pong_timer is not None:
            self._await_pong()

    def _await_pong(self) -> None:
        assert self.ping_timeout is not None
        if self.pong_timer is not None:
            self.pong_timer.cancel()
        self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)

    def _cut(self) -> None:
        self.pong_timer = None
        if self.read_paused:
            # The application has not taken the last message, and behind it may be the pong.
            self._await_pong()
        else:
            self.transport.abort()


def text_message(data: bytes) -> bytes:
    """The WebSocket frame of a text message; unmasked, so that it is the same for every client.

    Source: RFC 6455, section 5.2
    """
    size = len(data)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + data
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size) + data
    return struct.pack("!BBQ", 0x81, 127, size) + data


def direct_writer(send: Callable[..., Any]) -> Callable[[bytes], bool] | None:
    """What writes ready bytes to the socket behind an ASGI ``send``; None where there is no way."""
    protocol = getattr(send, "__self__", None)
    # A negotiated compression would make frames differ.
    if not isinstance(protocol, SocketProtocol) or protocol.conn.extensions:
        return None
    return protocol.write_ready


# Where `server.py` leaves a request's connection: middleware wraps `send` before it gets to us.
CONNECTION = "taxirank.connection"


class Connection:
    """The TCP connection behind an ASGI ``send``. What cannot be reached is not done."""

    __slots__ = ("_transport",)

    def __init__(self, send: Callable[..., Any]) -> None:
        self._transport: asyncio.Transport | None = getattr(getattr(send, "__self__", None), "transport", None)

    def abort(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()

    def expect_acknowledgements(self, *, within_s: float) -> None:
        """Have the system cut it when the peer's system has not acknowledged for so long what was sent.

        Without that, a peer whose network has gone is noticed after a quarter of an hour. Source: tcp(7),
        TCP_USER_TIMEOUT, which Linux has.
        """
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        connected = self._transport.get_extra_info("socket") if self._transport is not None else None
        if option is not None and connected is not None and connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, option, round(within_s * 1000))
