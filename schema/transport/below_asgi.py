"""What ASGI has no words for: ready bytes to the TCP connection, and cutting it.

Both reach into uvicorn's protocol objects. For any other server there is nothing to reach, and ASGI has to do.
"""

import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


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
    """What writes ready bytes to the socket behind an ASGI ``send``; None where there is no way.

    It writes all of them or none, and says which: none while the client does not read, and once the socket is
    closing. Through ASGI every message is encoded and framed anew for every socket: 13 µs more a delivery.
    """
    protocol = getattr(send, "__self__", None)
    # A negotiated compression would make frames differ.
    if not isinstance(protocol, WebSocketsSansIOProtocol) or protocol.conn.extensions:
        return None
    transport, writable = protocol.transport, protocol.writable

    def write(data: bytes) -> bool:
        if not writable.is_set() or protocol.close_sent or transport.is_closing():
            return False
        transport.write(data)
        return True

    return write


# Where `server.py` leaves what cuts a request's connection: middleware wraps `send` before it gets to us.
ABORT = "taxirank.abort"


def abort_of(send: Callable[..., Any]) -> Callable[[], None]:
    """What cuts the TCP connection behind an ASGI ``send``; does nothing where there is no way."""
    protocol = getattr(send, "__self__", None)
    transport = getattr(protocol, "transport", None)
    return getattr(transport, "abort", _nothing)


def _nothing() -> None:
    return None
